"""An amendment that dies anywhere, that races with another one, or with a controller: all of it is there, or nothing."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest

from rollout.engine import amending
from rollout.engine.amending import Asked
from rollout.errors import Amended as Overtaken
from rollout.errors import Locked
from rollout.executors.rehearsal import Fault, World
from rollout.graph.amend import Amended, amend
from rollout.journal import Journal, Lease, Owner, Writing
from rollout.model.event import Event, Kind
from rollout.model.fleet import Fleet
from rollout.model.graph import Graph
from rollout.model.plan import After, Amount, Limits, Plan
from rollout.model.seams import Ending
from rollout.model.state import State, Status
from rollout.model.verdict import Given
from tests.engine import shelves
from tests.engine.dying import Died
from tests.engine.worlds import Patience
from tests.fleet import CHAIN, a_combo, a_fleet, a_graph, a_plan, an_engine, an_owner
from tests.journal import postgres_server

HOSTS = {"a": 4, "b": 2}
WAVES = (Amount(1), Amount(100, percent=True))
LIMITS = Limits(at_once=Amount(2))


@pytest.fixture(params=["memory", "sqlite", "postgresql"])
def kind(request: pytest.FixtureRequest) -> Iterator[shelves.Kind]:
    if request.param == "postgresql":
        postgres_server.shared().emptied()
    yield request.param
    if request.param == "postgresql":
        postgres_server.shared().emptied()


def the_plan() -> Plan:
    return a_plan(a_combo("a"), a_combo("b", after=[After("a")]), waves=WAVES, limits=LIMITS)


def the_mended_plan() -> Plan:
    """Combo a has another playbook to upgrade with; host b2 is nobody's any more."""
    steps = tuple(replace(step, playbook="mended.yml") if step.name == "upgrade" else step for step in CHAIN)
    return a_plan(a_combo("a", steps=steps), a_combo("b", after=[After("a")]), waves=WAVES, limits=LIMITS)


def the_fleet() -> Fleet:
    fleet = a_fleet(HOSTS)
    return replace(fleet, hosts=tuple(host for host in fleet.hosts if host.name != "b2"))


class _Halted:
    """A run whose canary in combo a is held: its playbook has a bug."""

    def __init__(self, kind: shelves.Kind) -> None:
        self.graph = a_graph(HOSTS, the_plan())
        self.inbox = Patience(1000.0)
        self.world = World(self.inbox.now, faults={("a1", "upgrade"): Fault(Ending.FAILED, 99, "a typo")})
        self.shelf = shelves.Shelf(kind, self.graph, self.inbox.now)
        self.number = 0
        with self.shelf.opened() as book:
            assert (
                an_engine(self.graph, book, self.world, self.inbox, run=self.shelf.run).run().exit_code == 3
            )

    def merged(self, state: State) -> tuple[Amended, Asked]:
        found = amend(
            self.graph, the_mended_plan(), the_fleet(), {"plan": "q"}, Given(), state.run, state.hosts
        )
        assert not found.refused
        return found, Asked("ada", "a typo", ["combo a: step upgrade"])

    def owner(self) -> Owner:
        """Of a command that is no living process."""
        self.number += 1
        return an_owner(1_000_000 + self.number)

    def amend(self, book: Journal) -> Event:
        return amending.amend(book, self.shelf.run, self.owner(), self.graph, self.merged)

    def goes_on(self) -> State:
        """Mended, the canary tries again, and a controller carries the run to its end."""
        self.inbox.forget()
        self.world.faults = {}
        with self.shelf.opened() as book:
            graph = book.graph(self.shelf.run)
            book.request(self.shelf.run, Event(Kind.RETRIED, "mended", "a1"))
            engine = an_engine(graph, book, self.world, self.inbox, run=self.shelf.run, owner=self.owner())
            assert engine.run().exit_code == 0
            return engine.state


