"""When gates are asked, how often, and what their answers do."""

from dataclasses import replace
from typing import Any

import pytest

from rollout.model.chain import Step
from rollout.model.event import Kind
from rollout.model.fold import REMEMBER, SOAK
from rollout.model.graph import Graph
from rollout.model.plan import NO_GUESTS, Amount, Edge, Failures, GateRule, Limits, Moment, Soak
from rollout.model.seams import Answer, Ending
from rollout.model.state import Status
from rollout.scheduler.questions import FRESH
from tests.fleet import CHAIN, a_combo, a_graph, a_plan
from tests.scheduler.given import Given

ALL = Amount(100, percent=True)
NAMES = tuple(step.name for step in CHAIN)


def a_gate(
    edge: Edge,
    what: str,
    *,
    name: str = "well",
    kind: str = "command",
    retries: int = 0,
    remembers: bool = False,
) -> GateRule:
    return GateRule(name, kind, Moment(edge, what), retries=retries, interval=10, remembers=remembers)


def graph_of(*gates: GateRule, hosts: int = 1, soak: float = 0.0, at_once: int = 4) -> Graph:
    plan = a_plan(
        waves=[ALL],
        gates=gates,
        soak=Soak(soak, soak),
        limits=Limits(at_once=Amount(at_once)),
        failures=Failures(5, 5),
    )
    return a_graph({"a": hosts}, plan)


# --- steps -------------------------------------------------------------------------------------------------------------------


def test_after_a_step_its_gates_are_asked_one_by_one_before_the_next_begins() -> None:
    graph = graph_of(a_gate("after", "upgrade", name="one"), a_gate("after", "upgrade", name="two"))
    given = Given(graph).opened("a/1").did("a1", "precheck", "upgrade")
    assert given.decides() == ["ask a1 one after upgrade"]
    given.answered("a1", "one", "after upgrade")
    assert given.decides() == ["ask a1 two after upgrade"]
    given.answered("a1", "two", "after upgrade")
    assert given.decides() == ["start a1 reboot #3"]


def test_a_gate_before_the_disruptive_step_is_asked_while_the_place_is_kept() -> None:
    graph = graph_of(a_gate("before", "upgrade"), hosts=2, at_once=1)
    given = Given(graph).opened("a/1").did("a1", "precheck").did("a2", "precheck")
    assert given.decides() == ["ask a1 well before upgrade keeping its place"]
    given.asked("a1", "well", "before upgrade", reserves=True)
    assert given.state.slots.full(("fleet",)) == ["fleet"]
    assert given.decides() == ["wait"], "the place is taken: nobody else is asked for it"
    given.answered("a1", "well", "before upgrade")
    assert given.decides() == ["start a1 upgrade #2 [fleet]"]
    given.began("a1", "upgrade")
    assert given.state.slots.taken["fleet"] == 1


def test_an_answer_that_is_no_yes_gives_the_place_to_the_next() -> None:
    graph = graph_of(a_gate("before", "upgrade"), hosts=2, at_once=1)
    given = Given(graph).opened("a/1").did("a1", "precheck").did("a2", "precheck")
    given.asked("a1", "well", "before upgrade", reserves=True)
    given.answered("a1", "well", "before upgrade", Answer.FAIL).carry_on()
    assert given.host("a1").status is Status.HELD
    assert not given.host("a1").slot
    assert given.decides() == ["ask a2 well before upgrade keeping its place"]


def test_a_stop_gives_the_kept_place_back() -> None:
    given = Given(graph_of(a_gate("before", "upgrade"))).opened("a/1").did("a1", "precheck")
    given.asked("a1", "well", "before upgrade", reserves=True).answered("a1", "well", "before upgrade")
    given.tell(Kind.PAUSED)
    assert given.decides() == ["write slot-yielded a1"]
    assert given.carry_on().decides() == ["stop 8"]
    assert given.state.slots.taken["fleet"] == 0


