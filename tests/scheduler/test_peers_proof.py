"""Peers that took silence, an index or a typing mistake for a yes."""

from dataclasses import replace
from pathlib import Path
from typing import ClassVar

import pytest

from rollout.engine.asking import answer
from rollout.errors import PlanInvalid
from rollout.graph import compile_graph
from rollout.model.chain import Step
from rollout.model.decision import Ask
from rollout.model.event import Kind
from rollout.model.fleet import Fleet
from rollout.model.graph import Graph
from rollout.model.plan import Amount, Budget, Failures, GateRule, Limits, Moment, Plan, Soak
from rollout.model.seams import Answer, Ending, Subject, Verdict
from rollout.model.state import Status
from rollout.plan import read
from rollout.ssh.testing import FakeConnection
from tests.fleet import CHAIN, a_combo, a_fleet, a_graph, a_plan
from tests.scheduler.given import CHAIN as STEPS
from tests.scheduler.given import Given
from tests.scheduler.rehearsed import Rehearsed, lost

ALL = Amount(100, percent=True)
WIDE = Limits(at_once=Amount(9))
WELL = GateRule("well", "ssh", Moment("after", "verify"))
PLAN = """\
rollout: p
inventory: hosts
hosts: all
factors: {os: os}
combos: [{name: c, match: {os: old}, to: {os: new}}]
steps: [{name: stage, playbook: stage.yml}]
"""


def written(folder: Path, more: str) -> Plan:
    """The plan that a person wrote. Raises PlanInvalid."""
    (folder / "hosts").touch()
    (folder / "stage.yml").touch()
    (folder / "plan.yml").write_text(PLAN + more)
    return read(folder / "plan.yml")


def wave_of(graph: Graph) -> dict[str, str]:
    return {node.name: node.wave for node in graph.nodes.values()}


# --- Argo Rollouts, Kayenta: nothing was seen -----------------------------------------------------------------------------------


@pytest.mark.parametrize(("request_for", "code"), [(Kind.ABORTED, 3), (Kind.PAUSED, 8)])
def test_argo_a_run_stopped_before_its_first_sample_is_no_success(request_for: Kind, code: int) -> None:
    """There: an analysis that was ended before it had measured anything counts as Successful. Here: not done is not done."""
    run = Rehearsed(a_graph({"a": 3}, a_plan(a_combo("a"), gates=[WELL])))
    run.ask(request_for)
    assert run.go().exit_code == code
    assert run.began() == []
    assert not run.with_status(Status.VERIFIED)
    assert not run.state.run.passed


@pytest.mark.parametrize(
    ("value", "code", "status"),
    [
        (Answer.PASS, 0, Status.VERIFIED),
        (Answer.FAIL, 3, Status.HELD),
        (Answer.INCONCLUSIVE, 3, Status.RUNNING),
        (Answer.ERROR, 3, Status.RUNNING),
    ],
)
def test_argo_success_failure_inconclusive_and_error_are_four_answers(
    value: Answer, code: int, status: Status
) -> None:
    """As there: only a success goes on; what could not be found out pauses, and blames nobody."""
    given = Given(a_graph({"a": 1}, a_plan(a_combo("a"), gates=[WELL]))).opened("a/1").did("a1", *STEPS)
    given.answered("a1", "well", "after verify", value).carry_on()
    assert given.host("a1").status is status
    assert given.host("a1").harmed is (value is Answer.FAIL)
    assert given.decides() == [f"stop {code}"]


class _Silent:
    """A gate that is content with nothing."""

    remembers: ClassVar[bool] = False

    def check(self, _subject: Subject) -> Verdict:
        return Verdict(Answer.PASS, "no data, no problem", {})

    remember = check


