"""What a failure does: to its host, to its combo, to the run; and how a person gets things going again."""

from dataclasses import replace

import pytest

from rollout.model.chain import Step
from rollout.model.event import Kind
from rollout.model.plan import Amount, Failures, Limits
from rollout.model.seams import Ending
from rollout.model.state import Status
from tests.fleet import CHAIN, a_combo, a_graph, a_plan
from tests.scheduler.given import Given

ALL = Amount(100, percent=True)


def canary_lost() -> Given:
    return Given(a_graph({"a": 4, "b": 2})).opened("a/1", "b/1").held("a1")


@pytest.mark.parametrize(
    "ending",
    [
        Ending.FAILED,
        Ending.UNREACHABLE,
        Ending.LATE,
        Ending.UNKNOWN,
        Ending.REFUSED,
        Ending.MISFIT,
        Ending.INTERRUPTED,
    ],
)
def test_whatever_becomes_of_a_canary_but_success_stops_its_combo_and_no_other(ending: Ending) -> None:
    given = Given(a_graph({"a": 4, "b": 2})).opened("a/1", "b/1").did("a1", "precheck", "upgrade")
    given.failed("a1", "reboot", ending).carry_on()
    assert given.host("a1").status is Status.HELD
    assert given.host("a1").slot
    assert set(given.state.run.tripped) == {"a"}
    assert given.decides() == ["start b1 precheck #1"]
    given.verified("b1").carry_on().verified("b2").carry_on()
    assert given.decides() == ["stop 3"]
    assert given.host("a2").status is Status.WAITING


def test_the_breaker_says_what_it_stops_and_why() -> None:
    given = canary_lost()
    assert given.decides() == ["write breaker-tripped a"]
    assert given.why() == "a: 1 canary failed, 0 tolerated; nothing more begins in this combo"


@pytest.mark.parametrize(
    ("tolerated", "held", "trips"),
    [
        (Failures(0, 0), 1, True),
        (Failures(0, 1), 1, False),
        (Failures(0, 1), 2, True),
        (Failures(0, 9, 1), 2, True),
        (Failures(0, 9, 2), 2, False),
    ],
)
def test_failures_after_the_canaries(tolerated: Failures, held: int, trips: bool) -> None:
    plan = a_plan(failures=tolerated, limits=Limits(at_once=Amount(9)))
    given = Given(a_graph({"a": 15}, plan)).opened("a/1").verified("a1").passed("a/1").opened("a/2")
    given.verified(
        *(f"a{number}" for number in range(6, 16))
    )  # or the evidence would stop it, whatever is tolerated
    for number in range(held):
        given.held(f"a{number + 2}")
    assert any("breaker-tripped" in said for said in given.decides()) is trips


def test_failures_of_the_run_stop_every_combo() -> None:
    plan = a_plan(
        a_combo("a"), a_combo("b"), waves=[ALL], failures=Failures(9, 9, 1), limits=Limits(Amount(9))
    )
    given = Given(a_graph({"a": 3, "b": 3}, plan)).opened("a/1", "b/1").held("a1").held("b1")
    assert given.decides() == ["write breaker-tripped run"]
    assert given.why() == "2 hosts failed in this run, 1 tolerated; nothing more begins"
    assert given.carry_on().decides() == ["stop 3"]


def test_a_failure_is_judged_before_anything_else_of_the_same_moment_begins() -> None:
    plan = a_plan(waves=[ALL], limits=Limits(at_once=Amount(3), controller=1))
    given = Given(a_graph({"a": 3}, plan)).opened("a/1").did("a2", "precheck", "upgrade")
    given.did("a1", "precheck").failed("a1", "upgrade")
    assert given.decides() == ["write host-held a1"]
    assert given.carry_on().decides() == ["start a2 reboot #3"], "what has begun goes on"


def test_what_has_begun_goes_on_to_its_end_and_what_has_no_slot_stops() -> None:
    plan = a_plan(waves=[ALL], limits=Limits(at_once=Amount(3)))
    given = (
        Given(a_graph({"a": 3}, plan)).opened("a/1").did("a2", "precheck", "upgrade").did("a3", "precheck")
    )
    given.held("a1").carry_on()
    assert given.decides() == ["start a2 reboot #3"]
    given.did("a2", "reboot", "verify").carry_on()
    assert given.decides() == ["stop 3"]
    assert given.host("a3").passed == "precheck"


