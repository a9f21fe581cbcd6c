"""Two controllers of one run: one is frozen at any moment until its lease is another's, and wakes up in the midst of the other's work."""

import os
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rollout.engine.steps import Steps
from rollout.errors import LeaseLost, Locked
from rollout.executors.rehearsal import Rehearsal, World
from rollout.journal import Journal, Lease, Owner, Writing
from rollout.model.event import Kind
from rollout.model.seams import Order, Post
from tests.engine import shelves
from tests.engine.dying import Died, DyingJournal
from tests.engine.test_crash_databases import a_case
from tests.engine.torn import carry_out, check_rules, ends, was_stopped
from tests.engine.worlds import Case, Patience, Told, a_world, cases, check_kept
from tests.fleet import CHAIN, an_engine
from tests.journal import postgres_server

pytestmark = pytest.mark.timeout(7200)  # the search for counter-examples may be a long one

FULL = bool(os.environ.get("ROLLOUT_FULL"))
EXAMPLES = {"sqlite": 1000 if FULL else 40, "postgresql": 300 if FULL else 12}
OWNERS = [replace(Owner.current(), boot_id=f"boot {name}", machine=name) for name in ("one", "two", "three")]
"""On three machines: none can see whether another one lives."""

LEASE = 60.0
"""Seconds; whoever waits shows three times as often that it lives."""

Moment = Literal["before the write", "after the write", "after the act"]


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def kind(request: pytest.FixtureRequest) -> shelves.Kind:
    if request.param == "postgresql":
        postgres_server.shared().emptied()
    found: shelves.Kind = request.param
    return found


@dataclass(frozen=True)
class Freeze:
    """The first controller is frozen at that write, or act; the second dies at that write of its own (0: it lives to the end)."""

    at: int
    moment: Moment
    death: int


any_freeze = st.builds(
    Freeze,
    st.integers(1, 40),
    st.sampled_from(["before the write", "after the write", "after the act"]),
    st.one_of(st.just(0), st.integers(1, 40)),
)


@dataclass
class Time:
    now: float = 1000.0


class SharedTime(Patience):
    """The inbox of one of several controllers; time is the same for all of them."""

    def __init__(self, time: Time) -> None:
        self._time = time
        super().__init__(time.now)

    @property
    def _now(self) -> float:
        return self._time.now

    @_now.setter
    def _now(self, now: float) -> None:
        self._time.now = now


class Freezing:
    """Calls `meanwhile` once, when the time of the freeze has come; then the controller wakes up and goes on as if nothing had been."""

    def __init__(self, freeze: Freeze, meanwhile: Callable[[], None]) -> None:
        self._left = freeze.at
        self._moment = freeze.moment
        self._meanwhile = meanwhile

    def passes(self, *moments: Moment) -> None:
        if self._moment in moments:
            self._left -= 1
            if self._left == 0:
                self._meanwhile()


class FreezingJournal:
    """Everything but `writing` is passed on."""

    def __init__(self, journal: Journal, freezing: Freezing) -> None:
        self._journal, self._freezing = journal, freezing

    def __getattr__(self, name: str) -> Any:
        return getattr(self._journal, name)

    @contextmanager
    def writing(self, lease: Lease, seen: int) -> Iterator[Writing]:
        self._freezing.passes("before the write")
        with self._journal.writing(lease, seen) as writing:
            yield writing
        self._freezing.passes("after the write")


class FreezingRehearsal(Rehearsal):
    def __init__(self, world: World, freezing: Freezing) -> None:
        super().__init__(world)
        self._freezing = freezing

    def run(self, order: Order, post: Post) -> None:
        super().run(order, post)
        self._freezing.passes("after the act")


