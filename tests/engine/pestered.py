"""Runs into which people write while controllers die."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from rollout.journal import Journal, Lease, Writing
from rollout.model.event import Event
from tests.engine.dying import Died, DyingJournal
from tests.engine.worlds import Case, Death, Patience, Told, a_journal, a_world, check_kept
from tests.fleet import an_engine

Asked = tuple[int, Event]
"""Before which transaction of the whole run, and what is asked then."""


class PesteredJournal:
    """A journal into which people write just before chosen transactions. Everything else is passed on."""

    def __init__(self, journal: Journal, requests: list[Asked]) -> None:
        self._journal = journal
        self._left = requests

    def __getattr__(self, name: str) -> Any:
        return getattr(self._journal, name)

    @contextmanager
    def writing(self, lease: Lease, seen: int) -> Iterator[Writing]:
        while self._left and self._left[0][0] <= seen:
            self._journal.request("run", self._left.pop(0)[1])
        with self._journal.writing(lease, seen) as writing:
            yield writing


def carry_out(case: Case, asked: list[Asked], deaths: list[Death]) -> Told:
    """Controller after controller, until one comes to its end."""
    inbox = Patience(start=1000.0)
    world, journal = a_world(case, inbox), a_journal(case, inbox)
    left = list(asked)
    for death in [*deaths, None]:
        mortal = journal if death is None else DyingJournal(journal, death.write, committed=death.committed)
        inbox.forget()
        engine = an_engine(case.graph, PesteredJournal(mortal, left), world, inbox)
        try:
            stop = engine.run()
        except Died:
            continue
        check_kept(case, journal, engine.state)
        told = Told(stop, list(journal.events("run")), world, engine.state)
    return told
