"""A connection that gives one answer to every command."""

from collections.abc import Callable

from rollout.model.seams import Ran, Subject
from rollout.ssh.testing import FakeConnection

Answered = Callable[..., Subject]


class AnyConnection(FakeConnection):
    """Gives the same answer to every command."""

    def __init__(self, answer: Ran) -> None:
        super().__init__({})
        self._answer = answer

    def run(self, command: str, timeout: float = 30.0) -> Ran:
        del command, timeout
        return self._answer