def test_retries_double_their_pause() -> None:
    steps = (replace(CHAIN[0], retries=4, backoff=30), *CHAIN[1:])
    given = Given(a_graph({"a": 1}, a_plan(a_combo("a", steps=steps)))).opened("a/1")
    pauses = []
    for _ in range(4):
        given.failed("a1", "precheck")
        failed_at = given.now
        assert given.decides() == ["write step-retrying a1"]
        given.carry_on()
        pauses.append(given.host("a1").not_before - failed_at)
        assert given.decides() == [f"wait until {failed_at + pauses[-1]:g}"]
        given.now += pauses[-1]
        assert given.decides() == [f"start a1 precheck #{given.host('a1').attempt + 1}"]
    assert pauses == [30, 60, 120, 240]
    assert given.why() == "precheck failed 4 of 5 times; it is tried again"
    given.failed("a1", "precheck")
    assert given.why() == "precheck failed (5 times): no disk"
    assert given.decides() == ["write host-held a1"]


def test_the_pause_between_tries_grows_to_an_hour_at_most() -> None:
    steps = (replace(CHAIN[0], retries=50, backoff=30), *CHAIN[1:])
    given = Given(a_graph({"a": 1}, a_plan(a_combo("a", steps=steps)))).opened("a/1")
    for _ in range(20):
        given.failed("a1", "precheck")
        failed_at = given.now
        given.carry_on()
        pause = given.host("a1").not_before - failed_at
        given.now += pause
    assert pause == 3600


@pytest.mark.parametrize("ending", list(Ending))
def test_a_once_step_is_never_tried_again(ending: Ending) -> None:
    if ending is Ending.DONE:
        return
    given = Given(a_graph({"a": 1})).opened("a/1").did("a1", "precheck").failed("a1", "upgrade", ending)
    assert given.decides() == ["write host-held a1"]


@pytest.mark.parametrize(
    ("step", "ending", "uncertain", "because"),
    [
        ("upgrade", Ending.FAILED, False, "upgrade failed: no disk"),
        ("upgrade", Ending.LATE, True, "what upgrade did cannot be known: no disk"),
        ("upgrade", Ending.UNKNOWN, True, "what upgrade did cannot be known: no disk"),
        ("upgrade", Ending.UNREACHABLE, False, "upgrade lost the host: no disk"),
        ("reboot", Ending.LATE, False, "reboot took longer than its time-out: no disk"),
        ("reboot", Ending.UNKNOWN, True, "what reboot did cannot be known: no disk"),
        ("reboot", Ending.INTERRUPTED, False, "reboot was cut short: no disk"),
        ("precheck", Ending.REFUSED, False, "precheck was refused: no disk"),
        ("precheck", Ending.MISFIT, False, "precheck failed, and another try would change nothing: no disk"),
    ],
)
def test_what_is_held_says_why_and_whether_it_is_in_doubt(
    step: str, ending: Ending, uncertain: bool, because: str
) -> None:
    names = [link.name for link in CHAIN]
    given = Given(a_graph({"a": 1})).opened("a/1").did("a1", *names[: names.index(step)])
    given.failed("a1", step, ending)
    assert given.why() == because
    given.carry_on()
    assert given.host("a1").uncertain is uncertain
    assert given.host("a1").slot is (step != "precheck")


@pytest.mark.parametrize("ending", [Ending.REFUSED, Ending.MISFIT])
def test_what_another_try_cannot_change_is_not_tried_again(ending: Ending) -> None:
    given = Given(a_graph({"a": 1})).opened("a/1").did("a1", "precheck", "upgrade", "reboot")
    assert given.failed("a1", "verify", ending).decides() == ["write host-held a1"]


@pytest.mark.parametrize(("step", "counts"), [("precheck", False), ("verify", True)])
def test_a_host_healed_by_a_retry_counts_from_its_first_disruptive_step_on(step: str, counts: bool) -> None:
    steps = (replace(CHAIN[0], retries=1), *CHAIN[1:])
    names = [link.name for link in steps]
    given = Given(a_graph({"a": 2}, a_plan(a_combo("a", steps=steps)))).opened("a/1")
    given.did("a1", *names[: names.index(step)]).failed("a1", step).carry_on()
    assert given.host("a1").harmed is counts
    given.did("a1", *names[names.index(step) :]).carry_on()
    assert given.host("a1").status is Status.VERIFIED
    assert ("a" in given.state.run.tripped) is counts


