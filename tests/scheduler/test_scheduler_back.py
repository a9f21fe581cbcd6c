"""The way back: undo in reverse, commits after the soak, known errors; and what keeps a host from it."""

from dataclasses import replace

import pytest

from rollout.model.chain import COMMIT, REMEDY, UNDO, Step
from rollout.model.event import Kind
from rollout.model.graph import Graph
from rollout.model.plan import IN_REACH, NO_GUESTS, ROLLBACK, Amount, GateRule, Limits, Moment, Risk, Soak
from rollout.model.seams import Answer, Ending
from rollout.model.state import Status
from tests.fleet import a_combo, a_graph, a_plan
from tests.scheduler.given import Given


def an_undo(of: str, *, once: bool = False) -> Step:
    return Step(UNDO + of, playbook="undo.yml", of=of, once=once)


STAGE = Step("stage", playbook="stage.yml", undo=an_undo("stage"))
DRAIN = Step("drain", drain="playbook", playbook="drain.yml", undo=an_undo("drain"))
SNAPSHOT = Step(
    "snapshot",
    playbook="snapshot.yml",
    undo=an_undo("snapshot", once=True),
    commit=Step(f"{COMMIT}snapshot", playbook="drop.yml", of="snapshot"),
)
UPGRADE = Step("upgrade", playbook="upgrade.yml", once=True)
DOWNGRADABLE = replace(UPGRADE, undo=an_undo("upgrade", once=True))
VERIFY = Step("verify", playbook="verify.yml")
RESTORE = Step(
    "restore",
    reopen="playbook",
    playbook="restore.yml",
    closes=("drain",),
    undo=Step(f"{UNDO}restore", drain="playbook", playbook="drain.yml", of="restore"),
)
GUESTS = GateRule(NO_GUESTS, "guests", Moment("before", "upgrade"))
REACH = GateRule(IN_REACH, "ssh", Moment("after", ROLLBACK))


def a_world(
    *steps: Step,
    gates: tuple[GateRule, ...] = (),
    soak: float = 0.0,
    risks: tuple[Risk, ...] = (),
    at_once: int = 4,
) -> Graph:
    plan = a_plan(
        a_combo("a", steps=steps),
        waves=[Amount(1), Amount(100, percent=True)],
        gates=gates,
        soak=Soak(soak, soak),
        limits=Limits(Amount(at_once)),
    )
    return a_graph({"a": 3}, replace(plan, risks=risks))


def rolled(given: Given, host: str = "a1") -> Given:
    return given.tell(Kind.ROLLBACK, host, because="it is slow")


def test_what_is_open_is_undone_the_last_first() -> None:
    given = Given(a_world(STAGE, DRAIN, DOWNGRADABLE, VERIFY)).opened("a/1")
    given.did("a1", "stage", "drain", "upgrade").failed("a1", "verify")
    rolled(given.carry_on())
    assert given.host("a1").effects == ["stage", "drain", "upgrade"]
    for step in ("upgrade", "drain", "stage"):
        (decision,) = given.decides()
        assert decision.startswith(f"start a1 undo-{step} #")
        given.did("a1", f"undo-{step}")
    assert given.decides() == ["write host-rolled-back a1"]
    given.carry_on()
    host = given.host("a1")
    assert (host.status, host.slot, host.effects, host.passed) == (Status.ROLLED_BACK, False, [], None)
    assert given.state.slots.taken["fleet"] == 0


def test_a_verified_host_takes_its_slot_and_is_drained_again_before_it_is_taken_back() -> None:
    given = Given(a_world(DRAIN, DOWNGRADABLE, RESTORE)).opened("a/1")
    given.did("a1", "drain", "upgrade", "restore").tell(Kind.VERIFIED, "a1")
    assert given.host("a1").effects == ["upgrade", "restore"]
    rolled(given)
    assert given.decides() == ["start a1 undo-restore #4 [fleet]"]
    given.did("a1", "undo-restore")
    assert given.host("a1").effects == ["drain", "upgrade"]
    assert given.host("a1").slot
    given.did("a1", "undo-upgrade", "undo-drain").carry_on()
    assert given.host("a1").status is Status.ROLLED_BACK


def test_a_rollback_waits_for_a_free_slot() -> None:
    given = Given(a_world(DRAIN, DOWNGRADABLE, RESTORE, at_once=1)).opened("a/1")
    given.did("a1", "drain", "upgrade", "restore").tell(Kind.VERIFIED, "a1").carry_on()
    given.began("a2", "drain")
    rolled(given)
    assert given.decides() == ["wait"]


def test_nothing_is_undone_under_guests() -> None:
    given = Given(a_world(DRAIN, DOWNGRADABLE, gates=(GUESTS,))).opened("a/1").did("a1", "drain")
    given.answered("a1", NO_GUESTS, "before upgrade").did("a1", "upgrade")
    rolled(given)
    assert given.decides() == ["ask a1 no-guests before undo-upgrade"]
    given.answered("a1", NO_GUESTS, "before undo-upgrade", Answer.FAIL, "2 guests run").carry_on()
    assert given.host("a1").status is Status.HELD
    assert given.host("a1").effects == ["drain", "upgrade"]


