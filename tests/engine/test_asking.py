"""Gates are asked apart from the loop: none of them can hold it up, and none passes by accident."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, ClassVar, cast

import pytest

from rollout.engine.asking import InlineAsker, ThreadedAsker, answer
from rollout.engine.inbox import Answered, Inbox, VirtualInbox
from rollout.model.decision import Ask
from rollout.model.fold import REMEMBER
from rollout.model.plan import GateRule, Moment
from rollout.model.seams import Answer, Connection, Subject, Verdict


class Told:
    """A gate that says what it is told to, as soon as it is let."""

    remembers: ClassVar[bool] = True

    def __init__(self, verdict: Verdict | Exception) -> None:
        self.verdict = verdict
        self.free = threading.Event()
        self.free.set()

    def check(self, subject: Subject) -> Verdict:
        assert subject.host
        self.free.wait()
        if isinstance(self.verdict, Exception):
            raise self.verdict
        return self.verdict

    def remember(self, subject: Subject) -> Verdict:
        return Verdict(Answer.PASS, "seen", {"host": subject.host})


@contextmanager
def hanging(gate: Told) -> Iterator[None]:
    gate.free.clear()
    try:
        yield
    finally:
        gate.free.set()


def a_subject() -> Subject:
    def connect() -> Connection:
        raise AssertionError

    return Subject("h1", "a", {}, {}, connect)


def an_ask(moment: str = "after verify", timeout: float = 60.0) -> Ask:
    rule = GateRule("g", "command", Moment("after", "verify"), timeout=timeout)
    return Ask("h1", rule, moment, reserves=False, because="")


PASS = Verdict(Answer.PASS, "well", {"seen": 1})


@pytest.mark.parametrize(
    ("verdict", "value", "because"),
    [
        (PASS, Answer.PASS, "well"),
        (Verdict(Answer.FAIL, "ill"), Answer.FAIL, "ill"),
        (Verdict(Answer.PASS, "fine"), Answer.INCONCLUSIVE, "without a sample"),
        (ValueError("no such metric"), Answer.ERROR, "ValueError: no such metric"),
    ],
)
def test_only_a_pass_with_samples_passes(verdict: Verdict | Exception, value: Answer, because: str) -> None:
    given = answer(Told(verdict), an_ask(), a_subject())
    assert given.value is value
    assert because in given.because


def test_remembering_is_its_own_question() -> None:
    given = answer(Told(ValueError("must not be checked")), an_ask(REMEMBER), a_subject())
    assert given.samples == {"host": "h1"}


def test_asked_in_place() -> None:
    inbox = VirtualInbox()
    InlineAsker({"g": Told(PASS)}).ask(an_ask(), a_subject(), 7, inbox.post)
    assert inbox.get(0.0) == Answered("h1", 7, PASS)


def test_asked_on_threads() -> None:
    inbox, asker = Inbox(), ThreadedAsker({"g": Told(PASS)}, threads=2)
    for question in range(6):
        asker.ask(an_ask(), a_subject(), question, inbox.post)
    got = [inbox.get(inbox.now() + 20) for _ in range(6)]
    assert sorted(told.question for told in got if isinstance(told, Answered)) == list(range(6))
    assert all(told.verdict == PASS for told in got if isinstance(told, Answered))


def test_a_gate_that_hangs_is_an_error_also_for_those_queued_behind_it() -> None:
    gate = Told(PASS)
    inbox, asker = Inbox(), ThreadedAsker({"g": gate}, threads=1)
    with hanging(gate):
        asker.ask(an_ask(timeout=0.01), a_subject(), 1, inbox.post)
        asker.ask(an_ask(timeout=0.01), a_subject(), 2, inbox.post)
        got = [inbox.get(inbox.now() + 20) for _ in range(2)]
    assert {told.question for told in got if isinstance(told, Answered)} == {1, 2}
    assert all(told.verdict.value is Answer.ERROR for told in got if isinstance(told, Answered))


@pytest.mark.parametrize(
    "said",
    [
        None,
        "pass",
        Verdict(cast("Answer", "perhaps"), "", {"a": 1}),
        Verdict(Answer.PASS, "", {"a": object()}),
        Verdict(Answer.PASS, "", {"a": float("nan")}),
    ],
    ids=["nothing", "text", "no such word", "no json", "not a number"],
)
def test_an_answer_of_another_shape_is_an_error(said: Any) -> None:
    verdict = answer(Told(said), an_ask(), a_subject())
    assert verdict.value is Answer.ERROR
    assert verdict.because