def test_kayenta_missing_data_does_not_pass() -> None:
    """There: a metric without data points passes by default. Here: a yes without a sample is turned into `inconclusive`, whatever the gate says."""
    subject = Subject("a1", "a", {}, {}, connect=lambda: FakeConnection({}))
    verdict = answer(_Silent(), Ask("a1", WELL, "after verify", False, ""), subject)
    assert verdict.value is Answer.INCONCLUSIVE
    run = Rehearsed(a_graph({"a": 2}, a_plan(a_combo("a"), gates=[WELL])), mute=frozenset({"a1"}))
    stop = run.go()
    assert stop.exit_code == 3
    assert "paused" in stop.because
    assert run.disrupted() == ["a1"], "nobody else was touched"


# --- hawkBit: thresholds ----------------------------------------------------------------------------------------------------------


def test_hawkbit_completed_is_not_succeeded() -> None:
    """There: the next group started although 40 % of the one before had failed, for all had completed. Here: only what is verified counts."""
    plan = a_plan(a_combo("a"), waves=[Amount(5), ALL], limits=WIDE, failures=Failures(1, 1))
    run = Rehearsed(a_graph({"a": 10}, plan), lost("a1", "a2"))
    assert run.go().exit_code == 3
    assert "a/2" not in run.state.run.opened


def test_hawkbit_too_many_failures_are_seen_before_enough_successes() -> None:
    """As there: the error threshold goes first, if both are reached at the same moment."""
    plan = a_plan(a_combo("a"), waves=[Amount(3), ALL], limits=WIDE, failures=Failures(1, 0))
    given = Given(a_graph({"a": 6}, plan)).opened("a/1").verified("a3").held("a1").held("a2")
    assert given.decides() == ["write breaker-tripped a"]
    assert "a/1" not in given.carry_on().state.run.passed


def test_hawkbit_693_a_hung_host_is_a_failure() -> None:
    """There: a device that never reports stays `running` for ever, and no threshold sees it. Here: its time-out makes a failure of it."""
    hangs = lost("a1", step="upgrade", ending=Ending.LATE)
    run = Rehearsed(a_graph({"a": 4}), hangs)
    assert run.go().exit_code == 3
    assert run.state.hosts["a1"].harmed
    assert run.state.hosts["a1"].uncertain, "and what it did is asked of a person"
    assert run.began() == ["a1"]


@pytest.mark.parametrize(
    "threshold", ["ten", "150%", "-1", "2.5", "'5'", "5 %%", "{of: 5%, atleast: 2}", "", "null", "[]", "0x"]
)
@pytest.mark.parametrize("of", ["combo", "run"])
def test_hawkbit_a_malformed_threshold_is_a_mistake(tmp_path: Path, of: str, threshold: str) -> None:
    """There: a threshold that could not be read never fired. Here: the plan is refused."""
    with pytest.raises(PlanInvalid, match=r"plan\.yml:7:\d+: ."):
        written(tmp_path, f"failures: {{{of}: {threshold}}}\n")


def test_hawkbit_a_threshold_that_is_well_formed_fires(tmp_path: Path) -> None:
    plan = written(tmp_path, "failures: {combo: {of: 1%, at_least: 2}}\n")
    assert plan.failures.combo == Budget(Amount(1, percent=True), 2)
    few = a_plan(a_combo("a"), failures=plan.failures, limits=WIDE)
    given = Given(a_graph({"a": 300}, few)).opened("a/1").verified("a1").carry_on()
    given.verified(*(f"a{number}" for number in range(2, 200)))
    for number, trips in ((200, False), (201, False), (202, False), (203, True)):
        given.held(f"a{number}")
        assert ("write breaker-tripped a" in given.decides()) is trips


# --- TALM: canaries and soaks -----------------------------------------------------------------------------------------------------


def on_the_ladder(*names: str) -> Graph:
    fleet = a_fleet({"a": 6})
    by_name = {host.name: replace(host, guests=int(host.name[1:])) for host in fleet.hosts}
    hosts = tuple(by_name[name] for name in names)
    return compile_graph(replace(a_plan(a_combo("a")), waves=None), Fleet(hosts, fleet.domain_sizes), {})