def test_health_is_proven_before_the_slot_is_free() -> None:
    given = Given(a_world(DRAIN, VERIFY, gates=(REACH,))).opened("a/1").did("a1", "drain")
    rolled(given).did("a1", "undo-drain")
    assert given.decides() == ["ask a1 in-reach after rollback"]
    assert given.host("a1").slot
    given.answered("a1", IN_REACH, "after rollback").carry_on()
    assert given.host("a1").status is Status.ROLLED_BACK


@pytest.mark.parametrize("ending", [Ending.UNKNOWN, Ending.FAILED])
def test_an_undo_that_fails_holds_the_host_with_what_is_open(ending: Ending) -> None:
    given = Given(a_world(DRAIN, DOWNGRADABLE)).opened("a/1").did("a1", "drain", "upgrade")
    rolled(given).failed("a1", "undo-upgrade", ending).carry_on()
    host = given.host("a1")
    assert (host.status, host.effects, host.slot) == (Status.HELD, ["drain", "upgrade"], True)
    given.tell(Kind.RETRIED, "a1").carry_on()
    assert given.decides() == ["start a1 undo-upgrade #4"]


def test_an_undo_that_a_person_vouches_for_is_done() -> None:
    given = Given(a_world(DRAIN, DOWNGRADABLE)).opened("a/1").did("a1", "drain", "upgrade")
    rolled(given).failed("a1", "undo-upgrade", Ending.UNKNOWN).carry_on().resolved("a1", "done")
    assert given.decides() == ["start a1 undo-drain #4"]


def test_a_host_whose_upgrade_has_no_way_back_goes_on_as_before() -> None:
    """A rollback may be asked in the moment in which the upgrade begins: to reopen the host then would be no rollback."""
    given = Given(a_world(DRAIN, UPGRADE, VERIFY)).opened("a/1").did("a1", "drain").began("a1", "upgrade")
    rolled(given).tell(Kind.DONE, "a1", "upgrade")
    assert given.decides() == ["start a1 verify #3"]


def test_a_step_in_flight_ends_before_it_is_undone() -> None:
    given = Given(a_world(DRAIN, DOWNGRADABLE)).opened("a/1").began("a1", "drain")
    rolled(given)
    assert given.decides() == ["wait"]
    given.tell(Kind.FAILED, "a1", "drain", ending=str(Ending.FAILED))
    assert given.decides() == ["start a1 undo-drain #2"]


def test_what_a_step_did_is_to_be_known_before_it_is_undone() -> None:
    given = Given(a_world(DRAIN, DOWNGRADABLE)).opened("a/1").did("a1", "drain").began("a1", "upgrade")
    rolled(given).tell(Kind.FAILED, "a1", "upgrade", ending=str(Ending.UNKNOWN)).carry_on()
    assert given.host("a1").status is Status.HELD
    assert given.host("a1").uncertain


def test_an_abort_gives_back_what_was_not_changed_and_finishes_what_was() -> None:
    given = Given(a_world(DRAIN, DOWNGRADABLE, VERIFY)).opened("a/1").passed("a/1").opened("a/2")
    given.did("a2", "drain").did("a3", "drain", "upgrade").tell(Kind.ABORTED)
    assert sorted(given.decides()) == ["start a2 undo-drain #2", "start a3 verify #3"]
    given.did("a2", "undo-drain").did("a3", "verify").carry_on()
    assert given.host("a2").status is Status.ROLLED_BACK
    assert given.host("a3").status is Status.VERIFIED


def test_an_abort_leaves_a_held_host_closed() -> None:
    given = Given(a_world(DRAIN, DOWNGRADABLE)).opened("a/1").did("a1", "drain").failed("a1", "upgrade")
    given.carry_on().tell(Kind.ABORTED)
    assert given.host("a1").status is Status.HELD
    assert given.host("a1").effects == ["drain", "upgrade"]


def test_a_snapshot_is_made_final_after_the_soak_without_a_slot() -> None:
    given = (
        Given(a_world(SNAPSHOT, UPGRADE, soak=60)).opened("a/1").did("a1", "snapshot", "upgrade").carry_on()
    )
    assert given.host("a1").status is Status.SOAKING
    assert given.decides(after=61) == ["start a1 commit-snapshot #3"]
    given.tell(Kind.INTENDED, "a1", "commit-snapshot", at=given.now + 61, slots=[])
    assert not given.host("a1").slot
    given.tell(Kind.DONE, "a1", "commit-snapshot").carry_on()
    assert (given.host("a1").status, given.host("a1").effects) == (Status.VERIFIED, [])


