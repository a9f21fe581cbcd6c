"""What every journal promises, whatever it is kept in."""

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from journal_world import MAKERS, ME, REBOOTED, RUN, Clock, Controller, begun, graph

from rollout.errors import Behind, JournalError, LeaseLost, LimitReached, Locked
from rollout.journal import POLICY, Ended, HostRow, Journal, Life, Owner
from rollout.model.event import REQUESTS, Event, Kind
from rollout.model.state import HostState, Status

DONE = Event(Kind.DONE, "the playbook finished", "h1", "stage", 1)
PAUSE = Event(Kind.PAUSED, "lunch", data={"by": "person"})


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(params=sorted(MAKERS))
def opened(request: pytest.FixtureRequest, tmp_path: Path, clock: Clock) -> Iterator[Journal]:
    with MAKERS[request.param](tmp_path, clock) as made:
        yield made


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
    begun(opened, owner=replace(ME, start_time=ME.start_time + 1))
    assert opened.claim(RUN, ME).fence == 2


def test_an_owner_of_an_earlier_boot_is_dead(opened: Journal) -> None:
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


def test_a_holder_who_was_taken_over_can_write_nothing(opened: Journal) -> None:
    frozen = begun(opened, owner=REBOOTED)
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


# --- events ----------------------------------------------------------------------------------------------------------------


def test_events_are_numbered_from_one_and_timed_by_the_journal(opened: Journal, clock: Clock) -> None:
    controller = begun(opened)
    first = controller.write(DONE)
    clock.now += 5
    second = controller.write(replace(DONE, step="upgrade"))
    assert (first.seq, first.at, second.seq, second.at) == (1, 1_000.0, 2, 1_005.0)
    assert list(opened.events(RUN)) == [first, second]
    assert list(opened.events(RUN, after=1)) == [second]
    assert opened.run().seq == 2


def test_several_events_of_one_transaction_are_in_order(opened: Journal) -> None:
    controller = begun(opened)
    with opened.writing(controller.lease, 0) as writing:
        seqs = [writing.append(DONE).seq for _ in range(3)]
    assert seqs == [1, 2, 3]
    assert [event.seq for event in opened.events(RUN)] == seqs


def test_events_of_one_host(opened: Journal) -> None:
    controller = begun(opened)
    for name in ("h1", "h2", None, "h1"):
        controller.write(replace(DONE, host=name))
    assert [event.seq for event in opened.events(RUN, host="h1")] == [1, 4]
    assert [event.seq for event in opened.events(RUN, after=1, host="h1")] == [4]


def test_more_events_than_one_page(opened: Journal) -> None:
    controller = begun(opened)
    with opened.writing(controller.lease, 0) as writing:
        for _ in range(2_500):
            writing.append(DONE)
    assert [event.seq for event in opened.events(RUN)] == list(range(1, 2_501))


def test_who_has_not_read_everything_is_behind(opened: Journal) -> None:
    controller = begun(opened)
    opened.request(RUN, PAUSE)
    with pytest.raises(Behind, match="has events up to 1, and this controller has read 0"):
        controller.write(DONE)
    controller.run.seq = 1
    assert controller.write(DONE).seq == 2


def test_nothing_stays_of_a_transaction_that_raises(opened: Journal) -> None:
    controller = begun(opened)
    controller.start("h1", [("fleet", 2)])
    before = _everything(opened)
    with pytest.raises(ZeroDivisionError):
        _break_off(opened, controller)
    assert _everything(opened) == before
    assert controller.write(DONE, HostState("h1")).seq == 2
    assert opened.slots(RUN) == {}


def test_requests_need_no_lease(opened: Journal) -> None:
    begun(opened)
    written = [
        opened.request(RUN, Event(kind, "because", "h1" if kind.startswith("host") else None))
        for kind in sorted(REQUESTS)
    ]
    assert list(opened.events(RUN)) == written
    assert [event.seq for event in written] == list(range(1, len(REQUESTS) + 1))


def test_only_requests_may_be_requested(opened: Journal) -> None:
    begun(opened)
    with pytest.raises(JournalError, match="step-done is not a request"):
        opened.request(RUN, DONE)
    assert opened.run().seq == 0


def test_a_request_about_an_unknown_host_is_refused(opened: Journal) -> None:
    opened.create(RUN, graph(["compute-1", "compute-2"]), plan_file="p", created_by="ada")
    with pytest.raises(JournalError, match="no host 'compute1'; did you mean 'compute-1'"):
        opened.request(RUN, Event(Kind.RETRIED, "fixed", "compute1"))


