"""Gates asked through a host's console: what a real machine answers, whatever its network does."""

import time
from typing import Any, Self

from rollout.lab import Lab
from rollout.model.seams import Ran, Subject


class Console:
    """A `rollout.model.seams.Connection`."""

    def __init__(self, lab: Lab, host: str) -> None:
        self._lab, self._host = lab, host

    def run(self, command: str, timeout: float = 30.0) -> Ran:
        del timeout
        done = self._lab.run(self._host, ["sh", "-c", command])
        return Ran(done.returncode, done.stdout, done.stderr)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None: ...


def at_its_console(lab: Lab, host: str, **more: Any) -> Subject:
    """The host as a gate is given it."""
    return Subject(host, "c", {}, {}, connect=lambda: Console(lab, host), now=time.time(), **more)
