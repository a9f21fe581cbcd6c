"""A journal whose controller dies at a chosen write: just before it is committed, or just after."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from rollout.journal import Journal, Lease, Writing


class Died(BaseException):
    """The controller was killed with -9: nothing may catch it."""


class DyingJournal:
    """Wraps a journal; after `writes` transactions the next one dies. Everything else is passed on."""

    def __init__(self, journal: Journal, writes: int, *, committed: bool) -> None:
        self._journal = journal
        self._left = writes
        self._committed = committed

    def __getattr__(self, name: str) -> Any:
        return getattr(self._journal, name)

    @contextmanager
    def writing(self, lease: Lease, seen: int) -> Iterator[Writing]:
        self._left -= 1
        with self._journal.writing(lease, seen) as writing:
            yield writing
            if self._left == 0 and not self._committed:
                raise Died
        if self._left == 0:
            raise Died
