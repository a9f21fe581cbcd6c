"""What a way back, a commit or a remedy must not do when something else happens at the same moment."""

from dataclasses import replace

import pytest

from rollout.model.chain import COMMIT, REBOOT, UNDO, Step
from rollout.model.event import Kind
from rollout.model.plan import NO_GUESTS, GateRule, Moment
from rollout.model.seams import Answer, Ending
from rollout.model.state import Status
from tests.scheduler.given import Given
from tests.scheduler.test_scheduler_back import (
    DOWNGRADABLE,
    DRAIN,
    GUESTS,
    LOCKED,
    RESTORE,
    SNAPSHOT,
    STAGE,
    UPGRADE,
    VERIFY,
    a_world,
    an_undo,
    rolled,
)

BEFORE = GateRule("well", "command", Moment("before", "upgrade"))
CHANGE = Step("change", playbook="change.yml", disruptive=True)


@pytest.mark.parametrize("value", [Answer.FAIL, Answer.INCONCLUSIVE])
def test_an_abort_while_a_gate_has_said_no(value: Answer) -> None:
    given = Given(a_world(DRAIN, UPGRADE, gates=(BEFORE,))).opened("a/1").did("a1", "drain")
    given.answered("a1", "well", "before upgrade", value).tell(Kind.ABORTED)
    assert given.decides() == ["start a1 undo-drain #2"]


def test_what_a_once_step_did_whose_path_vanished_is_asked_before_it_is_undone() -> None:
    given = Given(a_world(DRAIN, DOWNGRADABLE)).opened("a/1").did("a1", "drain").began("a1", "upgrade")
    given.tell(Kind.SUSPECTED, path="p", by="path").tell(Kind.STRANDED, "a1", "upgrade", path="p", begun=True)
    rolled(given).tell(Kind.RESTORED, path="p")
    assert given.host("a1").lost
    assert given.decides() == ["start a1 upgrade #3"]


def test_a_host_whose_outcome_is_not_known_is_not_rolled_back_on_a_guess() -> None:
    given = Given(a_world(DRAIN, DOWNGRADABLE)).opened("a/1").did("a1", "drain")
    given.failed("a1", "upgrade", Ending.UNKNOWN).carry_on()
    rolled(given)
    assert given.host("a1").status is Status.HELD
    assert given.host("a1").uncertain


def test_a_step_that_never_began_does_not_turn_giving_back_into_an_upgrade() -> None:
    given = Given(a_world(DRAIN, DOWNGRADABLE)).opened("a/1").did("a1", "drain").began("a1", "upgrade")
    given.tell(Kind.VOID, "a1", "upgrade", ending=str(Ending.NEVER_BEGAN)).tell(Kind.ABORTED)
    assert given.host("a1").effects == ["drain"]
    assert given.decides() == ["start a1 undo-drain #3"]


def test_an_abort_before_the_upgrade_holds_a_host_that_nothing_gives_back() -> None:
    given = Given(a_world(replace(DRAIN, undo=None), UPGRADE)).opened("a/1").did("a1", "drain")
    given.tell(Kind.ABORTED).carry_on()
    assert given.host("a1").status is Status.HELD
    assert "stays closed" in given.host("a1").because


def test_a_snapshot_is_restored_under_a_slot() -> None:
    given = Given(a_world(SNAPSHOT, UPGRADE, VERIFY, soak=60, at_once=1)).opened("a/1")
    given.did("a1", "snapshot", "upgrade", "verify").carry_on()
    assert given.host("a1").status is Status.SOAKING
    assert rolled(given).decides() == ["start a1 undo-snapshot #4 [fleet]"]


def test_a_restart_is_not_undone_under_guests() -> None:
    reboot = Step(REBOOT, playbook="reboot.yml", disruptive=True, undo=an_undo(REBOOT))
    given = Given(a_world(reboot, gates=(GUESTS,))).opened("a/1").did("a1", REBOOT)
    assert rolled(given).decides() == [f"ask a1 {NO_GUESTS} before {UNDO}{REBOOT}"]


def test_a_change_that_names_no_undo_is_as_final_as_an_upgrade() -> None:
    given = Given(a_world(DRAIN, CHANGE, VERIFY)).opened("a/1").did("a1", "drain", "change")
    assert rolled(given).decides() == ["start a1 verify #3"]
    assert given.tell(Kind.ABORTED).decides() == ["start a1 verify #3"]


