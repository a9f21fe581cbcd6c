"""A drain looks once, before it acts, and what it saw is kept, also when that was nothing: a later look sees our own doing."""

import queue
from collections.abc import Mapping
from typing import Any, ClassVar, Literal

import pytest

from rollout.engine.inbox import Found, Inbox, Message
from rollout.engine.steps import Steps
from rollout.executors.rehearsal import World
from rollout.journal.memory import MemoryJournal
from rollout.model.chain import Step
from rollout.model.event import Event, Kind
from rollout.model.graph import Graph
from rollout.model.seams import Drain, Ending, Order, Outcome, Post, RunPlaybook, Subject
from rollout.model.state import Status
from rollout.ssh.testing import FakeConnection
from tests.engine.dying import Died, DyingJournal
from tests.fleet import a_combo, a_graph, a_plan, an_engine
from tests.scheduler.given import Given

DRAIN = Step("drain", drain="cordon", timeout=60, retries=1, backoff=0.1)
UPGRADE = Step("upgrade", playbook="upgrade.yml", once=True, timeout=100)
REOPEN = Step("reopen", reopen="cordon", timeout=60)
GRAPH = a_graph({"a": 1}, a_plan(a_combo("a", steps=(DRAIN, UPGRADE, REOPEN))))


class Obeying:
    """An executor whose steps all end the same way at once; `takes` notes which were taken up."""

    kind: ClassVar[Literal["ansible", "rehearsal"]] = "ansible"

    def __init__(self, ending: Ending = Ending.DONE) -> None:
        self.ending = ending
        self.takes: list[tuple[str, bool]] = []

    def run(self, order: Order, post: Post) -> None:
        self.takes.append((order.step.name, order.taken_up))
        post(Outcome(order.host, order.step.name, order.attempt, self.ending))

    def close(self) -> None: ...


class Cordon:
    """Closes hosts by an API, and opens again what others had not closed; the API fails a few times after it has closed."""

    needs_playbook: ClassVar[bool] = False

    def __init__(self, failures: int = 0) -> None:
        self.closed: set[str] = set()
        self.failures = failures

    def look(self, subject: Subject) -> Mapping[str, Any]:
        return {"was_closed": True} if subject.host in self.closed else {}

    def close(self, subject: Subject, run_playbook: RunPlaybook) -> Outcome | None:
        del run_playbook
        self.closed.add(subject.host)
        return None

    def empty(self, subject: Subject, run_playbook: RunPlaybook) -> Outcome | None:
        del subject, run_playbook
        self.failures -= 1
        if self.failures >= 0:
            message = "503"
            raise RuntimeError(message)
        return None

    def reopen(self, subject: Subject, run_playbook: RunPlaybook) -> Outcome | None:
        del run_playbook
        if not subject.found.get("was_closed"):
            self.closed.discard(subject.host)
        return None


class CordonThenPlaybook(Cordon):
    """Empties by the playbook."""

    def empty(self, subject: Subject, run_playbook: RunPlaybook) -> Outcome | None:
        del subject
        return run_playbook()


def a_run() -> MemoryJournal:
    journal = MemoryJournal()
    journal.create("run", GRAPH, plan_file="", created_by="")
    return journal


def an_engine_with(drain: Drain, journal: Any, executor: Obeying | None = None, graph: Graph = GRAPH) -> Any:
    inbox: Any = Inbox()
    steps = Steps(executor or Obeying(), {"cordon": drain})
    return an_engine(graph, journal, World(inbox.now), inbox, steps=steps)


@pytest.mark.parametrize("closed_before", [False, True])
def test_a_retry_does_not_take_our_own_closing_for_how_the_host_was(closed_before: bool) -> None:
    drain, journal = Cordon(failures=1), a_run()
    if closed_before:
        drain.closed.add("a1")
    engine = an_engine_with(drain, journal)
    engine.run()
    assert engine.state.hosts["a1"].status is Status.VERIFIED
    assert ("a1" in drain.closed) is closed_before
    found = [event.data["found"] for event in journal.events("run") if event.kind is Kind.FOUND]
    assert found == [{"was_closed": True} if closed_before else {}]


@pytest.mark.parametrize("write", range(2, 9))
@pytest.mark.parametrize("committed", [False, True])
def test_a_controller_that_dies_anywhere_near_a_look_leaves_the_host_open(
    write: int, committed: bool
) -> None:
    drain, journal, executor = Cordon(), a_run(), Obeying()
    with pytest.raises(Died):
        an_engine_with(drain, DyingJournal(journal, write, committed=committed), executor).run()
    assert an_engine_with(drain, journal, executor).run().exit_code == 0
    assert drain.closed == set()


def test_what_is_taken_up_is_still_taken_up_after_the_look() -> None:
    """Its journal may be older than looks that find nothing: its playbook may have begun."""
    journal, executor = a_run(), Obeying()
    dying = an_engine_with(CordonThenPlaybook(), journal, executor)
    dying._must_record(Event(Kind.INTENDED, "", "a1", "drain", 1, {"slots": []}))
    journal.release(dying._lease, 0, "dies")
    assert an_engine_with(CordonThenPlaybook(), journal, executor).run().exit_code == 0
    assert executor.takes == [("drain", True), ("upgrade", False)]


def message_of(drain: Drain, executor: Obeying, *, looked: bool) -> Message:
    posted: queue.SimpleQueue[Message] = queue.SimpleQueue()

    def keep(message: Message, after: float) -> None:
        if not after:
            posted.put(message)

    subject = Subject("a1", "a", {}, {}, connect=lambda: FakeConnection({}))
    Steps(executor, {"cordon": drain}).run(
        Order("run", "a1", DRAIN, 1, 1), lambda: subject, keep, looked=looked
    )
    return posted.get(timeout=60)


def test_a_look_that_finds_nothing_is_told_and_nothing_is_done_yet() -> None:
    drain = Cordon()
    assert message_of(drain, Obeying(), looked=False) == Found("a1", "drain", 1, {})
    assert drain.closed == set()


def test_a_drain_that_never_looks_costs_no_event() -> None:
    class Blind(Cordon):
        looks: ClassVar[bool] = False

    message = message_of(Blind(), Obeying(), looked=False)
    assert isinstance(message, Outcome)
    assert message.ending is Ending.DONE


def test_a_host_that_was_closed_is_not_untouched_when_its_playbook_never_began() -> None:
    message = message_of(CordonThenPlaybook(), Obeying(Ending.NEVER_BEGAN), looked=True)
    assert isinstance(message, Outcome)
    assert (message.ending, message.begun) == (Ending.INTERRUPTED, True)


def test_what_the_playbook_of_a_drain_hands_on_does_not_wipe_what_was_seen_before() -> None:
    given = Given(GRAPH).opened("a/1").began("a1", "drain")
    given.tell(Kind.FOUND, "a1", "drain", found={"was_closed": False})
    given.tell(Kind.DONE, "a1", "drain", found={"was_closed": True, "guests": 2}, ending="done")
    assert given.host("a1").all_found == {"was_closed": False, "guests": 2}