class _Dying:
    """A journal in which the command is killed just before it does, or has done, that."""

    def __init__(self, journal: Journal, at: str) -> None:
        self._journal, self._at = journal, at

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._journal, name)

        def call(*given: Any, **more: Any) -> Any:
            if self._at == f"before {name}":
                raise Died
            value = found(*given, **more)
            if self._at == f"after {name}":
                raise Died
            return value

        return call

    def release(self, lease: Lease, exit_code: int, because: str) -> None:
        """Whoever was killed lets go of nothing."""
        if self._at == "after release":
            self._journal.release(lease, exit_code, because)

    @contextmanager
    def writing(self, lease: Lease, seen: int) -> Iterator[Writing]:
        with self._journal.writing(lease, seen) as writing:
            yield _DyingWriting(writing, self._at)
            if self._at == "before commit":
                raise Died
        if self._at == "after commit":
            raise Died


class _DyingWriting:
    def __init__(self, writing: Writing, at: str) -> None:
        self._writing, self._at = writing, at

    def __getattr__(self, name: str) -> Any:
        if self._at == f"at {name}":
            raise Died
        return getattr(self._writing, name)


BEFORE = ("before claim", "after claim", "before load", "at amend", "at append", "at keep", "before commit")
AFTER = ("after commit", "after release")


@pytest.mark.parametrize("moment", [*BEFORE, *AFTER])
def test_wherever_an_amendment_dies_it_was_made_or_not(kind: shelves.Kind, moment: str) -> None:
    halted = _Halted(kind)
    with shelf_book(halted) as book:
        before = book.run(halted.shelf.run).digest
        if moment == "after release":
            halted.amend(book)
        else:
            with pytest.raises(Died):
                halted.amend(_Dying(book, moment))
    with shelf_book(halted) as book:
        made = moment in AFTER
        row = book.run(halted.shelf.run)
        assert (row.digest != before) is made
        assert book.graph(halted.shelf.run).digest == row.digest
        assert ("b2" in book.graph(halted.shelf.run).nodes) is not made
        assert [event.kind for event in book.events(halted.shelf.run)].count(Kind.AMENDED) == made
        status = {found.name: found.status for found in book.hosts(halted.shelf.run)}
        assert (status["b2"] is Status.GONE) is made
        if not made:
            halted.amend(book)
    state = halted.goes_on()
    assert {host.status for host in state.hosts.values()} == {Status.VERIFIED}
    assert sorted(state.hosts) == ["a1", "a2", "a3", "a4", "b1"]
    for (host, step), count in halted.world.done.items():
        assert count == 1, f"{step} was done again on {host}"


def shelf_book(halted: _Halted) -> Journal:
    return halted.shelf.opened()


def test_of_two_amendments_one_is_made_and_the_other_is_told(kind: shelves.Kind) -> None:
    """Both were shown the same graph."""
    halted = _Halted(kind)
    with shelf_book(halted) as first, shelf_book(halted) as second:
        halted.amend(first)
        with pytest.raises(Overtaken) as told:
            halted.amend(second)
        assert told.value.exit_code == 5
        assert second.run(halted.shelf.run).owner is None
    assert {host.status for host in halted.goes_on().hosts.values()} == {Status.VERIFIED}


def test_while_one_amends_nobody_else_does_and_no_controller_begins(kind: shelves.Kind) -> None:
    halted = _Halted(kind)
    tried: list[str] = []

    def merged(state: State) -> tuple[Amended, Asked]:
        with shelf_book(halted) as other:
            for word in ("amend", "resume"):
                with pytest.raises(Locked) as told:
                    other.claim(halted.shelf.run, an_owner(2))
                tried.append(f"{word} {told.value.exit_code}")
        return halted.merged(state)

    with shelf_book(halted) as book:
        amending.amend(book, halted.shelf.run, Owner.current(), halted.graph, merged)
    assert tried == ["amend 5", "resume 5"]