@pytest.mark.parametrize("stop", [Kind.PAUSED, Kind.ABORTED])
def test_nothing_is_made_final_and_no_untouched_host_remedied_when_the_run_is_to_stop(stop: Kind) -> None:
    given = (
        Given(a_world(SNAPSHOT, UPGRADE, soak=60)).opened("a/1").did("a1", "snapshot", "upgrade").carry_on()
    )
    given.tell(stop)
    assert f"start a1 {COMMIT}snapshot #3" not in given.decides(after=61)
    remedied = Given(a_world(STAGE, UPGRADE, risks=(LOCKED,))).opened("a/1")
    remedied.failed("a1", "stage", because="Could not get lock").tell(Kind.PAUSED)
    assert remedied.decides() == ["stop 8"]


def test_a_remedy_that_never_ran_was_none() -> None:
    known = replace(LOCKED, repeatable=True)
    given = Given(a_world(UPGRADE, risks=(known,))).opened("a/1")
    given.failed("a1", "upgrade", because="Could not get lock").began("a1", "remedy-apt-lock")
    given.tell(Kind.VOID, "a1", "remedy-apt-lock", ending=str(Ending.NEVER_BEGAN)).carry_on()
    assert given.decides() == ["start a1 remedy-apt-lock #3"]


def test_a_remedy_that_fails_on_the_way_back_holds_the_host() -> None:
    known = replace(LOCKED, repeatable=True)
    given = Given(a_world(DRAIN, DOWNGRADABLE, risks=(known,))).opened("a/1").did("a1", "drain", "upgrade")
    rolled(given).failed("a1", "undo-upgrade", because="Could not get lock")
    given.failed("a1", "remedy-apt-lock").carry_on()
    assert given.host("a1").status is Status.HELD


def test_no_wave_opens_on_a_canary_that_was_taken_back() -> None:
    given = Given(a_world(DRAIN, DOWNGRADABLE, RESTORE)).opened("a/1")
    given.did("a1", "drain", "upgrade", "restore").tell(Kind.VERIFIED, "a1").passed("a/1")
    rolled(given).did("a1", "undo-restore", "undo-upgrade", "undo-drain").carry_on()
    assert given.host("a1").status is Status.ROLLED_BACK
    assert "a/2" not in given.state.run.opened
    given.tell(Kind.RETRIED, "a1").carry_on()
    assert "a/2" not in given.state.run.opened


def test_a_rollback_that_a_gate_forbids_harms_no_healthy_host() -> None:
    given = Given(a_world(DOWNGRADABLE, gates=(GUESTS,), at_once=1)).opened("a/1")
    given.answered("a1", NO_GUESTS, "before upgrade").did("a1", "upgrade").carry_on()
    assert given.host("a1").status is Status.VERIFIED
    rolled(given).answered("a1", NO_GUESTS, "before undo-upgrade", Answer.FAIL, "2 guests run").carry_on()
    host = given.host("a1")
    assert (host.status, host.slot, host.harmed, host.back) == (Status.VERIFIED, False, False, None)
    assert "2 guests run" in host.because


def test_a_security_stop_is_never_tried_again_whatever_a_risk_says() -> None:
    risk = replace(LOCKED, symptom="key", then="retry", remedy=None, times=3)
    given = Given(a_world(VERIFY, risks=(risk,))).opened("a/1")
    given.failed("a1", "verify", Ending.REFUSED, because="the host key has changed")
    assert given.decides() == ["write host-held a1"]


def test_a_snapshot_that_may_be_half_dropped_is_no_way_back() -> None:
    given = (
        Given(a_world(SNAPSHOT, UPGRADE, soak=60)).opened("a/1").did("a1", "snapshot", "upgrade").carry_on()
    )
    given.failed("a1", f"{COMMIT}snapshot").carry_on()
    rolled(given)
    assert (given.host("a1").status, given.host("a1").back) == (Status.HELD, None)


def test_who_waits_for_a_slot_to_walk_back_is_looked_at_once_and_goes_first() -> None:
    given = Given(a_world(DRAIN, DOWNGRADABLE, RESTORE, at_once=1)).opened("a/1", "a/2")
    given.did("a1", "drain", "upgrade", "restore").tell(Kind.VERIFIED, "a1").began("a2", "drain")
    rolled(given)
    assert "a1" not in given.state.idle
    given.tell(Kind.DONE, "a2", "drain").did("a2", "upgrade", "restore").tell(Kind.VERIFIED, "a2")
    assert given.decides() == ["start a1 undo-restore #4 [fleet]"]


def test_an_abort_waits_for_a_path_that_is_suspected_under_half_an_upgrade() -> None:
    given = Given(a_world(DRAIN, UPGRADE, VERIFY)).opened("a/1").did("a1", "drain").began("a1", "upgrade")
    given.tell(Kind.SUSPECTED, path="p", by="path").tell(Kind.STRANDED, "a1", "upgrade", path="p", begun=True)
    given.tell(Kind.ABORTED)
    assert given.decides()[0].startswith("wait until")
    assert given.tell(Kind.RESTORED, path="p").decides() == ["start a1 upgrade #3"]
