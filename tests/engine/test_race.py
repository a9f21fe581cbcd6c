"""Three controllers race for one run while they are killed and frozen, in processes of their own."""

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from random import Random

import pytest

from rollout import journal
from rollout.journal import Journal, RunRow
from rollout.model.event import Kind
from rollout.model.plan import Amount, Failures, Limits
from rollout.model.state import Status
from tests.engine.racer import RUN
from tests.engine.worlds import Case, check_events
from tests.fleet import CHAIN, a_combo, a_graph, a_plan
from tests.journal import postgres_server

pytestmark = pytest.mark.timeout(7200)

ROOT = Path(__file__).parents[2]
FULL = bool(os.environ.get("ROLLOUT_FULL"))
FAULTS = {"sqlite": 40 if FULL else 6, "postgresql": 8 if FULL else 3}
"""One that is frozen inside a transaction on a server keeps the others waiting until its session is ended, after 15 s."""
HOSTS = 60 if FULL else 10


@dataclass
class Race:
    """The racers by number, and what was done to them."""

    where: str
    folder: Path
    racers: dict[int, "subprocess.Popen[bytes]"] = field(default_factory=dict)
    tally: Counter[str] = field(default_factory=Counter)

    def start(self) -> None:
        number = self.tally["racers"]
        self.tally["racers"] += 1
        words = [sys.executable, "-m", "tests.engine.racer", self.where, str(self.folder), str(number)]
        path = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
        with (self.folder / f"racer.{number}").open("wb") as said:
            self.racers[number] = subprocess.Popen(
                words, stdout=said, stderr=said, env={**os.environ, "PYTHONPATH": path}
            )

    def holder(self, row: RunRow) -> int | None:
        pids = {racer.pid: number for number, racer in self.racers.items() if racer.poll() is None}
        return pids.get(row.owner.pid) if row.owner else None

    def kill(self, book: Journal, number: int) -> None:
        self.tally["killed"] += 1
        fence = book.run(RUN).fence
        self.racers[number].kill()
        self.racers.pop(number).wait()
        self.start()
        self._until_taken_over(book, fence)

    def freeze(self, book: Journal, number: int) -> None:
        """It sleeps until another one holds the run. On a file it is seen to live, and nobody takes it over."""
        racer, fence = self.racers[number], book.run(RUN).fence
        racer.send_signal(signal.SIGSTOP)
        try:
            if journal.is_url(self.where):
                self.tally["frozen and taken over"] += 1
                self._until_taken_over(book, fence)
            else:
                self.tally["frozen and awaited"] += 1
                time.sleep(0.2)
                assert book.run(RUN).fence == fence, "one that lives was taken over"
        finally:
            racer.send_signal(signal.SIGCONT)

    def wait_for(self, what: Callable[[], bool], seconds: float = 240.0) -> None:
        """A racer that ends with an error ends the race."""
        until = time.monotonic() + seconds
        while not what():
            for number, racer in self.racers.items():
                assert racer.poll() in {None, 0}, (self.folder / f"racer.{number}").read_text()
            assert time.monotonic() < until, "waited in vain"
            time.sleep(0.02)

    def _until_taken_over(self, book: Journal, fence: int) -> None:
        """A dead one on this machine is seen to be dead; of another machine's only the silence is seen, and it is hurried on here."""

        def taken() -> bool:
            if journal.is_url(self.where):
                silence = f"UPDATE rollout.run SET renewed_at = renewed_at - 61 WHERE fence = {fence} AND owner IS NOT NULL"
                postgres_server.shared().admin(silence)
            return book.run(RUN).fence > fence or is_over(book)

        self.wait_for(taken)

    def end(self) -> None:
        for racer in self.racers.values():
            racer.send_signal(signal.SIGCONT)
            racer.kill()
            racer.wait()


def until_written(running: Race, book: Journal, more: int) -> None:
    goal = book.run(RUN).seq + more
    running.wait_for(lambda: book.run(RUN).seq >= goal or is_over(book))


def is_over(book: Journal) -> bool:
    ended = book.run(RUN).ended
    return ended is not None and ended.exit_code == 0


@contextmanager
def race(where: str, folder: Path) -> Iterator[Race]:
    found = Race(where, folder)
    try:
        for _ in range(3):
            found.start()
        yield found
    finally:
        found.end()


@pytest.fixture(params=["sqlite", "postgresql"])
def where(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "postgresql":
        return postgres_server.shared().fresh()
    return str(tmp_path / "journal.sqlite3")


@pytest.mark.parametrize("seed", range(3 if FULL else 1))
def test_whoever_is_killed_or_frozen_each_order_is_begun_once(where: str, tmp_path: Path, seed: int) -> None:
    dice, folder = Random(seed), tmp_path / "hosts"
    folder.mkdir()
    plan = a_plan(
        a_combo("a"),
        waves=(Amount(1), Amount(100, percent=True)),
        limits=Limits(at_once=Amount(4)),
        failures=Failures(),
    )
    case = Case(a_graph({"a": HOSTS}, plan), {}, frozenset(), frozenset())
    with journal.open(where) as book:
        book.create(RUN, case.graph, plan_file="", created_by="")
        with race(where, folder) as running:
            for _ in range(FAULTS["postgresql" if journal.is_url(where) else "sqlite"]):
                until_written(running, book, dice.randint(1, 12))
                number = running.holder(book.run(RUN))
                if number is not None and not is_over(book):
                    (running.kill if dice.random() < 0.5 else running.freeze)(book, number)
            running.wait_for(lambda: is_over(book))
            running.wait_for(lambda: all(racer.poll() == 0 for racer in running.racers.values()))
        events = list(book.events(RUN))
        assert {row.status for row in book.hosts(RUN)} == {Status.VERIFIED}
    check_events(case, events)
    jobs = [json.loads(path.read_text()) for path in folder.glob("*.job")]
    assert list(folder.glob("*.again")) == [], "an order was begun twice"
    assert Counter((job["host"], job["step"]) for job in jobs) == {
        (host, step.name): 1 for host in case.graph.nodes for step in CHAIN
    }
    intents = {(event.host, event.step, event.attempt) for event in events if event.kind is Kind.INTENDED}
    assert {(job["host"], job["step"], job["attempt"]) for job in jobs} <= intents
    for host in case.graph.nodes:
        mine = sorted((job for job in jobs if job["host"] == host), key=lambda job: float(job["at"]))
        assert all(before["until"] <= after["at"] for before, after in pairwise(mine)), "two steps at once"
        assert [job["fence"] for job in mine] == sorted(job["fence"] for job in mine)
    running.tally["leases lost"] = lines(folder / "LOST")
    running.tally["orders that a host refused"] = lines(folder / "REFUSED")
    running.tally["steps begun"] = len(jobs)
    print(dict(running.tally))  # noqa: T201  shown by -s
    assert (
        running.tally["killed"] + running.tally["frozen and awaited"] + running.tally["frozen and taken over"]
    )


def lines(path: Path) -> int:
    return len(path.read_text().splitlines()) if path.exists() else 0
