"""Where the runs of the properties are kept: in memory, in a file, on a server."""

import atexit
from collections.abc import Callable
from functools import cache
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal

from rollout import journal
from rollout.journal import Journal
from rollout.journal.memory import MemoryJournal
from rollout.model.graph import Graph
from tests.journal import postgres_server

Kind = Literal["memory", "sqlite", "postgresql"]
MEMORY = "/dev/shm" if Path("/dev/shm").is_dir() else None
_NUMBERS = count()


class Shelf:
    """A run of that graph. Each controller opens the journal anew, as a process of its own does."""

    def __init__(self, kind: Kind, graph: Graph, clock: Callable[[], float]) -> None:
        self.run = f"run-{next(_NUMBERS)}"
        self._kept = MemoryJournal(clock) if kind == "memory" else None
        self._where = "" if kind == "memory" else where(kind)
        self._clock = clock
        with self.opened() as book:
            book.create(self.run, graph, plan_file="plan.yml", created_by="test")

    def opened(self) -> Journal:
        return self._kept or journal.open(self._where, self._clock)


def where(kind: Kind) -> str:
    """One journal for all the runs of a test session."""
    return postgres_server.shared().url() if kind == "postgresql" else f"{_folder().name}/journal.sqlite3"


@cache
def _folder() -> "TemporaryDirectory[str]":
    folder = TemporaryDirectory(prefix="rollout-crash-", dir=MEMORY)
    atexit.register(folder.cleanup)
    return folder
