"""Thousands of faults of every kind, in rehearsed fleets: nothing is done twice, nobody is lost, no limit is exceeded, every run ends."""

import os
from collections import Counter
from dataclasses import dataclass, field
from random import Random
from typing import Any

import pytest

from rollout.engine.steps import Steps
from rollout.errors import JournalFull
from rollout.executors.rehearsal import World
from rollout.model.event import Event, Kind
from rollout.model.fold import apply
from rollout.model.graph import Graph
from rollout.model.plan import After, Amount, Failures, GateRule, Limits, Moment, Soak
from rollout.model.seams import Ending
from rollout.model.state import State, Status
from tests.engine import shelves
from tests.engine.dying import Died
from tests.engine.torn import lose_power
from tests.engine.unlucky import (
    ANSWERS,
    POWER,
    WAYS,
    WRITES,
    Faults,
    Luck,
    UnluckyGate,
    UnluckyJournal,
    UnluckyRehearsal,
    mend,
)
from tests.engine.worlds import MOMENTS, WAVES, Case, Patience, Told, check_end, check_events, check_kept
from tests.fleet import CHAIN, a_combo, a_graph, a_plan, an_engine
from tests.journal import postgres_server

pytestmark = pytest.mark.timeout(7200)

LONGEST = 400
"""Controllers of one run. The last hundred have no bad luck any more."""

KINDS = len(WAYS) + len(ANSWERS) + len(WRITES) + 2
"""Of faults; the two are deaths after an act, and with the machine."""

ONCE = {step.name for step in CHAIN if step.once}


@dataclass
class Tally:
    """What was planted, in how many runs and controllers; and whatever must be zero."""

    planted: Counter[str] = field(default_factory=Counter)
    what: Counter[str] = field(default_factory=Counter)
    wrong: Counter[str] = field(default_factory=Counter)

    def table(self) -> str:
        rows = [*self.planted.most_common(), ("all faults", self.planted.total())]
        rows += [*self.what.items(), *((f"{what} (must be 0)", count) for what, count in self.wrong.items())]
        return "\n" + "\n".join(f"{what:<45} {count:>7}" for what, count in rows)


def a_fleet(dice: Random) -> Graph:
    """Two kinds of hosts in four racks; the plan's numbers are drawn."""
    gates = [
        GateRule(f"{edge} {what}", "command", Moment(edge, what), retries=dice.randrange(3))
        for edge, what in MOMENTS
        if dice.random() < 0.6
    ]
    plan = a_plan(
        a_combo("a"),
        a_combo("b", after=[After("a", dice.choice(["canaries", 0.5, 1.0]))]),
        waves=dice.choice(WAVES),
        limits=Limits(
            at_once=Amount(dice.randint(1, 6)),
            per={"rack": Amount(dice.randint(1, 3))},
            controller=dice.choice([2, 6, 100]),
        ),
        failures=Failures(dice.randrange(2), dice.randrange(5), dice.choice([None, 8])),
        soak=Soak(dice.choice([0.0, 30.0]), dice.choice([0.0, 10.0])),
        gates=gates,
    )
    return a_graph({"a": dice.randint(6, 14), "b": dice.randint(4, 12)}, plan, racks=4)


def carry_out(seed: int, kind: shelves.Kind, tally: Tally) -> None:
    """One run to its very end, by as many controllers as it takes."""
    luck, inbox = Luck(Random(seed)), Patience(start=1000.0)
    graph = a_fleet(luck.random)
    inbox._left = 200_000
    world = World(inbox.now, faults=Faults(luck))
    shelf, case = shelves.Shelf(kind, graph, inbox.now), Case(graph, {}, frozenset(), frozenset())
    for number in range(LONGEST):
        luck.bad = number < LONGEST - 100
        tally.what["controllers"] += 1
        inbox.forget()
        with shelf.opened() as book:
            unlucky: Any = UnluckyJournal(book, shelf.run, luck)
            try:
                engine = an_engine(
                    graph,
                    unlucky,
                    world,
                    inbox,
                    run=shelf.run,
                    steps=Steps(UnluckyRehearsal(world, luck), {}),
                    gate=lambda _world: UnluckyGate(luck),
                )
                stop = engine.run()
            except (Died, JournalFull) as death:
                if isinstance(death, Died) and luck.strikes(POWER, "the machine dies with it"):
                    lose_power(world)
                continue
            told = Told(stop, list(book.events(shelf.run)), world, engine.state)
            check_kept(case, book, engine.state, shelf.run)
            check_end(case, told)
            if stop.exit_code == 0:
                break
            mend(book, shelf.run, engine.state, world, luck)
    tally.what["runs"] += 1
    tally.planted.update(luck.drawn)
    judge(case, told, tally)


