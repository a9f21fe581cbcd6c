"""Controllers that die at a chosen moment: just before a write is committed, just after, or just after a step was begun."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, ClassVar, Literal

from rollout.executors.rehearsal import Rehearsal, World
from rollout.journal import Journal, Lease, Writing
from rollout.model.seams import Order, Post


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


class DyingRehearsal(Rehearsal):
    """Dies as soon as the `acts`th step was begun, or taken up: the intent is committed, and nobody has heard of an outcome."""

    kind: ClassVar[Literal["ansible", "rehearsal"]] = "rehearsal"

    def __init__(self, world: World, acts: int) -> None:
        super().__init__(world)
        self._left = acts

    def run(self, order: Order, post: Post) -> None:
        super().run(order, post)
        self._left -= 1
        if self._left == 0:
            raise Died
