"""Runs, and the right to write one: whatever the journal is kept in."""

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from rollout.errors import JournalError, LeaseLost, Locked
from rollout.journal import POLICY, Ended, Journal, Life, Owner
from rollout.journal.memory import MemoryJournal
from rollout.model.event import Event, Kind
from tests.journal.journal_world import (
    DEAD,
    ELSEWHERE,
    MAKERS,
    ME,
    REBOOTED,
    RUN,
    Clock,
    Controller,
    begun,
    graph,
)

DONE = Event(Kind.DONE, "the playbook finished", "h1", "stage", 1)
PAUSE = Event(Kind.PAUSED, "lunch", data={"by": "person"})


# --- runs and graphs -----------------------------------------------------------------------------------------------------


def test_a_run_is_described_as_it_was_created(opened: Journal, clock: Clock) -> None:
    opened.create(RUN, graph(), plan_file="plans/tokyo.yml", created_by="ada")
    row = opened.run()
    assert (row.id, row.plan, row.digest, row.plan_file, row.created_by) == (
        RUN,
        "tokyo",
        "digest",
        "plans/tokyo.yml",
        "ada",
    )
    assert (row.created_at, row.policy, row.seq, row.fence, row.owner, row.ended) == (
        clock.now,
        POLICY,
        0,
        0,
        None,
        None,
    )


def test_runs_are_listed_newest_first(opened: Journal) -> None:
    assert opened.runs() == []
    for name in ("b", "a", "c"):
        opened.create(name, graph(), plan_file="p", created_by="ada")
    assert [row.id for row in opened.runs()] == ["c", "a", "b"]
    assert opened.run().id == "c"
    assert opened.run("b").id == "b"


def test_the_graph_comes_back_as_it_was_given(opened: Journal) -> None:
    opened.create(RUN, graph(), plan_file="p", created_by="ada")
    assert opened.graph(RUN) == graph()


def test_a_run_is_never_overwritten(opened: Journal) -> None:
    opened.create(RUN, graph(), plan_file="p", created_by="ada")
    with pytest.raises(JournalError, match="has a run 'tokyo-1' already"):
        opened.create(RUN, graph(plan="other"), plan_file="p", created_by="bob")
    assert opened.run(RUN).plan == "tokyo"


def test_of_two_that_begin_a_plan_at_once_the_second_is_refused(opened: Journal) -> None:
    known = [row.id for row in opened.runs()]
    opened.create(RUN, graph(), plan_file="p", created_by="ada@ctl1", known=known)
    with pytest.raises(Locked, match="'tokyo-1' of this plan was begun meanwhile by ada@ctl1 at 1970-01-01"):
        opened.create("tokyo-2", graph(), plan_file="p", created_by="bob", known=known)
    opened.create("osaka-1", graph(plan="osaka"), plan_file="p", created_by="bob", known=known)
    opened.create("tokyo-3", graph(), plan_file="p", created_by="bob", known=[RUN])
    assert [row.id for row in opened.runs()] == ["tokyo-3", "osaka-1", RUN]


def test_without_any_run_it_says_so(opened: Journal) -> None:
    with pytest.raises(JournalError, match="the journal has no run yet"):
        opened.run()


def test_an_unknown_run_is_answered_with_the_nearest(opened: Journal) -> None:
    opened.create(RUN, graph(), plan_file="p", created_by="ada")
    with pytest.raises(JournalError, match="no run 'tokio-1'; did you mean 'tokyo-1'"):
        opened.run("tokio-1")
    with pytest.raises(JournalError, match="no run 'tokio-1'"):
        opened.events("tokio-1")


def test_runs_do_not_see_each_other(opened: Journal) -> None:
    first = begun(opened)
    opened.create("other", graph(), plan_file="p", created_by="ada")
    first.start("h1", [("fleet", 1)])
    other = Controller(opened, opened.claim("other", ME))
    other.start("h1", [("fleet", 1)])
    assert (
        [event.seq for event in opened.events(RUN)] == [event.seq for event in opened.events("other")] == [1]
    )


# --- the lease -------------------------------------------------------------------------------------------------------------


def test_the_fence_grows_with_each_claim(opened: Journal) -> None:
    opened.create(RUN, graph(), plan_file="p", created_by="ada")
    fences = []
    for _ in range(3):
        lease = opened.claim(RUN, ME)
        fences.append(lease.fence)
        opened.release(lease, 0, "done")
    assert fences == [1, 2, 3]


def test_a_living_owner_is_named_with_since_when(opened: Journal, clock: Clock) -> None:
    parent = replace(ME, pid=os.getppid(), start_time=_start_time(os.getppid()), user="ada", machine="ctl1")
    controller = begun(opened, owner=parent)
    clock.now += 60
    opened.renew(controller.lease)
    with pytest.raises(Locked) as refused:
        opened.claim(RUN, ME)
    assert str(refused.value) == (
        f"run 'tokyo-1' is held by ada on ctl1 (pid {os.getppid()}) since 1970-01-01 00:16:40 UTC, "
        "last sign of life 1970-01-01 00:17:40 UTC"
    )


def test_the_same_process_cannot_claim_twice(opened: Journal) -> None:
    begun(opened)
    with pytest.raises(Locked):
        opened.claim(RUN, ME)


