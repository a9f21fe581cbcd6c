"""A step of which nothing is heard any more: it is late, its host is a failure and keeps its slot, and nothing waits for ever."""

import threading
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar, Literal

import pytest

from rollout.engine import steps as engine_steps
from rollout.engine.inbox import Message, VirtualInbox
from rollout.engine.steps import Steps
from rollout.errors import HALTED
from rollout.executors.rehearsal import World
from rollout.journal.memory import MemoryJournal
from rollout.model.chain import Step
from rollout.model.event import Event, Kind
from rollout.model.seams import Connection, Ending, Order, Outcome, Post, RunPlaybook, Subject
from rollout.model.state import Status
from tests.fleet import a_combo, a_graph, a_plan, an_engine

DRAIN = Step("drain", drain="hangs", timeout=600, retries=1, backoff=5)
UPGRADE = Step("upgrade", playbook="upgrade.yml", once=True, timeout=1000)


class Silent:
    """An executor that reports nothing about `lost` steps, and success about the others."""

    kind: ClassVar[Literal["ansible", "rehearsal"]] = "ansible"

    def __init__(self, lost: str = "") -> None:
        self.lost = lost
        self.ordered: list[tuple[str, str]] = []

    def run(self, order: Order, post: Post) -> None:
        self.ordered.append((order.host, order.step.name))
        if order.step.name != self.lost:
            post(Outcome(order.host, order.step.name, order.attempt, Ending.DONE))

    def close(self) -> None: ...


class Hanging:
    """A drain by an API that does not answer until it is freed; it wants a playbook then."""

    needs_playbook: ClassVar[bool] = False
    looks: ClassVar[bool] = False

    def __init__(self) -> None:
        self.freed = threading.Event()
        self.playbooks: list[Outcome] = []

    def look(self, subject: Subject) -> Mapping[str, Any]:
        assert subject.host
        return {}

    def close(self, subject: Subject, run_playbook: RunPlaybook) -> Outcome | None:
        assert subject.timeout == DRAIN.timeout
        self.freed.wait()
        self.playbooks.append(run_playbook())
        return None

    def empty(self, subject: Subject, run_playbook: RunPlaybook) -> Outcome | None: ...
    def reopen(self, subject: Subject, run_playbook: RunPlaybook) -> Outcome | None: ...


@pytest.fixture
def drain() -> Iterator[Hanging]:
    found = Hanging()
    yield found
    found.freed.set()


def drained(drain: Hanging, inbox: VirtualInbox, journal: MemoryJournal) -> Any:
    """Two hosts behind a canary, all with that drain; a controller of the run."""
    graph = a_graph({"a": 3}, a_plan(a_combo("a", steps=(DRAIN, UPGRADE))))
    if not journal.runs():
        journal.create("run", graph, plan_file="", created_by="")
    return an_engine(graph, journal, World(inbox.now), inbox, steps=Steps(Silent(), {"hangs": drain}))


def test_a_drain_that_hangs_costs_its_own_host_alone(drain: Hanging) -> None:
    inbox, journal = VirtualInbox(1000.0), MemoryJournal()
    engine = drained(drain, inbox, journal)
    assert engine.run().exit_code == HALTED
    host = engine.state.hosts["a1"]
    assert (host.status, host.slot, host.harmed) == (Status.HELD, True, True)
    failures = [event for event in journal.events("run") if event.kind is Kind.FAILED]
    assert [event.data["ending"] for event in failures] == [Ending.LATE, Ending.FAILED]
    assert failures[0].because == "nothing was heard of it for 630 s"
    assert "the drain of an earlier try hangs, and may still act on a1" in failures[1].because
    assert inbox.now() == 1000 + 630 + 5
    assert journal.slots("run")["fleet"] == ["a1"]


def test_what_a_late_drain_says_in_the_end_is_not_the_answer_of_a_later_try(drain: Hanging) -> None:
    inbox, journal = VirtualInbox(1000.0), MemoryJournal()
    drained(drain, inbox, journal).run()
    drain.freed.set()
    for thread in threading.enumerate():
        if thread.name == "drain-a1":
            thread.join(60)
    again = Hanging()
    journal.request("run", Event(Kind.RETRIED, "the API is back", "a1"))
    assert drained(again, inbox, journal).run().exit_code == HALTED
    again.freed.set()
    tried = [event for event in journal.events("run", host="a1") if event.step == "drain"]
    assert {event.kind for event in tried} == {Kind.INTENDED, Kind.FAILED, Kind.RETRYING, Kind.HELD}


def test_an_executor_that_has_lost_an_order_is_not_waited_for_for_ever() -> None:
    graph = a_graph({"a": 2}, a_plan(a_combo("a", steps=(UPGRADE,))))
    inbox, journal, executor = VirtualInbox(0.0), MemoryJournal(), Silent(lost="upgrade")
    journal.create("run", graph, plan_file="", created_by="")
    engine = an_engine(graph, journal, World(inbox.now), inbox, steps=Steps(executor, {}))
    assert engine.run().exit_code == HALTED
    host = engine.state.hosts["a1"]
    assert (host.status, host.uncertain, host.slot) == (Status.HELD, True, True)
    assert host.because.endswith("nothing was heard of it for 11600 s")
    assert executor.ordered == [("a1", "upgrade")]


def test_a_drain_that_was_given_up_begins_no_playbook_any_more(
    drain: Hanging, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine_steps, "SPARE", -DRAIN.timeout)
    executor, said = Silent(), threading.Semaphore(0)
    posted: list[Message] = []

    def post(message: Message, after: float = 0.0) -> None:
        del after
        posted.append(message)
        said.release()

    steps = Steps(executor, {"hangs": drain})
    steps.run(Order("run", "a1", DRAIN, 1, 1), lambda: a_subject("a1"), post)
    drain.freed.set()
    for _ in range(2):
        assert said.acquire(timeout=60)
    assert [outcome.ending for outcome in drain.playbooks] == [Ending.LATE]
    assert executor.ordered == []
    assert len(posted) == 2


def a_subject(name: str) -> Subject:
    def connect() -> Connection:
        raise AssertionError

    return Subject(name, "a", {}, {}, connect, timeout=DRAIN.timeout)


def test_a_rehearsal_leaves_nothing_behind_for_steps_that_ended() -> None:
    graph = a_graph({"a": 3})
    inbox, journal = VirtualInbox(0.0), MemoryJournal()
    journal.create("run", graph, plan_file="", created_by="")
    assert an_engine(graph, journal, World(inbox.now), inbox).run().exit_code == 0
    assert inbox._heap == []
