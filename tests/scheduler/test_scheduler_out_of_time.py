"""A controller that has to end: what would not fit does not begin, and the exit code says what the next one can do."""

from dataclasses import replace

import pytest

from rollout.engine.inbox import VirtualInbox
from rollout.executors.rehearsal import World
from rollout.journal.memory import MemoryJournal
from rollout.model.decision import Stop
from rollout.model.event import Kind
from rollout.model.graph import Graph
from rollout.model.plan import Amount, Limits, Soak
from rollout.model.state import Status
from rollout.model.windows import Calendar, Weekly, Window
from rollout.model.zones import UTC, Zone
from tests.fleet import CHAIN as STEPS
from tests.fleet import a_graph, a_plan, an_engine
from tests.scheduler.given import CHAIN, Given

NEED = sum(step.expect for step in STEPS)
THURSDAY = 1_700_092_800.0
"""2023-11-16 00:00 UTC."""
FRIDAYS = Window(allow=True, when=(Weekly((4,), 3600, 4 * 3600.0),), zone=UTC, text="Fri 01:00 + 4h")


def stop(given: Given, until: float) -> Stop:
    (decision,) = given.decide(until=until)
    assert isinstance(decision, Stop)
    return decision


def on_fridays(graph: Graph, deadline: float | None = None) -> Graph:
    nodes = {name: replace(node, zones=(UTC,)) for name, node in graph.nodes.items()}
    return replace(graph, nodes=nodes, calendar=Calendar((FRIDAYS,), {UTC: Zone(UTC)}), deadline=deadline)


def test_a_host_that_would_not_fit_ends_the_controller_with_75() -> None:
    given = Given(a_graph({"a": 2})).opened("a/1")
    assert given.decides(until=given.now + NEED) == ["start a1 precheck #1"]
    said = stop(given, given.now + NEED - 1)
    assert said.exit_code == 75
    assert said.because == (
        "time used up: this controller ends in 2 min, and a host of a takes up to 3 min (p90); `rollout resume` carries on"
        " (0 verified, 0 held, 2 not started)"
    )


def test_a_soak_that_ends_later_is_left_to_the_next_one() -> None:
    given = Given(a_graph({"a": 2}, a_plan(soak=Soak(86400, 0)))).opened("a/1").did("a1", *CHAIN)
    end = given.now + 86400
    given.tell(Kind.SOAKING, "a1", because="its health has to hold", until=end)
    assert given.decides(until=end) == [f"wait until {end:g}"]
    said = stop(given, given.now + 3600)
    assert said.exit_code == 75
    assert said.because == (
        "time used up: the next thing to do is due in 23 h 59 min, when this controller has ended: a1, its health has to hold; "
        "`rollout resume` carries on"
    )


def test_what_is_in_flight_is_awaited_whatever_the_time() -> None:
    given = Given(a_graph({"a": 2})).opened("a/1").began("a1", "precheck")
    assert given.decides(until=given.now + 1) == ["wait"]


def test_a_window_that_opens_after_the_end_is_8_with_the_time() -> None:
    given = Given(on_fridays(a_graph({"a": 2}))).tell(Kind.OPENED, wave="a/1", at=THURSDAY)
    assert given.decides() == [f"wait until {THURSDAY + 25 * 3600:g}"]
    said = stop(given, THURSDAY + 3600)
    assert said.exit_code == 8
    assert said.because.startswith(
        "not now: it is outside its windows; the next opens Fri 01:00 (UTC), in 1 d 1 h; this controller ends before that; `rollout resume` then (0 "
    )


def test_a_deadline_is_no_matter_of_this_controller() -> None:
    given = Given(on_fridays(a_graph({"a": 2}), deadline=THURSDAY)).tell(Kind.OPENED, wave="a/1", at=THURSDAY)
    said = stop(given, THURSDAY + 3600)
    assert said.exit_code == 3
    assert said.because.startswith("halted: the plan's deadline, ")
    assert "has passed: nothing more begins" in said.because


def test_a_pause_is_a_pause_however_little_time_is_left() -> None:
    given = Given(a_graph({"a": 2})).opened("a/1").tell(Kind.PAUSED, because="lunch")
    assert stop(given, given.now + 1).exit_code == 8


@pytest.mark.parametrize(
    ("budget", "verified"), [(NEED - 1, 0), (NEED + 1, 1), (2 * NEED + 1, 2), (9 * NEED, 4)]
)
def test_runs_in_small_pieces_come_to_the_same_end(budget: float, verified: int) -> None:
    """One host at a time; each controller ends before its time, and nothing is left in the middle."""
    graph = a_graph({"a": 4}, a_plan(waves=(Amount(4),), limits=Limits(at_once=Amount(1), per={})))
    inbox = VirtualInbox(THURSDAY)
    journal = MemoryJournal(inbox.now)
    journal.create("run", graph, plan_file="p", created_by="me")
    codes = []
    for _ in range(5):
        until = inbox.now() + budget
        engine = an_engine(graph, journal, World(inbox.now), inbox, until=until)
        codes.append(engine.run().exit_code)
        assert inbox.now() <= until
        assert not any(host.slot for host in engine.state.hosts.values())
        if len(codes) == 1:
            assert sum(host.status is Status.VERIFIED for host in engine.state.hosts.values()) == verified
        if codes[-1] == 0:
            break
    assert set(codes[:-1]) <= {75}
    assert codes[-1] == (75 if budget < NEED else 0)