@dataclass
class Story:
    """One run and its controllers. `woke`: what had begun, and how many events there were, when the first one woke up."""

    case: Case
    kind: shelves.Kind
    time: Time = field(default_factory=Time)
    told: Told | None = None
    woke: tuple[dict[tuple[str, str], int], int] | None = None
    lost: bool = False

    def __post_init__(self) -> None:
        self.world = a_world(self.case, SharedTime(self.time))
        self.shelf = shelves.Shelf(self.kind, self.case.graph, lambda: self.time.now)

    def tell(self, freeze: Freeze) -> Told:
        """The first until it is frozen; the second until its end, or death; the first again; a third if work is left."""

        def meanwhile() -> None:
            with self.shelf.opened() as book, suppress(Died):
                self._take_over(book, OWNERS[1], freeze.death)
            with self.shelf.opened() as book:
                self.woke = dict(self.world.began), book.run(self.shelf.run).seq

        freezing = Freezing(freeze, meanwhile)
        with self.shelf.opened() as book:
            try:
                steps = Steps(FreezingRehearsal(self.world, freezing), {})
                self._carry(book, FreezingJournal(book, freezing), OWNERS[0], steps)
            except LeaseLost:
                self.lost = True
        if self.told is None:
            with self.shelf.opened() as book:
                self._take_over(book, OWNERS[2], 0)
        assert self.told is not None
        return self.told

    def _take_over(self, book: Journal, owner: Owner, death: int) -> None:
        """A lease lapses. A file knows no time-out: there a person vouches, perhaps wrongly, for a death that nobody has seen."""
        with pytest.raises(Locked):
            book.claim(self.shelf.run, owner)
        self.time.now += LEASE + 1
        mortal = DyingJournal(book, death, committed=death % 2 == 0) if death else book
        self._carry(book, mortal, owner, force=self.kind == "sqlite")

    def _carry(
        self, book: Journal, seen: Any, owner: Owner, steps: Steps | None = None, *, force: bool = False
    ) -> None:
        inbox, run = SharedTime(self.time), self.shelf.run
        engine = an_engine(
            self.case.graph,
            seen,
            self.world,
            inbox,
            run=run,
            owner=owner,
            steps=steps,
            force=force,
            poll=LEASE / 3,
        )
        stop = engine.run()
        check_kept(self.case, book, engine.state, run)
        self.told = Told(stop, list(book.events(run)), self.world, engine.state)


def check_starts(story: Story, told: Told) -> None:
    """No order was begun twice, or without its intent; each fence has its time."""
    ordered = [(event.host, event.attempt) for event in told.events if event.kind is Kind.INTENDED]
    assert len(ordered) == len(set(ordered)), "two intents of one mark and attempt"
    assert set(story.world.jobs) <= set(ordered), "a step began whose intent is not in the journal"
    assert sum(story.world.began.values()) == len(story.world.jobs), "an order was begun twice"
    fences = [event.data["fence"] for event in told.events if "fence" in event.data]
    assert fences == sorted(fences), "a holder wrote after its fence"


def check_frozen(story: Story, told: Told) -> None:
    """Whoever wakes up and is no longer the holder changes nothing, in the journal or on a host."""
    assert story.woke is not None
    began, seq = story.woke
    assert story.lost, "its next write was not refused"
    later = [event for event in told.events if event.seq > seq and event.data.get("fence") == 1]
    assert later == [], "it wrote after it had woken up"
    if told.events[-1].seq == seq:
        assert dict(story.world.began) == began, "it began something after it had woken up"


def test_there_is_no_moment_at_which_a_frozen_holder_does_harm(kind: shelves.Kind) -> None:
    """An intent that it had written, and not yet carried out, is refused by the host itself once another one has asked there."""
    case = a_case()
    whole = carry_out(case, [])
    acts = sum(event.kind is Kind.INTENDED for event in whole.events)
    counts: dict[Moment, int] = {
        "before the write": len(whole.events),
        "after the write": len(whole.events),
        "after the act": acts,
    }
    freezes = [Freeze(n, moment, 0) for moment, count in counts.items() for n in range(1, count + 1)]
    refused = 0
    for freeze in freezes[:: 1 if FULL or kind == "sqlite" else 3]:
        story = Story(case, kind)
        told = story.tell(freeze)
        check_rules(case, told)
        check_starts(story, told)
        check_frozen(story, told)
        assert told.stop.exit_code == 0, freeze
        assert {story.world.done[host, step.name] for host in case.graph.nodes for step in CHAIN} == {1}
        refused += len(story.world.refused)
    assert refused, "no order came too late: the test has lost its point"


def test_a_frozen_holder_is_refused_when_it_wakes_up_and_the_run_ends_as_if_nothing_had_been(
    kind: shelves.Kind,
) -> None:
    tally: Counter[str] = Counter()

    @given(cases(), any_freeze)
    @settings(max_examples=EXAMPLES[kind])
    def holds(case: Case, freeze: Freeze) -> None:
        whole = carry_out(case, [])
        story = Story(case, kind)
        told = story.tell(freeze)
        check_rules(case, told)
        check_starts(story, told)
        if not (
            was_stopped(told) or was_stopped(whole)
        ):  # a minute has passed that the other run did not have
            assert ends(told, among=whole) == ends(whole, among=told)
        tally["runs"] += 1
        if story.woke is not None:
            check_frozen(story, told)
            tally[f"frozen {freeze.moment}"] += 1
            tally["orders that a host refused"] += len(story.world.refused)

    holds()
    print(f"{kind}: {dict(tally)}")  # noqa: T201  shown by -s
    assert sum(count for what, count in tally.items() if what.startswith("frozen"))