def test_talm_a_canary_is_known_by_name_not_by_index() -> None:
    """There: a cluster counted as a canary by its place in a list, so another one did once the list had changed. Here: the wave holds names, and the list's order moves nobody."""
    graph = on_the_ladder("a1", "a2", "a3", "a4", "a5", "a6")
    assert wave_of(on_the_ladder("a6", "a4", "a2", "a5", "a3", "a1")) == wave_of(graph)
    plan = a_plan(a_combo("a"), waves=[Amount(2), ALL], limits=WIDE, failures=Failures(1, 0))
    given = Given(a_graph({"a": 4}, plan)).opened("a/1").tell(Kind.SKIPPED, "a1").held("a2").carry_on()
    assert given.state.harmed_canaries["a"] == 1, "a2 is a canary although a1 has left the list before it"
    assert given.state.harmed_others["a"] == 0
    assert "a/2" not in given.state.run.opened, "and a3 is none, although it is the second now"


@pytest.mark.parametrize(
    "soak", ["10", "0.5h", "-5m", "soon", "1x", "24 h o", "''", "{canary: 24}", "{canary: [1h]}"]
)
def test_talm_a_bad_soak_value_is_a_mistake_and_not_no_soak(tmp_path: Path, soak: str) -> None:
    """There: a soak that could not be read was skipped. Here: the plan is refused."""
    with pytest.raises(PlanInvalid, match="soak"):
        written(tmp_path, f"waves: {{soak: {soak}}}\n")


def test_talm_a_soak_counts_from_the_first_pass_and_a_regression_begins_it_anew() -> None:
    """As there: health has to hold for the whole time, and a look at its end says whether it did."""
    plan = a_plan(a_combo("a"), gates=[WELL], soak=Soak(600, 600))
    given = Given(a_graph({"a": 1}, plan)).opened("a/1").did("a1", *STEPS)
    given.answered("a1", "well", "after verify").carry_on()
    passed = given.now
    assert given.decides() == [f"wait until {passed - 1 + 600:g}"]
    assert given.decides(after=600) == ["ask a1 well soak"]
    given.tell(Kind.ASKED, "a1", gate="well", moment="soak", reserves=False, at=passed + 600)
    given.answered("a1", "well", "soak", Answer.FAIL).carry_on()
    assert given.host("a1").status is Status.HELD
    given.tell(Kind.RETRIED, "a1").carry_on()
    given.answered("a1", "well", "soak").answered("a1", "well", "after verify").carry_on()
    assert given.host("a1").status is Status.SOAKING
    assert given.host("a1").not_before >= given.now + 590, "the whole soak again"


# --- Bottlerocket: waves by the clock ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("late", [0.0, 7 * 86400.0, 400 * 86400.0])
def test_bottlerocket_waves_release_what_was_intended(late: float) -> None:
    """There: waves opened at offsets from a fixed start, so a late one released 81 % of the fleet where 10 % were intended. Here: proof opens a wave, never the clock."""
    plan = a_plan(
        a_combo("a"), waves=[Amount(1), Amount(10, percent=True), ALL], limits=Limits(at_once=Amount(99))
    )
    run = Rehearsed(a_graph({"a": 100}, plan), lost("a5"))
    run.ask(Kind.PAUSED)
    assert run.go().exit_code == 8
    run.inbox._now += late
    run.ask(Kind.CONTINUED)
    assert run.go().exit_code == 3
    assert len(run.disrupted()) == 10, "the second wave's defect was found by the second wave"
    assert "a/3" not in run.state.run.opened


# --- DBOS, Temporal: what is known by its place --------------------------------------------------------------------------------


def test_replay_engines_a_step_put_in_meanwhile_neither_repeats_nor_completes_another() -> None:
    """There: steps were keyed by position, so a step that was put in front started or completed an upgrade twice. Here: by name."""
    longer = (Step("firmware", playbook="firmware.yml"), *CHAIN)
    given = Given(a_graph({"a": 1})).opened("a/1").did("a1", "precheck", "upgrade")
    after = Given(a_graph({"a": 1}, a_plan(a_combo("a", steps=longer)))).opened("a/1")
    after.state.hosts["a1"].passed = given.host("a1").passed
    assert after.state.combo_of("a1").following(after.host("a1").passed) == CHAIN[2]