def test_a_commit_that_fails_holds_the_host_and_fills_no_limit() -> None:
    given = (
        Given(a_world(SNAPSHOT, UPGRADE, soak=60)).opened("a/1").did("a1", "snapshot", "upgrade").carry_on()
    )
    given.failed("a1", "commit-snapshot").carry_on()
    assert (given.host("a1").status, given.host("a1").slot) == (Status.HELD, False)


def test_a_snapshot_takes_back_an_upgrade_that_names_no_undo() -> None:
    given = Given(a_world(SNAPSHOT, UPGRADE)).opened("a/1").did("a1", "snapshot").failed("a1", "upgrade")
    rolled(given.carry_on())
    assert given.decides() == ["start a1 undo-snapshot #3"]
    given.did("a1", "undo-snapshot").carry_on()
    assert given.host("a1").status is Status.ROLLED_BACK


def test_a_snapshot_since_which_nothing_changed_is_dropped() -> None:
    given = Given(a_world(SNAPSHOT, UPGRADE)).opened("a/1").did("a1", "snapshot")
    rolled(given)
    assert given.decides() == ["start a1 commit-snapshot #2"]


def test_a_rolled_back_host_may_begin_anew() -> None:
    given = Given(a_world(DRAIN, VERIFY)).opened("a/1").did("a1", "drain")
    rolled(given).did("a1", "undo-drain").carry_on().tell(Kind.RETRIED, "a1")
    assert given.decides() == ["start a1 drain #3 [fleet]"]


def test_a_pause_holds_up_a_way_back_that_has_no_slot_yet() -> None:
    given = Given(a_world(STAGE, UPGRADE)).opened("a/1").did("a1", "stage")
    rolled(given).tell(Kind.PAUSED)
    assert given.decides() == ["stop 8"]


LOCKED = Risk(
    "apt-lock",
    "Could not get lock",
    "remedy",
    remedy=Step(f"{REMEDY}apt-lock", playbook="wait.yml"),
)


def test_a_known_error_is_remedied_and_the_step_begun_again() -> None:
    given = Given(a_world(VERIFY, risks=(LOCKED,))).opened("a/1")
    given.failed("a1", "verify", because="E: Could not get lock /var/lib/dpkg/lock")
    assert given.decides() == ["start a1 remedy-apt-lock #2"]
    given.did("a1", "remedy-apt-lock")
    assert given.host("a1").harmed
    assert given.decides(after=1) == ["write breaker-tripped a"]
    given.tripped("a")
    given.tell(Kind.RETRIED, "a1").carry_on()
    assert given.decides() == ["start a1 verify #3"]


def test_a_host_is_remedied_so_often_and_no_more() -> None:
    given = Given(a_world(VERIFY, risks=(LOCKED,))).opened("a/1")
    given.failed("a1", "verify", because="Could not get lock").did("a1", "remedy-apt-lock")
    given.failed("a1", "verify", because="Could not get lock").carry_on()
    assert given.host("a1").status is Status.HELD
    assert "remedied 1 time already" in given.host("a1").because


def test_a_remedy_that_fails_holds_the_host() -> None:
    given = Given(a_world(VERIFY, risks=(LOCKED,))).opened("a/1")
    given.failed("a1", "verify", because="Could not get lock")
    given.failed("a1", "remedy-apt-lock", because="Could not get lock").carry_on()
    assert given.host("a1").status is Status.HELD


@pytest.mark.parametrize(
    ("repeatable", "then"), [(False, "write host-held a1"), (True, "start a1 remedy-apt-lock #2")]
)
def test_a_once_step_is_begun_again_only_if_the_risk_says_so(repeatable: bool, then: str) -> None:
    given = Given(a_world(UPGRADE, risks=(replace(LOCKED, repeatable=repeatable),))).opened("a/1")
    assert given.failed("a1", "upgrade", because="Could not get lock").decides() == [then]


def test_an_unknown_outcome_is_no_known_error() -> None:
    given = Given(a_world(UPGRADE, risks=(replace(LOCKED, repeatable=True),))).opened("a/1")
    given.failed("a1", "upgrade", Ending.UNKNOWN, because="Could not get lock")
    assert given.decides() == ["write host-held a1"]


def test_a_known_error_may_be_tried_again_or_held_with_its_words() -> None:
    flaky = Risk("mirror", "Hash Sum mismatch", "retry", times=2, backoff=7)
    given = Given(a_world(VERIFY, risks=(flaky,))).opened("a/1")
    given.failed("a1", "verify", because="Hash Sum mismatch")
    assert given.decides() == ["write step-retrying a1"]
    given.carry_on().failed("a1", "verify", because="Hash Sum mismatch").carry_on()
    given.failed("a1", "verify", because="Hash Sum mismatch").carry_on()
    assert given.host("a1").status is Status.HELD
    nic = Risk("nic", "mlx5_core", "hold", because="see OPS-7", steps=("verify",))
    given = Given(a_world(replace(VERIFY, retries=3), risks=(nic,))).opened("a/1")
    assert "see OPS-7" in given.failed("a1", "verify", because="mlx5_core: dead").why()
