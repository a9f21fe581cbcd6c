"""Known errors: whom they are looked for on, what they halt, what they say, and who answers for that."""

from dataclasses import replace

import pytest

from rollout.model.chain import REMEDY, Step
from rollout.model.decision import Record, Start
from rollout.model.event import Event, Kind
from rollout.model.graph import Graph
from rollout.model.known import known_errors
from rollout.model.plan import Amount, Failures, Risk
from rollout.model.state import State, Status
from rollout.scheduler.why import explain
from tests.fleet import CHAIN, a_combo, a_graph, a_plan
from tests.scheduler.given import Given

FIRMWARE = Risk("nic", "mlx5_core", "halt", halts="rack", link="OPS-7")
BROKEN = "mlx5_core: firmware timeout"


def a_world(*risks: Risk, concerning: tuple[str, ...] = ("a1", "a2")) -> Graph:
    """Six hosts in two racks; failures are tolerated. `concerning`: the hosts that every risk with an `applies` concerns."""
    plan = a_plan(
        a_combo("a"), waves=[Amount(100, percent=True)], failures=Failures(canary=6, combo=6, run=6)
    )
    graph = a_graph({"a": 6}, replace(plan, risks=()), racks=2)
    names = tuple(risk.name for risk in risks if risk.applies)
    nodes = {
        name: replace(node, risks=names) if name in concerning else node for name, node in graph.nodes.items()
    }
    return replace(graph, nodes=nodes, risks=risks)


def held(given: Given, host: str, because: str = BROKEN) -> Given:
    """Its upgrade failed, and what is decided then is written."""
    given.did(host, "precheck").failed(host, "upgrade", because=because)
    return given.carry_on()


def written(given: Given, *kinds: Kind) -> Event:
    """The last of such events that are decided on now, one after the other; each is written."""
    for kind in kinds:
        events = [decision.event for decision in given.decide() if isinstance(decision, Record)]
        (event,) = [event for event in events if event.kind is kind]
        given.tell(event.kind, event.host, event.step, event.because, **event.data)
    return event


def begins(given: Given) -> set[str]:
    """The hosts that begin now."""
    return {decision.host for decision in given.decide() if isinstance(decision, Start)}


@pytest.mark.parametrize(("host", "told"), [("a1", "known error nic"), ("a3", "upgrade failed: mlx5")])
def test_the_symptom_of_a_risk_is_looked_for_on_hosts_that_it_concerns(host: str, told: str) -> None:
    risk = Risk("nic", "mlx5_core", "hold", because="see OPS-7", applies={"nic": ("mlx5",)})
    given = held(Given(a_world(risk)).opened("a/1"), host)
    assert told in given.host(host).because


def test_a_risk_without_a_symptom_is_never_seen_in_a_failure() -> None:
    risk = Risk("nic", "", "hold", because="see OPS-7", applies={"nic": ("mlx5",)})
    given = held(Given(a_world(risk)).opened("a/1"), "a1")
    assert "OPS-7" not in given.host("a1").because


@pytest.mark.parametrize(
    ("step", "found"),
    [
        (Step("upgrade"), True),
        (Step("upgrade-to-debian-12", base="upgrade"), True),
        (Step("verify"), False),
        (Step(f"{REMEDY}apt-lock", base="upgrade"), False),
    ],
)
def test_a_risk_about_a_step_is_about_that_step_of_every_hop(step: Step, found: bool) -> None:
    risk = Risk("nic", "mlx5_core", "hold", steps=("upgrade",))
    assert bool(list(known_errors([risk], step, BROKEN, ()))) is found


def test_a_hold_says_where_more_is_to_be_read_and_names_its_risk_in_the_journal() -> None:
    given = Given(a_world(replace(FIRMWARE, then="hold", halts="", because="change the card"))).opened("a/1")
    given.did("a1", "precheck").failed("a1", "upgrade", because=BROKEN)
    event = written(given, Kind.HELD)
    assert event.data == {"uncertain": False, "risk": "nic"}
    assert event.because == f"upgrade failed with the known error nic (OPS-7): {BROKEN}; change the card"