def test_a_host_that_regresses_takes_its_slot_back_from_one_for_which_it_was_only_kept() -> None:
    graph = graph_of(a_gate("before", "upgrade"), hosts=2, soak=30.0, at_once=1)
    given = Given(graph).opened("a/1").did("a1", *NAMES).tell(Kind.SOAKING, "a1", until=10_000.0)
    given.did("a2", "precheck").asked("a2", "well", "before upgrade", reserves=True)
    given.tell(Kind.HELD, "a1", because="it regressed").answered("a2", "well", "before upgrade")
    assert given.state.slots.taken["fleet"] == 2
    assert given.decides() == ["write slot-yielded a2"]
    assert given.carry_on().decides() == ["stop 3"]
    assert given.state.slots.taken["fleet"] == 1


@pytest.mark.parametrize(
    ("age", "said"),
    [
        (FRESH, "start a1 upgrade #2 [fleet]"),
        (FRESH + 1, "ask a1 well before upgrade keeping its place"),
    ],
)
def test_an_answer_before_a_step_holds_for_five_minutes(age: float, said: str) -> None:
    given = Given(graph_of(a_gate("before", "upgrade"))).opened("a/1").did("a1", "precheck")
    given.answered("a1", "well", "before upgrade")
    assert given.decides(after=age) == [said]


def test_an_answer_after_a_step_holds_for_good() -> None:
    given = Given(graph_of(a_gate("after", "precheck"))).opened("a/1").did("a1", "precheck")
    given.answered("a1", "well", "after precheck")
    assert given.decides(after=86400) == ["start a1 upgrade #2 [fleet]"]


def test_before_a_step_is_asked_again_at_each_try() -> None:
    given = Given(graph_of(a_gate("before", "verify"))).opened("a/1").did("a1", *NAMES[:3])
    given.answered("a1", "well", "before verify").failed("a1", "verify").carry_on()
    assert given.decides(after=5) == ["ask a1 well before verify"]


def test_a_gate_that_remembers_sees_the_host_before_it_is_disrupted() -> None:
    gate = a_gate("after", "reboot", remembers=True)
    given = Given(graph_of(gate)).opened("a/1").did("a1", "precheck")
    assert given.decides() == [f"ask a1 well {REMEMBER} keeping its place"]
    given.answered("a1", "well", REMEMBER)
    kept = given.host("a1").remembered["well"]
    assert kept > 0
    assert given.decides() == ["start a1 upgrade #2 [fleet]"]
    given.did("a1", "upgrade", "reboot")
    assert given.host("a1").remembered == {"well": kept}
    assert given.decides() == ["ask a1 well after reboot"]


def test_guests_are_not_asked_for_where_they_are_ignored_with_a_reason() -> None:
    gate = a_gate("before", "upgrade", kind="guests")
    strict = a_plan(a_combo("a"), gates=[gate])
    ignoring = a_plan(replace(a_combo("a"), guests_ignored="cattle"), gates=[gate])
    asked = Given(a_graph({"a": 1}, strict)).opened("a/1").did("a1", "precheck")
    assert asked.decides() == ["ask a1 well before upgrade keeping its place"]
    ignored = Given(a_graph({"a": 1}, ignoring)).opened("a/1").did("a1", "precheck")
    assert ignored.decides() == ["start a1 upgrade #2 [fleet]"]


def test_a_combo_whose_own_step_is_harmless_is_not_asked_for_guests_because_of_another_combo() -> None:
    gate = replace(a_gate("before", "upgrade", kind="guests"), name=NO_GUESTS)
    harmless = tuple(replace(step, once=False) if step.name == "upgrade" else step for step in CHAIN)
    plan = a_plan(a_combo("a", steps=harmless), gates=[gate])
    assert Given(a_graph({"a": 1}, plan)).opened("a/1").did("a1", "precheck").decides() == [
        "start a1 upgrade #2"
    ]


# --- answers -----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("value", [Answer.FAIL, Answer.ERROR, Answer.INCONCLUSIVE])
def test_whatever_is_no_yes_is_asked_again_as_often_as_the_gate_says(value: Answer) -> None:
    given = Given(graph_of(a_gate("after", "verify", retries=2))).opened("a/1").did("a1", *NAMES)
    for _ in range(2):
        given.answered("a1", "well", "after verify", value)
        assert given.decides() == ["write gate-retrying a1"]
        assert given.why() == "gate well after verify: seen; asked again in 10 s"
        given.carry_on()
        assert given.decides() == [f"wait until {given.now - 1 + 10:g}"]
        assert given.decides(after=10) == ["ask a1 well after verify"]
    given.answered("a1", "well", "after verify", value)
    assert given.decides() == [f"write {'host-held' if value is Answer.FAIL else 'gate-stuck'} a1"]