def test_a_controller_that_read_the_graph_before_an_amendment_begins_nothing(kind: shelves.Kind) -> None:
    halted = _Halted(kind)
    with shelf_book(halted) as book:
        halted.amend(book)
        began = dict(halted.world.began)
        with pytest.raises(Overtaken):
            an_engine(
                halted.graph, book, halted.world, halted.inbox, run=halted.shelf.run, owner=halted.owner()
            )
        assert halted.world.began == began


def test_what_is_asked_while_an_amendment_is_written_is_read_before(kind: shelves.Kind) -> None:
    halted = _Halted(kind)
    asked: list[Event] = []

    def merged(state: State) -> tuple[Amended, Asked]:
        if not asked:
            with shelf_book(halted) as other:
                asked.append(other.request(halted.shelf.run, Event(Kind.RETIRED, "scrapped", "a1")))
        return halted.merged(state)

    with shelf_book(halted) as book:
        written = amending.amend(book, halted.shelf.run, halted.owner(), halted.graph, merged)
        assert written.seq == asked[0].seq + 1
        status = {found.name: found.status for found in book.hosts(halted.shelf.run)}
        assert status["a1"] is Status.RETIRED


def test_a_step_in_flight_when_its_controller_died_is_taken_up_after_an_amendment(kind: shelves.Kind) -> None:
    halted = _Halted(kind)
    halted.world.faults = {}
    with shelf_book(halted) as book:
        book.request(halted.shelf.run, Event(Kind.RETRIED, "again", "a1"))
        engine = an_engine(
            halted.graph,
            _Stopping(book),
            halted.world,
            halted.inbox,
            run=halted.shelf.run,
            owner=halted.owner(),
        )
        with pytest.raises(Died):
            engine.run()
        assert engine.state.open == {"a1": None}
        halted.amend(book)
    state = halted.goes_on()
    assert state.hosts["a1"].status is Status.VERIFIED
    assert halted.world.began["a1", "upgrade"] == 2, "once before, and once since"
    assert state.hosts["a1"].discounted, "it was upgraded by the playbook as it was"


class _Stopping(_Dying):
    """Kills the controller once an intent is committed and its step has begun."""

    def __init__(self, journal: Journal) -> None:
        super().__init__(journal, "")
        self._begun = False

    @contextmanager
    def writing(self, lease: Lease, seen: int) -> Iterator[Writing]:
        if self._begun:
            raise Died
        with self._journal.writing(lease, seen) as writing:
            noted = _Noting(writing)
            yield noted  # type: ignore[misc]
        self._begun = Kind.INTENDED in noted.kinds


class _Noting:
    def __init__(self, writing: Writing) -> None:
        self._writing = writing
        self.kinds: list[Kind] = []

    def append(self, event: Event, take: Any = ()) -> Event:
        self.kinds.append(event.kind)
        return self._writing.append(event, take)

    def keep(self, run: Any, hosts: Any) -> None:
        self._writing.keep(run, hosts)


def test_an_amended_graph_is_never_taken_for_an_earlier_one() -> None:
    """Not even when everything was put back."""
    halted = _Halted("memory")
    with shelf_book(halted) as book:
        halted.amend(book)
        now = book.graph(halted.shelf.run)

        def back(state: State) -> tuple[Amended, Asked]:
            found = amend(now, the_plan(), a_fleet(HOSTS), {"plan": "p"}, Given(), state.run, state.hosts)
            assert found.new == ("b2",)
            return found, Asked("ada", "", ["back"])

        amending.amend(book, halted.shelf.run, halted.owner(), now, back)
        digests = _digests(book, halted.shelf.run, halted.graph)
    assert len(set(digests)) == 3


def _digests(book: Journal, run: str, first: Graph) -> list[str]:
    amended = [event for event in book.events(run) if event.kind is Kind.AMENDED]
    assert [event.data["old"] for event in amended] == [first.digest, amended[0].data["new"]]
    return [first.digest, *(event.data["new"] for event in amended)]
