"""A subject whose connection gives one answer to every command."""

from collections.abc import Mapping
from typing import Any

from rollout.model.seams import Ran, Subject
from rollout.ssh.testing import FakeConnection


def subject(answer: Ran | Exception, **more: Any) -> Subject:
    """A host that answers so; an exception is raised by `connect` itself."""

    def connect() -> FakeConnection:
        if isinstance(answer, Exception):
            raise answer
        return AnyConnection(answer)

    fields: Mapping[str, Any] = {
        "host": "web1",
        "combo": "c",
        "factors": {},
        "target": {},
        "connect": connect,
    }
    return Subject(**{**fields, **more})


class AnyConnection(FakeConnection):
    """Gives the same answer to every command."""

    def __init__(self, answer: Ran) -> None:
        super().__init__({})
        self._answer = answer

    def run(self, command: str, timeout: float = 30.0) -> Ran:
        del command, timeout
        return self._answer