def test_an_owner_whose_process_is_gone_is_taken_over_at_once(opened: Journal) -> None:
    child = subprocess.Popen(
        [sys.executable, "-c", "input()"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL
    )
    owner = replace(ME, pid=child.pid, start_time=_start_time(child.pid))
    frozen = begun(opened, owner=owner)
    with pytest.raises(Locked):
        opened.claim(RUN, ME)
    child.communicate(b"\n")
    assert opened.claim(RUN, ME).fence == frozen.lease.fence + 1


def test_a_zombie_is_a_dead_owner() -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
        owner = replace(ME, pid=child.pid, start_time=_start_time(child.pid))
        assert owner.life(ME) is Life.ALIVE
        child.kill()
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
        assert owner.life(ME) is Life.DEAD


def test_a_pid_that_was_used_again_is_another_process(opened: Journal) -> None:
    begun(opened, owner=DEAD)
    assert opened.claim(RUN, ME).fence == 2


@pytest.mark.parametrize("kept_in", ["memory", "sqlite"])
def test_an_owner_of_an_earlier_boot_is_dead(kept_in: str, tmp_path: Path, clock: Clock) -> None:
    with MAKERS[kept_in](tmp_path, clock) as opened:
        begun(opened, owner=REBOOTED)
        assert opened.claim(RUN, ME).fence == 2


@pytest.mark.parametrize(
    "far",
    [replace(REBOOTED, machine="elsewhere"), replace(ME, pid_namespace="pid:[1]", pid=2**22)],
    ids=["another machine", "another container"],
)
def test_an_owner_that_cannot_be_seen_is_not_taken_for_dead(opened: Journal, far: Owner) -> None:
    begun(opened, owner=far)
    with pytest.raises(Locked, match="cannot be seen from here"):
        opened.claim(RUN, ME)
    assert opened.claim(RUN, ME, force=True).fence == 2


@pytest.fixture(params=["memory", "postgresql"])
def leased(request: pytest.FixtureRequest, clock: Clock, tmp_path: Path) -> Iterator[Journal]:
    """Journals that controllers of several machines share."""
    if request.param == "memory":
        yield MemoryJournal(clock, 60.0)
        return
    with MAKERS["postgresql"](tmp_path, clock) as made:
        yield made


@pytest.mark.parametrize("sign", ["claim", "renewal", "event"])
def test_a_lease_lapses_after_its_time_and_not_before(leased: Journal, clock: Clock, sign: str) -> None:
    far = begun(leased, owner=ELSEWHERE)
    clock.now += 50 if sign != "claim" else 0
    if sign == "renewal":
        leased.renew(far.lease)
    elif sign == "event":
        far.write(DONE)
    clock.now += 60
    with pytest.raises(Locked, match=r"once it has been silent for 60 s \(now 60 s\)"):
        leased.claim(RUN, ME)
    assert leased.run().life(ME) is Life.UNKNOWN
    clock.now += 0.5
    assert leased.run().life(ME) is Life.LAPSED
    assert leased.claim(RUN, ME).fence == 2
    with pytest.raises(LeaseLost):
        far.write(DONE)


def test_a_lapsed_lease_that_nobody_took_is_still_its_holders(leased: Journal, clock: Clock) -> None:
    far = begun(leased, owner=ELSEWHERE)
    clock.now += 1_000
    assert far.write(DONE).seq == 1
    with pytest.raises(Locked):
        leased.claim(RUN, ME)


def test_a_holder_that_is_seen_to_live_keeps_its_lease_however_silent(leased: Journal, clock: Clock) -> None:
    begun(leased)
    clock.now += 1_000
    with pytest.raises(Locked):
        leased.claim(RUN, ME, force=True)


def test_a_name_proves_nothing_where_machines_meet(leased: Journal) -> None:
    begun(leased, owner=REBOOTED)
    with pytest.raises(Locked, match="cannot be seen from here"):
        leased.claim(RUN, ME)


def test_a_holder_who_was_taken_over_can_write_nothing(opened: Journal) -> None:
    frozen = begun(opened, owner=DEAD)
    frozen.write(DONE)
    opened.claim(RUN, ME)
    for late in (
        lambda: frozen.write(DONE),
        lambda: opened.renew(frozen.lease),
        lambda: opened.release(frozen.lease, 0, "done"),
    ):
        with pytest.raises(LeaseLost, match=f"taken over by .* \\(pid {ME.pid}\\)"):
            late()
    row = opened.run()
    assert (row.seq, row.owner, row.ended) == (1, ME, None)


def test_after_letting_go_nothing_is_written(opened: Journal, clock: Clock) -> None:
    controller = begun(opened)
    opened.release(controller.lease, 3, "a breaker tripped")
    row = opened.run()
    assert (row.owner, row.ended) == (None, Ended(3, "a breaker tripped", clock.now))
    with pytest.raises(LeaseLost, match="released"):
        controller.write(DONE)
    opened.claim(RUN, ME)
    assert opened.run().ended is None


def test_another_policy_is_not_mixed_in(opened: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    opened.create(RUN, graph(), plan_file="p", created_by="ada")
    monkeypatch.setattr("rollout.journal.refusals.POLICY", POLICY + 1)
    with pytest.raises(JournalError, match=f"under policy {POLICY}; this rollout has policy {POLICY + 1}"):
        opened.claim(RUN, ME)


def _start_time(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[19])