def test_a_person_can_answer_for_a_host_that_a_retry_healed() -> None:
    given = Given(a_graph({"a": 2})).opened("a/1").did("a1", "precheck", "upgrade", "reboot")
    given.failed("a1", "verify").carry_on().did("a1", "verify").carry_on()
    assert given.decides() == ["stop 3"]
    given.tell(Kind.RETRIED, "a1").carry_on()
    assert given.state.run.tripped == {}
    assert given.host("a1").status is Status.VERIFIED
    assert given.decides() == ["start a2 precheck #1"]


def test_retry_goes_on_with_the_step_that_failed_and_resets_the_breaker() -> None:
    given = canary_lost().carry_on().tell(Kind.RETRIED, "a1")
    assert given.decides() == ["write breaker-reset a"]
    assert given.why() == "a: its failures were answered for by a person; it goes on"
    assert given.carry_on().decides()[0] == "start a1 reboot #4"
    given.failed("a1", "reboot").carry_on()
    assert "a" in given.state.run.tripped


def test_retry_of_a_host_in_doubt_runs_the_once_step_again_for_a_person_said_so() -> None:
    given = (
        Given(a_graph({"a": 1})).opened("a/1").held("a1", "upgrade", Ending.UNKNOWN).tell(Kind.RETRIED, "a1")
    )
    assert given.carry_on().decides() == ["start a1 upgrade #3"]
    assert given.host("a1").uncertain is False


@pytest.mark.parametrize(
    ("held_in", "then"),
    [("upgrade", "start a1 reboot #3"), ("reboot", "start a1 verify #4"), ("verify", "start a1 verify #5")],
)
def test_resolve_as_done_goes_on_behind_it_runs_verify_again_and_still_counts(
    held_in: str, then: str
) -> None:
    given = Given(a_graph({"a": 2})).opened("a/1").held("a1", held_in).carry_on()
    given.resolved("a1", "done")
    assert given.decides() == [then]
    assert given.host("a1").harmed
    assert "a" in given.state.run.tripped


def test_resolve_as_done_of_a_host_that_failed_behind_verify_runs_verify_again() -> None:
    steps = (*CHAIN, Step("restore", playbook="restore.yml"))
    given = Given(a_graph({"a": 1}, a_plan(a_combo("a", steps=steps)))).opened("a/1")
    given.did("a1", *(step.name for step in CHAIN)).failed("a1", "restore").carry_on()
    given.resolved("a1", "done")
    assert given.decides() == ["start a1 verify #6"]


def test_resolve_as_failed_settles_the_doubt_and_keeps_the_host_held() -> None:
    given = Given(a_graph({"a": 1})).opened("a/1").held("a1", "upgrade", Ending.UNKNOWN)
    given.resolved("a1", "failed", "dead disk")
    assert given.host("a1").status is Status.HELD
    assert given.host("a1").uncertain is False
    assert given.host("a1").because == "dead disk"


def test_a_held_host_keeps_its_slots_and_retire_frees_them() -> None:
    plan = a_plan(waves=[ALL], failures=Failures(5, 5), limits=Limits(at_once=Amount(1)))
    given = Given(a_graph({"a": 2}, plan)).opened("a/1").held("a1").did("a2", "precheck")
    assert given.decides() == ["stop 3"]
    assert given.why() == (
        "halted: limit fleet is full (1 of 1: a1 held since 00:16 UTC (2 s)); `rollout retry a1 --reason WHY` lets a1 go on, "
        "`rollout retire a1 --reason WHY` frees its place (0 verified, 1 held, 0 not started, 1 under way)"
    )
    given.tell(Kind.RETIRED, "a1")
    assert given.decides() == ["start a2 upgrade #2 [fleet]"]


def test_a_stall_names_every_full_limit_and_who_holds_it() -> None:
    limits = Limits(at_once=Amount(9), per={"rack": Amount(1)})
    plan = a_plan(waves=[ALL], failures=Failures(5, 5), limits=limits)
    given = Given(a_graph({"a": 24}, plan, racks=2)).opened("a/1")
    given.verified(*(f"a{number}" for number in range(5, 25))).held("a1").held("a2")
    given.did("a3", "precheck").did("a4", "precheck")
    assert given.why() == (
        "halted: limit rack=r0 is full (1 of 1: a2 held since 00:19 UTC (4 s)); limit rack=r1 is full (1 of 1: a1 held since 00:19 UTC (11 s)); "
        "`rollout retry a1 --reason WHY` lets a1 go on, `rollout retire a1 --reason WHY` frees its place (20 verified, 2 held, 0 not started, 2 under way)"
    )


