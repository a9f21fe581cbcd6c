"""When a run is expected to end: beside what really happens on imagined hosts; and what cannot be known."""

import json
from dataclasses import replace

import pytest

from rollout.engine.inbox import VirtualInbox
from rollout.executors.rehearsal import World
from rollout.journal.memory import MemoryJournal
from rollout.model.event import Kind
from rollout.model.graph import Graph
from rollout.model.plan import Amount, Failures, Limits, Soak
from rollout.model.state import State
from rollout.model.windows import Calendar, Weekly, Window
from rollout.model.zones import UTC, Zone
from rollout.report import eta
from tests.fleet import a_combo, a_graph, a_plan, an_engine
from tests.model.test_model_people import climbed
from tests.scheduler.given import Given

BEGIN = 1_700_092_800.0
"""Thu 2023-11-16 00:00 UTC."""
NIGHTLY = Window(allow=True, when=(Weekly(tuple(range(7)), 3600, 4 * 3600.0),), zone=UTC, text="01:00 + 4h")


def a_world(
    hosts: int, *, at_once: int = 10, per: int = 0, soak: float = 600.0, harm: float | None = None
) -> Graph:
    limits = Limits(at_once=Amount(at_once), per={"rack": Amount(per)} if per else {})
    plan = a_plan(a_combo("a"), limits=limits, soak=Soak(soak, soak), failures=Failures(0, 50))
    return replace(a_graph({"a": hosts}, plan, racks=5), harm=harm)


def windowed(graph: Graph) -> Graph:
    nodes = {name: replace(node, zones=(UTC,)) for name, node in graph.nodes.items()}
    return replace(graph, nodes=nodes, calendar=Calendar((NIGHTLY,), {UTC: Zone(UTC)}))


WORLDS = {
    "one host": a_world(1),
    "at once": a_world(60),
    "racks": a_world(60, at_once=40, per=1),
    "a long soak": a_world(40, soak=86400.0),
    "credit": a_world(100, at_once=50, harm=3.0),
    "scarce credit": a_world(60, at_once=50, harm=1.0),
    "credit that no limit lets anybody use": a_world(100, at_once=2, harm=3.0),
    "windows": windowed(a_world(200, at_once=1)),
}


@pytest.mark.parametrize("name", WORLDS)
def test_the_estimate_at_the_begin_is_near_what_really_happens(name: str) -> None:
    graph = WORLDS[name]
    inbox = VirtualInbox(BEGIN)
    journal = MemoryJournal(inbox.now)
    journal.create("run", graph, plan_file="p", created_by="me")
    found = eta.estimate(graph, State(graph), BEGIN)
    assert an_engine(graph, journal, World(inbox.now), inbox).run().exit_code == 0
    assert found.ends is not None
    assert not found.learned
    took = inbox.now() - BEGIN
    assert 0.75 * took <= found.ends[0] - BEGIN <= 1.35 * took
    assert max(ends[1] for ends in found.waves.values()) == found.ends[1]


def test_what_was_learned_counts_and_widens_the_estimate() -> None:
    graph = a_world(20)
    before = eta.estimate(graph, State(graph), BEGIN)
    given = Given(graph).opened("a/1").verified("a1").passed("a/1").opened("a/2")
    for number, seconds in enumerate((300, 300, 300, 900, 900, 900), start=2):
        for step in ("precheck", "upgrade", "reboot", "verify"):
            given.began(f"a{number}", step)
            given.tell(Kind.DONE, f"a{number}", step, at=given.now + seconds)
        given.tell(Kind.VERIFIED, f"a{number}")
    found = eta.estimate(graph, given.state, given.now)
    assert found.learned
    assert found.ends is not None
    assert before.ends is not None
    assert found.ends[0] < found.ends[1]
    assert found.ends[1] - given.now > before.ends[1] - BEGIN


def test_a_run_that_is_done_has_nothing_to_expect() -> None:
    given = (
        Given(a_graph({"a": 2}))
        .opened("a/1")
        .verified("a1")
        .passed("a/1")
        .opened("a/2")
        .verified("a2")
        .passed("a/2")
    )
    found = eta.estimate(given.graph, given.state, given.now)
    assert (found.ends, found.without, eta.told(found, given.now)) == (None, (), "")


def said(given: Given) -> str:
    return eta.told(eta.estimate(given.graph, given.state, given.now), given.now)


def test_what_waits_for_an_approval_is_not_counted() -> None:
    text = said(Given(climbed()).opened("a/1"))
    assert text.startswith("to finish at 1970-01-01 00:")
    assert text.endswith(
        " (by the plan's `expect`, for nothing is learned yet), if nothing else fails; not counted: 1 host after one, which a person has to approve; "
        "1 host after pairs, which a person has to approve"
    )


def test_nor_is_what_a_breaker_stops_or_held_hosts_block() -> None:
    limits = Limits(at_once=Amount(9), per={"rack": Amount(1)})
    plan = a_plan(a_combo("a"), a_combo("b"), limits=limits, failures=Failures(1, 9))
    given = Given(a_graph({"a": 8, "b": 2}, plan)).opened("a/1", "b/1").held("b1").tripped("b")
    assert said(given) == (
        "cannot be known; 1 host that a breaker stops; 2 hosts behind rack=r1, which held hosts fill; "
        "what waits for b/1, of which no host is verified"
    )


def test_what_only_waits_for_a_person_has_no_end_to_expect() -> None:
    given = Given(a_graph({"a": 2, "b": 1})).opened("a/1", "b/1").verified("b1").passed("b/1").held("a1")
    found = eta.estimate(given.tripped("a").graph, given.state, given.now)
    assert (found.ends, dict(found.waves)) == (None, {})
    without = "1 host that a breaker stops; what waits for a/1, of which no host is verified"
    assert eta.told(found, given.now) == f"cannot be known; {without}"


def test_a_pause_is_told_and_an_abort_is_the_end() -> None:
    given = Given(a_graph({"a": 2})).opened("a/1").tell(Kind.PAUSED, because="lunch")
    assert "; not counted: the run is paused, since 1970-01-01 00:16:42Z" in said(given)
    assert said(given.tell(Kind.ABORTED, because="no")) == "cannot be known; the run was aborted"


def test_without_a_window_or_a_proof_it_cannot_be_known() -> None:
    short = Window(allow=True, when=(Weekly((0,), 3600, 60.0),), zone=UTC, text="Mon 01:00 + 1m")
    graph = windowed(a_graph({"a": 2}))
    given = Given(replace(graph, calendar=Calendar((short,), {UTC: Zone(UTC)}))).opened("a/1")
    assert said(given) == "cannot be known; a/1, for which no window opens"
    given = Given(a_graph({"a": 2})).opened("a/1").tell(Kind.SKIPPED, "a1")
    assert said(given) == "cannot be known; what waits for a/1, of which no host is verified"


def test_a_deadline_that_comes_first_is_told() -> None:
    graph = replace(a_graph({"a": 2}), deadline=1100.0)
    assert "; not counted: what has not begun by the deadline, 1970-01-01 00:18:20Z, does not begin" in said(
        Given(graph).opened("a/1")
    )


def test_it_is_a_value_of_json_too() -> None:
    given = Given(a_graph({"a": 2})).opened("a/1")
    value = json.loads(json.dumps(eta.as_json(eta.estimate(given.graph, given.state, given.now))))
    assert set(value) == {"p50", "p90", "waves", "without", "learned"}
    assert value["waves"]["a/2"]["p50"] == value["p50"] > given.now
    assert json.dumps(eta.as_json(eta.Eta()))
