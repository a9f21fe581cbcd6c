"""A connection without a host, for the tests of gates and of whoever writes his own."""

import re
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self

from rollout.model.seams import Ran

Question = str | re.Pattern[str]


class FakeConnection:
    """Answers commands from a table: `connect=lambda host, variables: FakeConnection({"true": Ran(0, "", "")})`.

    The keys are texts and compiled patterns. A text is a whole command; a pattern is searched for in it. The first that fits answers; an exception is raised.
    A command that nothing fits raises LookupError. `ran` lists the commands, `closed` says that the block was left.
    """

    def __init__(self, answers: Mapping[Any, Ran | Exception]) -> None:
        self._answers: tuple[tuple[Question, Ran | Exception], ...] = tuple(answers.items())
        self.ran: list[str] = []
        self.closed = False

    def run(self, command: str, timeout: float = 30.0) -> Ran:
        """The table's answer; `timeout` is for the real ones."""
        del timeout
        self.ran.append(command)
        for question, answer in self._answers:
            if question == command if isinstance(question, str) else question.search(command):
                if isinstance(answer, Exception):
                    raise answer
                return answer
        message = f"no answer for the command {command!r}"
        raise LookupError(message)

    def __enter__(self) -> Self:
        """Open it again."""
        self.closed = False
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None:
        """Remember that it was closed."""
        self.closed = True
