"""What others break counts in its domain like what we break, beyond what was dead before the run."""

import pytest

from rollout.model.chain import Step
from rollout.model.event import Kind
from rollout.model.graph import Graph
from rollout.model.plan import Amount, Failures, GateRule, Limits, Moment
from rollout.model.seams import Answer, Ending
from rollout.model.state import State, Status
from rollout.scheduler.why import explain
from tests.fleet import CHAIN, a_combo, a_graph, a_plan
from tests.scheduler.given import Given
from tests.scheduler.rehearsed import Rehearsed, lost

ALL = Amount(100, percent=True)
STAGED = (CHAIN[0], Step("stage", playbook="stage.yml", expect=10, timeout=100), *CHAIN[1:])
ONE_PER_RACK = Limits(at_once=Amount(9), per={"rack": Amount(1)})
BEFORE_RUN = GateRule("well", "ssh", Moment("before", "run"))
BEFORE_WAVE = GateRule("well", "ssh", Moment("before", "wave"))


def racks(*gates: GateRule, hosts: int = 4) -> Graph:
    """Two racks; the first host of rack r1 is a1, the second a3."""
    plan = a_plan(
        a_combo("a", steps=STAGED),
        waves=[ALL],
        limits=ONE_PER_RACK,
        failures=Failures(9, 9),
        gates=gates,
    )
    return a_graph({"a": hosts}, plan, racks=2)


def upgrades(given: Given) -> list[str]:
    """Who begins to be disrupted, now and next."""
    begun: list[str] = []
    for _ in range(20):
        said = [words for words in given.carry_on().decides() if words.startswith("start")]
        if not said:
            return begun
        _, host, step, *_ = said[0].split()
        if step == "upgrade":
            begun.append(host)
            given.began(host, step)
        else:
            given.did(host, step)
    raise AssertionError("it goes round in circles")


def nobody(given: Given, moment: str, host: str, samples: dict[str, object]) -> Given:
    """The gate says no."""
    said = str(Answer.FAIL)
    return given.tell(Kind.ANSWERED, host, gate="well", moment=moment, value=said, samples=samples)


def test_a_host_that_was_well_and_vanished_before_it_was_touched_takes_its_domains_place() -> None:
    given = Given(racks()).opened("a/1").did("a1", "precheck").failed("a1", "stage", Ending.UNREACHABLE)
    given.carry_on()
    assert given.host("a1").status is Status.HELD
    assert given.state.slots.taken == {"fleet": 1, "rack=r1": 1}
    assert upgrades(given) == ["a2"], "and not a3, beside it"


def test_what_was_dead_before_the_run_is_the_baseline() -> None:
    given = Given(racks()).opened("a/1").failed("a1", "precheck", Ending.UNREACHABLE).carry_on()
    assert given.host("a1").status is Status.HELD
    assert not given.host("a1").slot
    assert sorted(upgrades(given)) == ["a2", "a3"]


def test_a_gate_before_the_run_records_the_baseline() -> None:
    given = Given(racks(BEFORE_RUN)).round("before run")
    nobody(given, "before run", "a4", {"reached": False}).carry_on()
    assert not given.host("a4").slot, "it was dead before we came"
    for host in ("a1", "a2", "a3"):
        given.answered(host, "well", "before run")
    given.carry_on().failed("a1", "precheck", Ending.UNREACHABLE).carry_on()
    assert given.host("a1").away, "it was alive then"
    assert given.state.slots.taken == {"fleet": 1, "rack=r1": 1}


@pytest.mark.parametrize(
    ("samples", "counts"), [({"reached": False}, True), ({"reached": True}, False), ({"disks": 1}, False)]
)
def test_a_gate_that_reaches_nobody_counts_and_one_that_says_no_does_not(
    samples: dict[str, object], counts: bool
) -> None:
    given = Given(racks(BEFORE_RUN, BEFORE_WAVE)).round("before run")
    for host in given.graph.nodes:
        given.answered(host, "well", "before run")
    given.round("before wave", "a/1")
    nobody(given, "before wave", "a1", samples).carry_on()
    assert given.host("a1").status is Status.HELD
    assert given.host("a1").slot is counts


@pytest.mark.parametrize("ending", [Ending.FAILED, Ending.LATE, Ending.REFUSED])
def test_a_host_that_answers_and_fails_is_not_away(ending: Ending) -> None:
    given = Given(racks()).opened("a/1").did("a1", "precheck").failed("a1", "stage", ending).carry_on()
    assert given.host("a1").status is Status.HELD
    assert not given.host("a1").slot


def test_it_takes_its_place_whatever_the_limit_says() -> None:
    given = Given(racks()).opened("a/1").did("a3", "precheck", "stage").began("a3", "upgrade")
    given.did("a1", "precheck").failed("a1", "stage", Ending.UNREACHABLE).carry_on()
    assert given.state.slots.taken["rack=r1"] == 2


def test_who_is_tried_again_gives_the_place_back_until_it_is_disrupted() -> None:
    given = Given(racks()).opened("a/1").did("a1", "precheck").failed("a1", "stage", Ending.UNREACHABLE)
    given.carry_on().tell(Kind.RETRIED, "a1")
    assert given.host("a1").status is Status.RUNNING
    assert given.state.slots.taken["rack=r1"] == 0
    assert "start a1 stage #3" in given.carry_on().decides()
    given.failed("a1", "stage", Ending.UNREACHABLE).carry_on()
    assert given.state.slots.taken["rack=r1"] == 1
    given.tell(Kind.RETIRED, "a1")
    assert given.state.slots.taken["rack=r1"] == 0


def test_why_says_that_others_broke_it() -> None:
    given = Given(racks()).opened("a/1").did("a1", "precheck").failed("a1", "stage", Ending.UNREACHABLE)
    words = explain(given.graph, given.carry_on().state, "a1", given.now)
    assert "it was not touched, but others broke it, so it counts in fleet, rack=r1" in words


def test_a_whole_run_counts_it_in_the_journal_too() -> None:
    run = Rehearsed(racks(hosts=8), lost("a1", step="stage"))
    stop = run.go()
    assert stop.exit_code == 3
    assert "limit rack=r1 is full (1 of 1: a1 held" in stop.because
    assert set(run.disrupted()) == {"a2", "a4", "a6", "a8"}
    assert run.journal.slots("run") == {"fleet": ["a1"], "rack=r1": ["a1"]}
    state, hosts, _ = run.journal.load("run", run.graph)
    assert State(run.graph, state, hosts).slots.taken["rack=r1"] == 1
    run.world.faults = {}
    run.ask(Kind.RETRIED, "a1")
    assert run.go().exit_code == 0