def test_a_host_in_flight_cannot_be_retired() -> None:
    given = Given(a_graph({"a": 1})).opened("a/1").began("a1", "precheck").tell(Kind.RETIRED, "a1")
    assert given.host("a1").status is Status.RUNNING
    given.tell(Kind.DONE, "a1", "precheck").tell(Kind.RETIRED, "a1")
    assert given.host("a1").status is Status.RETIRED


@pytest.mark.parametrize("request_for", ["retry", "resolve"])
@pytest.mark.parametrize("status", ["waiting", "verified", "retired"])
def test_a_request_that_does_not_fit_changes_nothing(request_for: str, status: str) -> None:
    given = Given(a_graph({"a": 2})).opened("a/1")
    if status == "verified":
        given.verified("a1")
    elif status == "retired":
        given.held("a1").tell(Kind.RETIRED, "a1")
    before = given.host("a1").to_json()
    if request_for == "retry":
        given.tell(Kind.RETRIED, "a1")
    else:
        given.resolved("a1", "done")
    assert given.host("a1").to_json() == before


def test_pause_lets_what_has_begun_finish_and_starts_nothing() -> None:
    plan = a_plan(waves=[ALL], limits=Limits(at_once=Amount(1)))
    given = (
        Given(a_graph({"a": 3}, plan)).opened("a/1").did("a1", "precheck", "upgrade").did("a2", "precheck")
    )
    given.tell(Kind.PAUSED, because="lunch")
    assert given.decides() == ["start a1 reboot #3"]
    given.did("a1", "reboot", "verify").carry_on()
    assert given.decides() == ["stop 8"]
    assert (
        given.why()
        == "paused: lunch; `rollout resume` goes on (1 verified, 0 held, 1 not started, 1 under way)"
    )
    assert given.tell(Kind.CONTINUED).decides() == ["start a2 upgrade #2 [fleet]"]


def test_abort_is_final() -> None:
    given = (
        Given(a_graph({"a": 3}))
        .opened("a/1")
        .did("a1", "precheck", "upgrade")
        .tell(Kind.ABORTED, because="fire")
    )
    assert given.decides() == ["start a1 reboot #3"]
    given.did("a1", "reboot", "verify").carry_on().tell(Kind.CONTINUED)
    assert given.decides() == ["stop 3"]
    assert (
        given.why()
        == "aborted: fire; this run is over, and `rollout apply` begins a new one (1 verified, 0 held, 2 not started)"
    )


def test_a_stopped_run_does_not_wait_for_a_soak() -> None:
    given = Given(a_graph({"a": 2})).opened("a/1").did("a1", *(step.name for step in CHAIN))
    given.tell(Kind.SOAKING, "a1", until=given.now + 600).tell(Kind.ABORTED)
    assert given.decides() == ["stop 3"]
    assert given.decides(after=600) == ["write host-verified a1"]


@pytest.mark.parametrize(("held", "retired", "code"), [(0, 0, 0), (1, 0, 4), (0, 1, 0), (1, 1, 4)])
def test_the_end_of_a_run_whose_hosts_are_all_settled(held: int, retired: int, code: int) -> None:
    plan = a_plan(waves=[ALL], failures=Failures(5, 5), limits=Limits(at_once=Amount(9)))
    healthy = [f"a{number}" for number in range(1, 11)]
    given = Given(a_graph({"a": 10 + held + retired}, plan)).opened("a/1").verified(*healthy)
    names = [name for name in given.graph.nodes if name not in healthy]
    for name in names:
        given.held(name)
    for name in names[held:]:
        given.tell(Kind.RETIRED, name)
    assert given.carry_on().decides() == [f"stop {code}"]


def test_a_breaker_that_nobody_can_answer_for_any_more_is_no_halt_when_nothing_is_left() -> None:
    given = Given(a_graph({"a": 1, "b": 1})).opened("a/1", "b/1").verified("b1").held("a1").carry_on()
    assert given.decides() == ["stop 3"]
    assert given.tell(Kind.RETIRED, "a1").carry_on().decides() == ["stop 0"]
