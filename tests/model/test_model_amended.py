"""What an amendment does to what is known: credit, answers of gates, waves that are no more, hosts that leave."""

from dataclasses import replace

from rollout.model.amended import leave
from rollout.model.event import Event, Kind
from rollout.model.fold import apply
from rollout.model.graph import Graph
from rollout.model.plan import GateRule, Moment
from rollout.model.state import HostState, RunState, State, Status
from rollout.scheduler import waits
from tests.fleet import a_combo, a_graph, a_plan

STEPS = ["upgrade"]


def a_world(*gates: GateRule, hosts: int = 8) -> Graph:
    graph = a_graph({"a": hosts, "b": 2}, a_plan(a_combo("a"), a_combo("b"), gates=gates))
    return replace(graph, harm=3.0)


def verified(*names: str) -> dict[str, HostState]:
    return {name: HostState(name, Status.VERIFIED, "verify", attempt=4) for name in names}


def amended(state: State, **data: object) -> tuple[str, ...]:
    return apply(state, Event(Kind.AMENDED, "mended", data=data, seq=9, at=5.0))


def test_what_was_verified_by_other_steps_earns_no_credit_and_is_proof_for_others_all_the_same() -> None:
    state = State(a_world(), hosts=verified("a1", "a2", "a3", "b1"))
    assert (state.credit.allows("a"), state.credit.allows()) == (3, 4)
    touched = amended(state, credit={"a": STEPS})
    assert sorted(touched) == ["a1", "a2", "a3"]
    assert (state.credit.allows("a"), state.credit.allows("b"), state.credit.allows()) == (1, 1, 1)
    assert state.verified["a"] == 3
    said = waits.credit(state, "a", 9.0)
    assert (
        "4 hosts are verified in all (3 by what was amended since, which counts no more), so 1 may be in flight"
        in said
    )
    anew = State(state.graph, state.run, state.hosts)
    assert anew.credit.outdated == state.credit.outdated == {"a": 3}


def test_new_proof_counts_and_the_mended_canary_is_one() -> None:
    """It was held in the step that is another now, and goes on with that."""
    hosts = verified("a2") | {
        "a1": HostState("a1", Status.HELD, "precheck", "upgrade", 2, slot=True, harmed=True)
    }
    state = State(a_world(), hosts=hosts)
    amended(state, credit={"a": STEPS})
    assert (state.hosts["a2"].discounted, state.hosts["a1"].discounted) == (True, False)
    apply(state, Event(Kind.VERIFIED, "", "a1"))
    assert state.credit.allows("a") == 1
    state = State(
        a_world(), hosts={**verified("a2", "a3", "a4"), "a1": replace(hosts["a1"], passed="upgrade")}
    )
    amended(state, credit={"a": STEPS})
    assert state.hosts["a1"].discounted, "it has gone through the step as it was"


def test_who_walks_back_to_the_beginning_may_prove_it_anew() -> None:
    state = State(a_world(), hosts=verified("a1"))
    amended(state, credit={"a": STEPS})
    apply(state, Event(Kind.ROLLED_BACK, "", "a1"))
    assert not state.hosts["a1"].discounted


def test_waves_that_are_no_more_are_forgotten() -> None:
    run = RunState(
        opened={"a/1": 1.0, "a/9": 1.0},
        passed={"a/9": 2.0},
        rounds=["before run", "before wave a/1", "after wave a/9"],
    )
    state = State(a_world(), run)
    amended(state)
    assert (state.run.opened, state.run.passed) == ({"a/1": 1.0}, {})
    assert state.run.rounds == ["before run", "before wave a/1"]


def test_a_gate_that_is_another_is_asked_anew_and_one_that_is_no_more_holds_up_nobody() -> None:
    before = GateRule("well", "command", Moment("before", "run"))
    state = State(a_world(before), RunState(rounds=["before run"]))
    for name in ("a1", "a2"):
        state.hosts[name].answered = {"before run/well": 1.0, "before run/gone": 1.0}
    state.hosts["a3"].round, state.hosts["a3"].not_before = "before run", 99.0
    state.hosts["a3"].gate_tries, state.hosts["a3"].ending = {"before run/gone": 1}, "inconclusive"
    amended(state, gates=["gone"])
    assert state.hosts["a1"].to_json() == {
        "name": "a1",
        "status": "waiting",
        "answered": {"before run/well": 1.0},
    }
    assert state.hosts["a3"].to_json() == {
        "name": "a3",
        "status": "waiting",
        "round": "before run",
        "not_before": 99.0,
    }
    amended(state, gates=["well"])
    assert {state.hosts[name].round for name in ("a1", "a2", "a3")} == {"before run"}
    without = State(a_world(), state.run, state.hosts)
    amended(without, gates=["well"])
    assert {(host.round, host.not_before) for host in without.hosts.values()} == {(None, 0.0)}
    assert not without.timers


def test_a_host_that_leaves_says_why_and_takes_no_place() -> None:
    event = Event(
        Kind.AMENDED, "mended", data={"excluded": {"a1": "a bad driver"}, "gone": {"a2": "scrapped"}}, at=7.0
    )
    away = HostState("a1", Status.HELD, slot=True, away=True, harmed=True, ending="fail", round="before run")
    assert leave(away, event)
    assert (away.status, away.because, away.slot, away.harmed, away.round) == (
        Status.EXCLUDED,
        "a bad driver",
        False,
        False,
        None,
    )
    gone, stays = HostState("a2"), HostState("a3")
    assert leave(gone, event)
    assert (gone.status, gone.since) == (Status.GONE, 7.0)
    assert not leave(stays, event)
    assert stays == HostState("a3")
