"""The controller's own machine is out of threads: everything that needs one says so, and nobody else is blamed."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any, ClassVar

import pytest

from rollout.engine.asking import ThreadedAsker
from rollout.engine.findings import Finding, Questioned
from rollout.engine.inbox import Answered, Message
from rollout.engine.paths import Examiner, ThreadedPaths
from rollout.engine.steps import Steps
from rollout.errors import HostUnreachable
from rollout.model.chain import Step
from rollout.model.decision import Ask
from rollout.model.plan import GateRule, Moment
from rollout.model.seams import Answer, Ending, Order, Outcome, RunPlaybook, Subject
from rollout.ssh.testing import FakeConnection
from tests.engine.outages import BrokenWorld, FreshGate, ImaginedWays
from tests.executors.ansible_bench import Bench

SUBJECT = Subject("h1", "a", {}, {}, connect=lambda: FakeConnection({}))
DRAIN = Order("run-1", "h1", Step("drain", drain="trouble"), 1, 1)


@contextmanager
def no_threads() -> Iterator[None]:
    """No memory is there for the stack of a new thread."""
    usual = threading.stack_size(1 << 46)
    try:
        yield
    finally:
        threading.stack_size(usual)


class Trouble:
    """A drain whose first act is done and whose second raises, or says, what it is given."""

    needs_playbook: ClassVar[bool] = False
    looks: ClassVar[bool] = False

    def __init__(self, news: Exception | Outcome) -> None:
        self._news = news

    def look(self, subject: Subject) -> dict[str, Any]:
        del subject
        return {}

    def close(self, subject: Subject, run_playbook: RunPlaybook) -> Outcome | None:
        del subject, run_playbook
        return None

    def empty(self, subject: Subject, run_playbook: RunPlaybook) -> Outcome | None:
        del subject, run_playbook
        if isinstance(self._news, Exception):
            raise self._news
        return self._news

    reopen = empty


def drained(bench: Bench, news: Exception | Outcome, *, threads: bool = True) -> Outcome:
    """How a drain comes out; the fallback for one that is never heard of is left aside."""
    executor = bench.executor()
    steps = Steps(executor, {"trouble": Trouble(news)})

    def keep(message: Message, after: float) -> None:
        if isinstance(message, Outcome) and not after:
            bench.inbox.put(message)

    with nullcontext() if threads else no_threads():
        steps.run(DRAIN, lambda: SUBJECT, keep)
    outcome = bench.answer()
    executor.close()
    return outcome


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def test_a_step_that_finds_no_thread_blames_this_machine(bench: Bench) -> None:
    executor = bench.executor()
    order = bench.order("h1", "\n    - ansible.builtin.ping: {}\n", once=True)
    with no_threads():
        executor.run(order, bench.post)
    executor.close()
    outcome = bench.answer()
    assert (outcome.ending, outcome.begun) == (Ending.CONTROLLER, False)
    assert outcome.because == "no more threads can be started"


def test_a_drain_that_finds_no_thread_blames_this_machine_and_may_be_begun_later(bench: Bench) -> None:
    outcome = drained(bench, HostUnreachable("h1: no route"), threads=False)
    assert (outcome.ending, outcome.begun) == (Ending.CONTROLLER, False)
    assert drained(bench, HostUnreachable("h1: no route")).ending is Ending.UNREACHABLE


@pytest.mark.parametrize(
    ("news", "ending", "because"),
    [
        (HostUnreachable("h1: no route"), Ending.UNREACHABLE, "HostUnreachable: h1: no route"),
        (OSError(28, "No space left on device"), Ending.CONTROLLER, "No space left on device"),
        (ConnectionResetError(104, "reset"), Ending.FAILED, "ConnectionResetError: [Errno 104] reset"),
    ],
)
def test_what_a_drain_raises_is_told_apart(
    bench: Bench, news: Exception, ending: Ending, because: str
) -> None:
    outcome = drained(bench, news)
    assert (outcome.ending, outcome.because, outcome.begun) == (ending, because, True)


def test_a_second_act_that_never_began_does_not_undo_the_first(bench: Bench) -> None:
    lost = Outcome("h1", "drain", 1, Ending.UNREACHABLE, "no route", begun=False)
    assert drained(bench, lost).begun


def test_a_gate_that_finds_no_thread_could_not_find_out() -> None:
    rule = GateRule("fresh", "ssh", Moment("after", "verify"))
    asker = ThreadedAsker({"fresh": FreshGate(BrokenWorld(lambda: 0.0))})
    answers: list[tuple[Any, float]] = []
    with no_threads():
        asker.ask(Ask("h1", rule, "after verify", False, ""), SUBJECT, 1, lambda *said: answers.append(said))
    ((answered, after),) = answers
    assert isinstance(answered, Answered)
    assert (answered.verdict.value, after) == (Answer.ERROR, 0.0)
    assert answered.verdict.because == "this machine: no more threads can be started"

    heard = threading.Event()
    asker.ask(
        Ask("h1", rule, "after verify", False, ""),
        SUBJECT,
        2,
        lambda _message, after: None if after else heard.set(),
    )
    assert heard.wait(30), "with a thread it asks again"


def test_a_path_that_nobody_can_ask_for_want_of_threads_is_no_ones_fault() -> None:
    paths = ThreadedPaths(Examiner(ImaginedWays(BrokenWorld(lambda: 0.0)), lambda: 0.0))
    posted: list[Any] = []
    with no_threads():
        paths.doubt("h1", ["h2"], 7, lambda message, _after: posted.append(message))
    assert posted == [Questioned(7, Finding(trouble="no more threads can be started"))]
