"""Gates are asked here: in threads, or (simulated) on the spot."""

import json
import queue
import threading
from collections.abc import Callable, Mapping
from typing import Protocol

from rollout.engine.inbox import Answered, Message
from rollout.model.decision import Ask
from rollout.model.fold import REMEMBER
from rollout.model.seams import Answer, Gate, Subject, Verdict

PostMessage = Callable[[Message, float], None]


class Asker(Protocol):
    """Asks a gate and posts exactly one answer, or two of the same number, of which the first counts."""

    def ask(self, ask: Ask, subject: Subject, question: int, post: PostMessage) -> None: ...


def answer(gate: Gate, ask: Ask, subject: Subject) -> Verdict:
    """The gate's verdict; an exception is an error, and an error is never a yes."""
    try:
        verdict = gate.remember(subject) if ask.moment == REMEMBER else gate.check(subject)
        return _sound(verdict)
    except Exception as error:  # noqa: BLE001  a gate of another package may raise anything, and return it too
        return Verdict(Answer.ERROR, f"{type(error).__name__}: {error}")


def _sound(verdict: Verdict) -> Verdict:
    """A verdict that the journal can keep: raises whatever a value of another shape makes of these lines."""
    value, because, samples = Answer(verdict.value), str(verdict.because), dict(verdict.samples)
    json.dumps(samples, allow_nan=False)
    if value is Answer.PASS and not samples:
        return Verdict(
            Answer.INCONCLUSIVE,
            f"it passed without a sample, which proves nothing: {because}",
            link=str(verdict.link),
        )
    return Verdict(value, because, samples, str(verdict.link))


def is_lost(verdict: Verdict) -> bool:
    """Whether the gate failed because nobody answers there: perhaps because of the path, and not of the host.

    A host key that is refused is a security stop and stays one.
    """
    unreached = verdict.samples.get("reached") is False
    return verdict.value is Answer.FAIL and unreached and "host_key" not in verdict.samples


class ThreadedAsker:
    """Asks on a few daemon threads, so that a gate that hangs holds up neither the run nor its end.

    When every thread hangs, what is queued behind them is answered too: with an error, after as long as the queue may take.
    """

    def __init__(self, gates: Mapping[str, Gate], threads: int = 32) -> None:
        self._gates = gates
        self._limit = threads
        self._work: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self._threads = 0
        self._busy = 0
        self._longest = 0.0
        self._lock = threading.Lock()

    def ask(self, ask: Ask, subject: Subject, question: int, post: PostMessage) -> None:
        """Queue the question. The time-out counts from when it is put to the host."""

        def work() -> None:
            late = Verdict(Answer.ERROR, f"no answer within {ask.gate.timeout:g} s")
            post(Answered(ask.subject, question, late), ask.gate.timeout)
            post(Answered(ask.subject, question, answer(self._gates[ask.gate.name], ask, subject)), 0.0)

        with self._lock:
            rounds = self._busy // self._limit
            self._longest = max(self._longest, ask.gate.timeout)
            self._busy += 1
            if self._busy > self._threads and self._threads < self._limit:
                self._begin_thread()
            if not self._threads:
                self._busy -= 1
                lacking = Verdict(Answer.ERROR, "this machine: no more threads can be started")
                post(Answered(ask.subject, question, lacking), 0.0)
                return
        if rounds:
            stuck = Verdict(Answer.ERROR, "it was never asked: the gates before it hang")
            post(Answered(ask.subject, question, stuck), self._longest * (rounds + 1))
        self._work.put(work)

    def _begin_thread(self) -> None:
        """Fewer will do; without any, a question is answered at once with an error."""
        try:
            threading.Thread(target=self._serve, name=f"gate-{self._threads + 1}", daemon=True).start()
        except RuntimeError:
            return
        self._threads += 1

    def _serve(self) -> None:
        while True:
            work = self._work.get()
            try:
                work()
            finally:
                with self._lock:
                    self._busy -= 1


class InlineAsker:
    """Asks at once, in the engine's own thread: for gates that cost nothing, as in a simulation."""

    def __init__(self, gates: Mapping[str, Gate]) -> None:
        self._gates = gates

    def ask(self, ask: Ask, subject: Subject, question: int, post: PostMessage) -> None:
        """Post the answer."""
        post(Answered(ask.subject, question, answer(self._gates[ask.gate.name], ask, subject)), 0.0)
