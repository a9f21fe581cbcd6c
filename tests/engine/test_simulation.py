"""A simulated run is the real one over imagined hosts: a seed replays exactly, controllers may die, and it always ends."""

from collections.abc import Mapping
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rollout.engine.seeds import simulated
from rollout.engine.simulation import Scenario, Simulation, simulate
from rollout.executors.imagined import Chances, Defect
from rollout.model.event import Event, Kind
from rollout.model.graph import Graph
from rollout.model.plan import Amount, Approval, Failures, GateRule, Limits, Moment, Soak
from rollout.model.state import Status
from tests.fleet import a_combo, a_graph, a_plan

WELL = GateRule("well", "ssh", Moment("after", "verify"), retries=2, interval=60)
PLAN = a_plan(
    a_combo("a"),
    a_combo("b"),
    waves=(Amount(1), Amount(25, percent=True), Amount(100, percent=True)),
    limits=Limits(Amount(4), {"rack": Amount(2)}),
    failures=Failures(0, 1, 3),
    soak=Soak(600, 60),
    gates=(WELL,),
)
GRAPH = a_graph({"a": 20, "b": 10}, PLAN)
DEFECT = Defect("hardware=a", {"hardware": "a"}, q=0.3)


def scenario(*defects: Defect, crashes: int = 0, start: float = 0.0, **chances: float) -> Scenario:
    return Scenario(Chances(defects=defects, **chances), crashes, start=start)


def told(run: Simulation) -> list[tuple[str, str | None, str | None, float]]:
    return [(event.kind, event.host, event.step, event.at) for event in run.events]


def test_a_healthy_fleet_comes_to_its_end() -> None:
    result = simulate(GRAPH, scenario(), 1).result
    assert result.stop.exit_code == 0
    assert result.statuses == {Status.VERIFIED: 30}
    assert {*result.passed} == {*GRAPH.waves}
    assert max(result.passed.values()) == result.took
    assert (result.harmed, result.stopped, result.crashes, result.endless) == ((), (), 0, False)


def test_a_defect_stops_its_combo_and_harms_few() -> None:
    result = simulate(GRAPH, scenario(Defect("hardware=a", {"hardware": "a"})), 1).result
    assert result.stop.exit_code == 3
    assert len(result.harmed) == 1, "the canary alone"
    assert [event.kind for event in result.stopped] == [Kind.TRIPPED]
    assert result.statuses[Status.VERIFIED] == 10, "the other combo is done"


@settings(max_examples=20)
@given(seed=st.integers(0, 10**6), crashes=st.integers(0, 3), base=st.sampled_from([0.0, 0.05]))
def test_a_seed_replays_exactly(seed: int, crashes: int, base: float) -> None:
    given_twice = [
        simulate(GRAPH, scenario(DEFECT, crashes=crashes, base=base, gaps=0.02), seed) for _ in range(2)
    ]
    assert told(given_twice[0]) == told(given_twice[1])
    assert given_twice[0].result == given_twice[1].result


def test_when_it_begins_changes_nothing() -> None:
    early, late = (
        simulate(GRAPH, scenario(DEFECT, start=start), 7).result for start in (0.0, 1_795_000_000.0)
    )
    assert (early.took, early.passed, early.harmed) == (late.took, late.passed, late.harmed)


@settings(max_examples=20)
@given(seed=st.integers(0, 10**6), crashes=st.integers(1, 5))
def test_controllers_that_die_change_no_verdict(seed: int, crashes: int) -> None:
    whole = simulate(GRAPH, scenario(base=0.01), seed)
    torn = simulate(GRAPH, scenario(base=0.01, crashes=crashes), seed)
    assert torn.world.overlaps == []
    if whole.result.stop.exit_code in {0, 4}:
        assert verdicts(torn) == verdicts(whole)
    begun = [key for key, number in torn.world.began.items() if key[1] == "upgrade" and number > 1]
    assert begun == [], "a `once` step is begun once"