def test_a_refused_host_key_is_not_asked_again() -> None:
    given = Given(graph_of(a_gate("after", "verify", retries=9))).opened("a/1").did("a1", *NAMES)
    told: dict[str, Any] = {"value": "fail", "samples": {"reached": False, "host_key": "refused"}}
    given.tell(Kind.ANSWERED, "a1", None, "security stop", gate="well", moment="after verify", **told)
    assert given.decides() == ["write host-held a1"]
    assert "security stop" in given.why()


def test_a_gate_that_heals_counts_its_tries_anew() -> None:
    given = Given(graph_of(a_gate("after", "verify", retries=1), soak=60)).opened("a/1").did("a1", *NAMES)
    given.answered("a1", "well", "after verify", Answer.FAIL).carry_on()
    given.answered("a1", "well", "after verify", at=given.now + 10).carry_on()
    assert given.host("a1").status is Status.SOAKING
    given.answered("a1", "well", SOAK, Answer.FAIL)
    assert given.decides() == ["write gate-retrying a1"]


def test_a_failed_gate_holds_the_host() -> None:
    given = Given(graph_of(a_gate("after", "verify"))).opened("a/1").did("a1", *NAMES)
    given.answered("a1", "well", "after verify", Answer.FAIL, "no route")
    assert given.why() == "gate well after verify failed: no route"
    given.carry_on()
    assert (given.host("a1").status, given.host("a1").slot) == (Status.HELD, True)


@pytest.mark.parametrize("value", [Answer.ERROR, Answer.INCONCLUSIVE])
def test_what_could_not_be_found_out_pauses_the_run_until_a_person_goes_on(value: Answer) -> None:
    given = Given(graph_of(a_gate("after", "verify"), hosts=2)).opened("a/1").did("a1", *NAMES)
    given.answered("a1", "well", "after verify", value, "no DNS").carry_on()
    assert given.decides() == ["stop 3"]
    assert given.why().startswith("paused: gate well after verify on a1 could not find out: no DNS")
    assert given.host("a1").slot
    given.tell(Kind.CONTINUED)
    assert "ask a1 well after verify" in given.decides()


def test_a_pause_by_a_person_does_not_hide_a_gate_that_could_not_find_out() -> None:
    given = Given(graph_of(a_gate("after", "verify"))).opened("a/1").did("a1", *NAMES)
    given.answered("a1", "well", "after verify", Answer.ERROR).carry_on().tell(Kind.PAUSED)
    assert given.decides() == ["stop 3"]


# --- soak --------------------------------------------------------------------------------------------------------------------


def test_a_soak_ends_with_the_last_gates_of_the_chain() -> None:
    graph = graph_of(a_gate("after", "reboot", name="booted"), a_gate("after", "verify"), soak=60)
    given = Given(graph).opened("a/1").did("a1", *NAMES[:3]).answered("a1", "booted", "after reboot")
    given.did("a1", "verify").answered("a1", "well", "after verify").carry_on()
    assert given.decides(after=60) == [f"ask a1 well {SOAK}"]
    given.answered("a1", "well", SOAK, at=given.now + 61)
    assert given.decides() == ["write host-verified a1"]


def regressed() -> Given:
    given = Given(graph_of(a_gate("after", "verify"), soak=60)).opened("a/1").did("a1", *NAMES)
    given.answered("a1", "well", "after verify").carry_on()
    return given.answered("a1", "well", SOAK, Answer.FAIL, "ill again", at=given.now + 61).carry_on()


def test_a_host_that_regresses_is_held_and_takes_its_slot_back() -> None:
    given = regressed()
    assert (given.host("a1").status, given.host("a1").slot) == (Status.HELD, True)
    assert given.state.slots.taken["fleet"] == 1