def judge(case: Case, told: Told, tally: Tally) -> None:
    """Of the whole run, event by event and host by host."""
    check_events(case, told.events)
    tally.what["steps begun"] += sum(told.world.began.values())
    tally.wrong["runs without an end"] += told.stop.exit_code != 0
    tally.wrong["two steps at once on a host"] += len(told.world.overlaps)
    tally.wrong["orders begun twice"] += sum(told.world.began.values()) - len(told.world.jobs)
    tally.wrong["finished steps repeated"] += repeated(told.events)
    tally.wrong["once steps begun twice on a guess"] += guessed(told.events)
    tally.wrong["hosts lost"] += lost(case, told)
    tally.wrong["limits exceeded"] += exceeded(case, told.events)


def repeated(events: list[Event]) -> int:
    """Steps that were begun again although they were done, and no person had ordered that anything be proved again."""
    count = 0
    done: dict[str, set[str]] = {}
    for event in events:
        host, step = event.host or "", event.step or ""
        if event.kind is Kind.DONE:
            done.setdefault(host, set()).add(step)
        elif event.kind is Kind.RESOLVED and event.data["as"] == "done":
            done.get(host, set()).discard("verify")
        elif event.kind is Kind.INTENDED:
            count += step in done.get(host, ())
    return count


def guessed(events: list[Event]) -> int:
    """`once` steps that were begun again without a person, and without the knowledge that the order before had never begun."""
    count = 0
    begun: set[str] = set()
    for event in events:
        host = event.host or ""
        if event.kind is Kind.INTENDED and event.step in ONCE:
            count += host in begun
            begun.add(host)
        elif event.kind is Kind.RETRIED or (
            event.kind is Kind.VOID and event.data["ending"] == Ending.NEVER_BEGAN
        ):
            begun.discard(host)
    return count


def exceeded(case: Case, events: list[Event]) -> int:
    """Slots that were taken beyond their cap by a step that began; held and uncertain hosts count, too."""
    state, count = State(case.graph), 0
    for event in events:
        apply(state, event)
        if event.kind is Kind.INTENDED:
            count += len(state.slots.over(tuple(event.data["slots"])))
    return count


def lost(case: Case, told: Told) -> int:
    """Hosts of which nobody knows what became, and those that count as upgraded and are not."""
    hosts = told.state.hosts
    count = len(case.graph.nodes) - len(hosts)
    for name, host in hosts.items():
        if host.status is Status.VERIFIED:
            count += any(not told.world.done[name, step.name] for step in CHAIN)
        else:
            count += host.status is not Status.RETIRED or not host.because
    return count


def plant(kind: shelves.Kind, faults: int) -> Tally:
    """Seeded runs until so many faults have struck."""
    tally, seed = Tally(), 0
    while tally.planted.total() < faults:
        seed += 1
        carry_out(seed, kind, tally)
    return tally


@pytest.mark.parametrize(
    ("kind", "faults"),
    [
        ("memory", 1000),
        ("sqlite", 150),
        pytest.param("memory", 10_000, marks=pytest.mark.full),
        pytest.param("sqlite", 2_000, marks=pytest.mark.full),
        pytest.param("postgresql", 1_000, marks=pytest.mark.full),
    ],
)
def test_whatever_strikes_nothing_is_repeated_lost_or_exceeded(
    kind: shelves.Kind, faults: int, capsys: pytest.CaptureFixture[str]
) -> None:
    if kind == "postgresql":
        postgres_server.shared().emptied()
    tally = plant(kind, faults)
    if os.environ.get("ROLLOUT_FULL"):
        with capsys.disabled():
            print(f"\n{kind}{tally.table()}")  # noqa: T201  the table is asked for
    assert +tally.wrong == Counter(), tally.table()
    assert len(tally.planted) == KINDS or faults < 1000, tally.table()