def test_a_known_error_that_halts_stops_what_shares_the_factor_and_nothing_else() -> None:
    given = Given(a_world(FIRMWARE)).opened("a/1").did("a1", "precheck")
    event = written(given.failed("a1", "upgrade", because=BROKEN), Kind.HELD, Kind.TRIPPED)
    assert given.host("a1").status is Status.HELD
    assert event.data == {"factors": {"rack": "r1"}, "by": "risk", "harmed": 1, "risk": "nic"}
    assert event.because == (
        "a1 failed with the known error nic (OPS-7), which halts all with rack=r1: nothing more begins on hosts with rack=r1"
    )
    assert [name for name in given.graph.nodes if given.state.broken(name)] == ["a1", "a3", "a5"]
    assert begins(given) == {"a2"}


def test_two_hosts_halt_a_value_once_and_each_is_to_be_answered_for() -> None:
    given = held(Given(a_world(FIRMWARE)).opened("a/1"), "a1").carry_on()
    held(given, "a3").carry_on()
    assert list(given.state.run.tripped) == ["rack=r1"]
    given.tell(Kind.RETRIED, "a1").carry_on()
    assert list(given.state.run.tripped) == ["rack=r1"]
    given.tell(Kind.RETRIED, "a3").carry_on()
    assert given.state.run.tripped == {}


@pytest.mark.parametrize("answer", [Kind.RETRIED, Kind.RETIRED])
def test_a_person_answers_for_it_with_a_retry_or_by_giving_the_host_up(answer: Kind) -> None:
    given = held(Given(a_world(FIRMWARE)).opened("a/1"), "a1").carry_on()
    assert "`rollout retry a1 --reason WHY`, or `rollout retire`" in explain(
        given.graph, given.state, "a5", given.now
    )
    given.tell(answer, "a1").carry_on()
    assert given.state.run.tripped == {}


def test_to_roll_back_is_no_answer() -> None:
    given = held(Given(a_world(FIRMWARE)).opened("a/1"), "a1").carry_on()
    given.tell(Kind.ROLLED_BACK, "a1").carry_on()
    assert list(given.state.run.tripped) == ["rack=r1"]


def test_what_halts_is_known_to_whoever_takes_the_run_up() -> None:
    given = held(Given(a_world(FIRMWARE)).opened("a/1"), "a1")
    kept = type(given.state.run)(**given.state.run.to_json())
    again = State(given.graph, kept, {host.name: host for host in given.state.hosts.values()})
    assert again.run.risky == {"a1": "nic"}


def test_a_risk_that_an_amendment_took_out_halts_nothing_any_more() -> None:
    given = held(Given(a_world(FIRMWARE)).opened("a/1"), "a1").carry_on()
    given.graph = replace(given.graph, risks=())
    reset = written(given, Kind.RESET)
    assert reset.data == {"factors": {"rack": "r1"}}
    assert (
        reset.because == "rack=r1: by the plan as it was amended, nic does not halt it any more; it goes on"
    )


def test_a_known_error_explains_its_failures_to_the_breakers() -> None:
    """Hosts of one rack that fail by a known error are no news for the evidence."""
    failed = [Risk("nic", "mlx5_core", "halt", halts="hardware")]
    given = held(Given(a_world(*failed)).opened("a/1"), "a1").carry_on()
    for host in ("a2", "a3"):
        held(given, host).carry_on()
    assert [trip["by"] for trip in given.state.run.trips.values()] == ["risk"]


def test_a_known_error_that_is_tried_again_says_so_in_the_journal() -> None:
    flaky = Risk("mirror", "Hash Sum", "retry", times=2, backoff=7)
    plan = a_plan(a_combo("a", steps=(CHAIN[0], CHAIN[3])))
    given = Given(a_graph({"a": 1}, replace(plan, risks=(flaky,)))).opened("a/1")
    given.failed("a1", "precheck", because="Hash Sum mismatch")
    event = written(given, Kind.RETRYING)
    assert event.data == {"not_before": given.now - 1 + 7, "risk": "mirror"}