def test_a_slot_is_taken_back_whatever_the_limit_says() -> None:
    given = Given(graph_of(a_gate("after", "verify"), soak=60, hosts=2, at_once=1)).opened("a/1")
    given.did("a1", *NAMES).answered("a1", "well", "after verify").carry_on()
    given.did("a2", "precheck", "upgrade")
    given.answered("a1", "well", SOAK, Answer.FAIL).carry_on()
    assert given.state.slots.taken["fleet"] == 2
    given.did("a2", "reboot", "verify").answered("a2", "well", "after verify").carry_on()
    assert given.state.slots.full(("fleet",)) == ["fleet"]


def test_a_host_that_regressed_proves_its_health_and_soaks_anew_after_a_retry() -> None:
    given = regressed().tell(Kind.RETRIED, "a1")
    assert given.decides() == ["ask a1 well after verify"]
    assert given.host("a1").slot, "not proven healthy yet"
    given.answered("a1", "well", "after verify").carry_on()
    assert (given.host("a1").status, given.host("a1").slot) == (Status.SOAKING, False)
    assert given.decides(after=60) == [f"ask a1 well {SOAK}"]


def test_also_where_the_last_gates_are_not_those_of_the_last_step() -> None:
    steps = (*CHAIN, Step("restore", playbook="restore.yml"))
    plan = a_plan(a_combo("a", steps=steps), gates=[a_gate("after", "verify")], soak=Soak(60, 60))
    given = Given(a_graph({"a": 1}, plan)).opened("a/1").did("a1", *NAMES)
    given.answered("a1", "well", "after verify").did("a1", "restore").carry_on()
    given.answered("a1", "well", SOAK, Answer.FAIL, at=given.now + 61).carry_on().tell(Kind.RETRIED, "a1")
    assert given.carry_on().decides() == [f"ask a1 well {SOAK}"]
    given.answered("a1", "well", SOAK).carry_on()
    assert given.decides(after=60) == [f"ask a1 well {SOAK}"]


# --- the run and its waves ---------------------------------------------------------------------------------------------------


def test_before_the_run_every_host_is_asked_before_any_wave_opens() -> None:
    given = Given(graph_of(a_gate("before", "run"), hosts=2))
    assert given.decides() == ["write round-asked run"]
    given.carry_on()
    assert given.decides() == ["ask a1 well before run", "ask a2 well before run"]
    given.answered("a1", "well", "before run")
    assert given.decides() == ["ask a2 well before run"]
    given.answered("a2", "well", "before run")
    assert given.decides() == ["write wave-opened a/1"]


def test_a_host_that_fails_before_the_run_is_held_untouched_and_the_others_go_on() -> None:
    given = Given(graph_of(a_gate("before", "run"), hosts=2)).carry_on()
    given.answered("a1", "well", "before run", Answer.FAIL).answered("a2", "well", "before run").carry_on()
    assert (given.host("a1").status, given.host("a1").slot) == (Status.HELD, False)
    assert given.decides() == ["start a2 precheck #1"]


def test_a_host_held_before_the_run_answers_that_gate_and_waits_for_its_wave_when_it_is_tried_again() -> None:
    plan = a_plan(gates=[a_gate("before", "run")], failures=Failures(5, 5))
    given = Given(a_graph({"a": 3}, plan)).carry_on()
    for name in ("a1", "a2"):
        given.answered(name, "well", "before run")
    given.answered("a3", "well", "before run", Answer.FAIL).carry_on()
    given.tell(Kind.RETRIED, "a3")
    assert given.host("a3").status is Status.WAITING
    assert given.decides() == ["ask a3 well before run"]
    given.answered("a3", "well", "before run")
    assert given.decides() == ["start a1 precheck #1"], "its wave is not open yet"


def test_before_a_wave_its_hosts_are_asked_when_its_needs_are_met() -> None:
    plan = a_plan(gates=[a_gate("before", "wave")])
    given = Given(a_graph({"a": 3}, plan)).carry_on()
    assert given.decides() == ["ask a1 well before wave"]
    given.answered("a1", "well", "before wave").carry_on()
    given.verified("a1").carry_on()
    assert given.decides() == ["ask a2 well before wave", "ask a3 well before wave"]