def verdicts(run: Simulation) -> Mapping[str, Status]:
    return {name: host.status for name, host in run.state.hosts.items()}


def test_controllers_do_die() -> None:
    result = simulate(GRAPH, scenario(crashes=5), 3).result
    assert result.crashes == 5
    assert result.statuses == {Status.VERIFIED: 30}


def test_the_same_hosts_take_as_long_under_another_policy() -> None:
    one_by_one = a_graph({"a": 20, "b": 10}, a_plan(a_combo("a"), a_combo("b"), limits=Limits(Amount(1))))
    runs = [simulate(graph, scenario(), 5) for graph in (GRAPH, one_by_one)]
    seconds = [
        {(job.order.host, job.order.step.name): job.until - job.began for job in run.world.jobs.values()}
        for run in runs
    ]
    assert seconds[0] == seconds[1]


def test_minutes_of_guests_are_counted_while_their_host_holds_its_slot() -> None:
    graph = with_guests(a_graph({"a": 2}), 3)
    result = simulate(graph, scenario(spread=0.0), 1).result
    assert result.vm_minutes == 2 * 3 * (100 + 60 + 10) / 60
    held = simulate(graph, scenario(Defect("a", {"hardware": "a"}), spread=0.0), 1).result
    assert held.vm_minutes == 3 * 100 / 60, "the run ended as the canary failed"


def with_guests(graph: Graph, guests: int) -> Graph:
    return replace(graph, nodes={name: replace(node, guests=guests) for name, node in graph.nodes.items()})


def test_a_gate_that_cannot_find_out_stops_the_run_and_says_so() -> None:
    result = simulate(GRAPH, scenario(gaps=1.0), 1).result
    assert result.stop.exit_code == 3
    assert result.stopped[0].kind is Kind.STUCK


def test_late_defects_are_found_by_the_canarys_soak() -> None:
    result = simulate(GRAPH, scenario(Defect("a", {"hardware": "a"}, late=300)), 1).result
    assert len(result.harmed) == 1
    later = simulate(GRAPH, scenario(Defect("a", {"hardware": "a"}, late=10**7)), 1).result
    assert len(later.harmed) == 20, "what shows after the soak is found by nobody"
    assert later.stop.exit_code == 0


def test_what_waits_for_ever_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rollout.engine.simulation.LONGEST", 600.0)
    result = simulate(GRAPH, scenario(), 1).result
    assert result.endless
    assert (result.stop.exit_code, result.stop.because[:26]) == (1, "the simulation was cut off")


def test_seeds_may_be_spread_over_processes() -> None:
    given_scenario = scenario(DEFECT)
    assert list(simulated(GRAPH, given_scenario, range(20), jobs=2)) == list(
        simulated(GRAPH, given_scenario, range(20))
    )


def test_events_can_be_looked_at() -> None:
    run = simulate(GRAPH, scenario(), 1)
    assert len(run.events) == run.result.events
    assert all(isinstance(event, Event) for event in run.events)


LADDER = replace(
    a_plan(a_combo("a"), a_combo("b"), soak=Soak(600, 60)),
    waves=None,
    harm=3.0,
    approval=Approval(("combos",)),
)


@pytest.mark.parametrize("crashes", [0, 4])
def test_a_person_approves_what_is_asked_of_him_after_as_long_as_he_takes(crashes: int) -> None:
    graph = a_graph({"a": 20, "b": 10}, LADDER)
    runs = [
        simulate(graph, Scenario(Chances(), crashes, approval=approval), 1) for approval in (0.0, 86_400.0)
    ]
    for run in runs:
        assert run.result.stop.exit_code == 0
        assert run.result.statuses == {Status.VERIFIED: 30}
        assert [event.kind for event in run.events].count(Kind.APPROVED) == 1
    at_once, later = (run.result.took for run in runs)
    assert 86_400 - 3600 < later - at_once < 86_400 + 3600