def test_answers_of_gates_are_listed_with_their_samples(opened: Journal, clock: Clock) -> None:
    controller = begun(opened)
    controller.write(DONE)
    data = {"gate": "errors", "moment": "after wave", "value": "fail", "samples": {"rate": [0.02, None]}}
    controller.write(Event(Kind.ANSWERED, "0.02 is over 0.01", "h2", data=data))
    (row,) = opened.answers(RUN)
    assert row == (
        2,
        clock.now,
        "h2",
        "errors",
        "after wave",
        "fail",
        "0.02 is over 0.01",
        {"rate": [0.02, None]},
    )
    assert opened.answers(RUN, "h2") == [row]
    assert opened.answers(RUN, "h1") == []


# --- slots -----------------------------------------------------------------------------------------------------------------


def test_a_full_slot_refuses_and_says_who_is_in_the_way(opened: Journal) -> None:
    controller = begun(opened)
    controller.start("h1", [("fleet", 1)])
    with pytest.raises(LimitReached, match="host 'h3' cannot take slot 'fleet': 1 of 1 taken, by 'h1'"):
        controller.start("h3", [("fleet", 1)])
    assert opened.run().seq == 1
    assert opened.slots(RUN)["fleet"] == ["h1"]


def test_either_all_slots_or_none(opened: Journal) -> None:
    controller = begun(opened)
    controller.start("h1", [("fleet", 2), ("rack=r0", 1)])
    with pytest.raises(LimitReached, match="rack=r0"):
        controller.start("h2", [("fleet", 2), ("rack=r0", 1)])
    assert opened.slots(RUN) == {"fleet": ["h1"], "rack=r0": ["h1"]}


def test_a_host_that_holds_a_slot_may_take_it_again(opened: Journal) -> None:
    controller = begun(opened)
    controller.start("h1", [("fleet", 1)])
    controller.start("h1", [("fleet", 1)])
    assert opened.slots(RUN)["fleet"] == ["h1"]


def test_a_held_host_keeps_its_slot_and_a_verified_one_gives_it_back(opened: Journal) -> None:
    controller = begun(opened)
    controller.start("h1", [("fleet", 1)])
    controller.write(Event(Kind.HELD, "lost", "h1"), HostState("h1", Status.HELD, slot=True))
    with pytest.raises(LimitReached):
        controller.start("h3", [("fleet", 1)])
    controller.write(Event(Kind.VERIFIED, "well", "h1"), HostState("h1", Status.VERIFIED))
    assert controller.start("h3", [("fleet", 1)]).seq == 4
    assert opened.slots(RUN) == {"fleet": ["h3"], "rack=r1": ["h3"]}


def test_a_host_that_regresses_takes_its_slots_back_over_the_limit(opened: Journal) -> None:
    controller = begun(opened)
    controller.start("h1", [("fleet", 1), ("rack=r0", 1)])
    controller.write(Event(Kind.HELD, "its soak failed", "h2"), HostState("h2", Status.HELD, slot=True))
    assert opened.slots(RUN) == {"fleet": ["h1", "h2"], "rack=r0": ["h1", "h2"]}
    with pytest.raises(LimitReached, match="2 of 2 taken"):
        controller.start("h3", [("fleet", 2)])


def test_slots_are_for_hosts_of_the_run(opened: Journal) -> None:
    controller = begun(opened)
    with pytest.raises(JournalError, match="no host 'h9'"):
        controller.start("h9", [("fleet", 1)])
    with pytest.raises(JournalError, match="no host 'h9'"):
        controller.write(DONE, HostState("h9"))
    with pytest.raises(JournalError, match="names no host"):
        controller.write(replace(DONE, host=None), take=[("fleet", 1)])
    assert opened.run().seq == 0


# --- where the run stands ----------------------------------------------------------------------------------------------------


def test_a_fresh_run_loads_empty(opened: Journal) -> None:
    opened.create(RUN, graph(), plan_file="p", created_by="ada")
    state, hosts, events = opened.load(RUN, graph())
    assert (state.seq, state.at, hosts, events) == (0, 0.0, {}, [])


def test_what_is_kept_is_loaded_with_the_events_since(opened: Journal) -> None:
    controller = begun(opened)
    host = HostState("h1", Status.RUNNING, "stage", "upgrade", 2, 1, ending="late", because="slow")
    host.answered, host.gate_tries, host.remembered = {"a/b": 1.5}, {"a/c": 2}, {"net": {"routes": ["x"]}}
    controller.run.opened, controller.run.rounds, controller.run.paused = (
        {"kvm/1": 9.0},
        ["before run"],
        "lunch",
    )
    controller.write(DONE, host)
    asked = opened.request(RUN, PAUSE)
    state, hosts, events = opened.load(RUN, graph())
    assert state == controller.run
    assert hosts == {"h1": host}
    assert events == [asked]