def test_after_a_wave_its_verified_hosts_are_asked_before_it_passes() -> None:
    given = Given(graph_of(a_gate("after", "wave"), hosts=2)).opened("a/1").verified("a1").held("a2")
    assert given.decides() == ["write round-asked a/1"]
    given.carry_on()
    assert given.decides() == ["ask a1 well after wave"]
    given.answered("a1", "well", "after wave")
    assert given.decides() == ["write wave-passed a/1"]


def test_a_host_that_fails_after_its_wave_is_held_and_the_next_wave_stays_shut() -> None:
    given = (
        Given(a_graph({"a": 3}, a_plan(gates=[a_gate("after", "wave")])))
        .opened("a/1")
        .verified("a1")
        .carry_on()
    )
    given.answered("a1", "well", "after wave", Answer.FAIL).carry_on()
    assert (given.host("a1").status, given.host("a1").slot) == (Status.HELD, True)
    assert given.decides() == ["stop 3"]
    given.tell(Kind.RETRIED, "a1").carry_on()
    assert given.decides() == ["ask a1 well after wave"], "letting it try again is no answer"
    given.answered("a1", "well", "after wave").carry_on()
    assert given.decides() == ["start a2 precheck #1"]


def test_a_gate_after_the_last_wave_that_could_not_find_out_is_no_success() -> None:
    given = Given(graph_of(a_gate("after", "wave"))).opened("a/1").verified("a1").carry_on()
    given.answered("a1", "well", "after wave", Answer.INCONCLUSIVE).carry_on()
    assert given.decides() == ["stop 3"]
    given.tell(Kind.CONTINUED)
    assert given.decides() == ["ask a1 well after wave"]


@pytest.mark.parametrize(("kind", "said"), [(Kind.PAUSED, "stop 8"), (Kind.ABORTED, "stop 3")])
def test_a_run_that_stops_before_the_last_answer_is_not_finished(kind: Kind, said: str) -> None:
    given = Given(graph_of(a_gate("after", "wave", retries=1))).opened("a/1").verified("a1").carry_on()
    given.answered("a1", "well", "after wave", Answer.FAIL).carry_on()
    assert given.decides() == [f"wait until {given.host('a1').not_before:g}"]
    assert given.tell(kind).decides() == [said]


def test_gates_after_a_wave_are_asked_although_its_breaker_has_tripped_but_it_does_not_pass() -> None:
    plan = a_plan(waves=[Amount(2), ALL], gates=[a_gate("after", "wave")])
    given = Given(a_graph({"a": 4}, plan)).opened("a/1").verified("a1").held("a2").carry_on()
    assert given.decides() == ["ask a1 well after wave"]
    given.answered("a1", "well", "after wave").carry_on()
    assert given.decides() == ["stop 3"]
    assert "a/1" not in given.state.run.passed


def test_a_controller_that_takes_over_asks_what_the_one_before_had_asked() -> None:
    given = Given(graph_of(a_gate("before", "upgrade"))).opened("a/1").did("a1", "precheck")
    given.asked("a1", "well", "before upgrade", reserves=True).tell(Kind.TAKEN_UP, fence=2)
    assert given.state.slots.taken["fleet"] == 0
    assert given.decides() == ["ask a1 well before upgrade keeping its place"]


def test_a_gate_asked_about_a_host_that_leaves_meanwhile_decides_nothing() -> None:
    given = Given(graph_of(a_gate("before", "upgrade"))).opened("a/1").did("a1", "precheck")
    given.asked("a1", "well", "before upgrade", reserves=True).tell(Kind.RETIRED, "a1")
    given.answered("a1", "well", "before upgrade", Answer.FAIL).carry_on()
    assert given.host("a1").status is Status.RETIRED
    assert given.decides() == ["stop 0"]


def test_a_chain_that_disrupts_nothing_takes_no_slot() -> None:
    steps = (Step("look", playbook="look.yml"), Step("tell", playbook="tell.yml"))
    given = Given(a_graph({"a": 1}, a_plan(a_combo("a", steps=steps)))).opened("a/1").did("a1", "look")
    assert given.decides() == ["start a1 tell #2"]
    given.failed("a1", "tell", Ending.FAILED).carry_on()
    assert not given.host("a1").slot
