"""What every journal promises of events, slots and where a run stands, whatever it is kept in."""

from dataclasses import replace

import pytest

from rollout.errors import Behind, JournalError, LimitReached
from rollout.journal import ApprovalRow, HostRow, Journal
from rollout.model.event import REQUESTS, Event, Kind
from rollout.model.state import HostState, Status
from tests.journal.journal_world import RUN, Clock, Controller, begun, graph

DONE = Event(Kind.DONE, "the playbook finished", "h1", "stage", 1)
PAUSE = Event(Kind.PAUSED, "lunch", data={"by": "person"})


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
    assert opened.samples(RUN, 2) == {"rate": [0.02, None]}
    assert [opened.samples(RUN, seq) for seq in (-1, 0, 1, 3)] == [{}, {}, {}, {}]


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
    host.answered, host.gate_tries, host.remembered = {"a/b": 1.5}, {"a/c": 2}, {"net": 7}
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
            HostState(name, Status.RUNNING, step=name, because=name, slot=True, remembered={name: i}),
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


# --- approvals -------------------------------------------------------------------------------------------------------------


def test_approvals_of_a_plan_are_kept_newest_first(opened: Journal, clock: Clock) -> None:
    assert opened.approvals("tokyo") == []
    first = opened.approve(ApprovalRow("tokyo", "d1", None, "ana", "change \udce9 4711", {"jti": "a"}))
    clock.now += 5
    second = opened.approve(ApprovalRow("tokyo", "d2", "run-1", "ben", "amended"))
    opened.approve(ApprovalRow("osaka", "d1", None, "ana", "another plan"))
    assert (first.at, second.at) == (1_000.0, 1_005.0)
    assert opened.approvals("tokyo") == [second, first]
    assert first.claims == {"jti": "a"}
    assert opened.runs() == []


def test_an_approval_knows_the_newest_run_of_the_journal(opened: Journal, clock: Clock) -> None:
    before = opened.approve(ApprovalRow("tokyo", "d1", None, "ana\udce9", "begin"))
    opened.create("one", graph(), plan_file="p", created_by="me")
    opened.create("two", graph(), plan_file="p", created_by="me")
    clock.now -= 3600
    after = opened.approve(ApprovalRow("tokyo", "d1", None, "ana", "begin"))
    assert (before.newest, after.newest) == (None, "two")
    assert opened.approvals("tokyo") == [after, before]


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