def test_what_is_loaded_is_no_part_of_the_journal(opened: Journal) -> None:
    controller = begun(opened)
    controller.run.opened = {"kvm/1": 9.0}
    controller.write(DONE, HostState("h1", answered={"a/b": 1.5}))
    before = _everything(opened)
    state, hosts, events = opened.load(RUN, graph())
    state.opened.clear()
    hosts["h1"].answered.clear()
    hosts["h1"].status = Status.HELD
    events.clear()
    controller.run.opened["kvm/2"] = 1.0
    assert _everything(opened) == before


def test_questions_in_flight_are_not_kept(opened: Journal) -> None:
    controller = begun(opened)
    controller.write(DONE, HostState("h1", asking=True, reserved=True))
    assert opened.load(RUN, graph())[1]["h1"] == HostState("h1")


def test_a_change_of_the_run_alone_is_kept(opened: Journal) -> None:
    controller = begun(opened)
    controller.write(DONE)
    controller.run.tripped["kvm"] = "two hosts lost"
    controller.write(Event(Kind.TRIPPED, "two hosts lost", data={"combo": "kvm"}))
    assert opened.load(RUN, graph())[0] == controller.run


def test_hosts_and_summary_tell_of_every_host(opened: Journal) -> None:
    controller = begun(opened)
    controller.write(
        DONE,
        HostState("h1", Status.HELD, step="upgrade", attempt=2, since=7.0, because="lost"),
        HostState("h2", Status.RUNNING),
    )
    assert opened.hosts(RUN, Status.HELD) == [
        HostRow("h1", "kvm", "kvm/1", Status.HELD, "upgrade", 2, 7.0, "lost")
    ]
    assert [(row.name, row.status) for row in opened.hosts(RUN)] == [
        ("h1", Status.HELD),
        ("h2", Status.RUNNING),
        ("h3", Status.WAITING),
        ("h4", Status.WAITING),
    ]
    assert opened.summary(RUN) == {
        ("kvm", "kvm/1", Status.HELD): 1,
        ("kvm", "kvm/2", Status.RUNNING): 1,
        ("kvm", "kvm/2", Status.WAITING): 2,
    }


NASTY = (
    "h 1",
    'it\'s "h"',
    "a\nb\r\n",
    "\x1b[2J\x07",
    "'; DROP TABLE host; --",
    "ホスト",
    "nul\x00nul",
    "%s ? {x}",
)


def test_names_of_any_kind_come_back_as_they_are(opened: Journal) -> None:
    world = graph(NASTY)
    controller = begun(opened, world)
    for i, name in enumerate(NASTY):
        controller.write(
            Event(Kind.DONE, f"because {name}", name, name, 1, {name: [name]}),
            HostState(name, Status.RUNNING, step=name, because=name, slot=True, remembered={name: name}),
        )
        event = list(opened.events(RUN, host=name))[-1]
        assert (event.seq, event.because, event.step, event.data) == (
            i + 1,
            f"because {name}",
            name,
            {name: [name]},
        )
    assert {row.name for row in opened.hosts(RUN)} == set(NASTY)
    assert opened.slots(RUN)["fleet"] == sorted(NASTY)
    assert opened.load(RUN, world)[1].keys() == set(NASTY)


def test_output_that_is_no_valid_text_does_no_harm(opened: Journal) -> None:
    raw = b"caf\xe9".decode(errors="surrogateescape")
    controller = begun(opened)
    written = controller.write(
        Event(Kind.FAILED, raw, "h1", data={"task": raw}), HostState("h1", because=raw)
    )
    assert list(opened.events(RUN)) == [written]
    assert written.data["task"] == raw
    opened.release(controller.lease, 1, raw)
    assert opened.run().ended is not None


def _break_off(opened: Journal, controller: Controller) -> None:
    """Everything that a transaction can do, and then an exception."""
    answer = {"gate": "ssh", "moment": "after verify", "value": "pass"}
    with opened.writing(controller.lease, controller.run.seq) as writing:
        writing.append(Event(Kind.INTENDED, "", "h3", "upgrade", 1), [("fleet", 2)])
        writing.append(Event(Kind.ANSWERED, "", "h1", data=answer))
        writing.keep(replace(controller.run, paused="never"), [HostState("h1"), HostState("h3", slot=True)])
        _ = 1 / 0


def _everything(opened: Journal) -> tuple[object, ...]:
    world = graph()
    return (
        opened.load(RUN, world),
        list(opened.events(RUN)),
        opened.answers(RUN),
        opened.hosts(RUN),
        opened.slots(RUN),
        opened.run(),
    )


def _start_time(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[19])
