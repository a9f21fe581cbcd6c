"""A step is carried out by the executor, or by a drain that may use the executor in turn."""

import queue
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from rollout.engine.inbox import Found, Message
from rollout.errors import HostUnreachable, of_this_machine
from rollout.model.seams import Drain, Ending, Executor, Forgets, Order, Outcome, Subject

PostMessage = Callable[[Message, float], None]


SPARE = 30.0
"""Seconds past its step's time-out that a drain has for a last word of its own."""

TIMEOUTS, HOUR = 8, 3600.0
"""An executor judges lateness by itself. With all that it waits for and asks (an older unit, the host before and after) it needs
up to six time-outs and a quarter of an hour: one that is silent for so much longer has lost the order."""


class Steps:
    """Sends each order where it belongs. `run` never blocks and posts an outcome, or how the host was found before.

    Whatever never reports is late. So a second outcome may come, of which only the first counts; in a rehearsal nothing is lost.
    """

    def __init__(self, executor: Executor, drains: Mapping[str, Drain]) -> None:
        self._executor = executor
        self._forgetful = executor if isinstance(executor, Forgets) else None
        self._drains = drains
        self._draining: set[str] = set()

    def run(
        self, order: Order, subject: Callable[[], Subject], post: PostMessage, *, looked: bool = False
    ) -> None:
        """Begin, or take up, the order.

        A drain that looks posts `Found`, also of nothing, and does nothing yet: once that is in the journal it is to be run
        again, with `looked`. A later look would see our own doing.
        """
        if self._executor.kind == "rehearsal":
            self._executor.run(order, lambda outcome, after=0.0: post(outcome, after))
            return
        kind = order.step.drain or order.step.reopen
        drain = self._drains[kind] if kind else None
        silence = TIMEOUTS * order.step.timeout + HOUR
        if drain is not None and not drain.needs_playbook:
            silence = order.step.timeout + SPARE
        post(_outcome(order, Ending.LATE, f"nothing was heard of it for {silence:g} s"), silence)
        if drain is None:
            self._executor.run(order, lambda outcome, after=0.0: post(outcome, after))
        elif order.host in self._draining:
            because = f"the drain of an earlier try hangs, and may still act on {order.host}: end this controller, then `rollout resume`"
            post(_outcome(order, Ending.FAILED, because), 0.0)
        else:
            self._drain_aside(drain, order, subject, post, looked=looked, until=time.monotonic() + silence)

    def _drain_aside(
        self,
        drain: Drain,
        order: Order,
        subject: Callable[[], Subject],
        post: PostMessage,
        *,
        looked: bool,
        until: float,
    ) -> None:
        """In a thread of its own. One that hangs cannot be ended; its host gets no second one beside it."""

        def work() -> None:
            message = self._drained(drain, order, subject, looked=looked, until=until)
            self._draining.discard(order.host)
            post(message, 0.0)

        self._draining.add(order.host)
        try:
            threading.Thread(target=work, name=f"drain-{order.host}", daemon=True).start()
        except RuntimeError as error:
            self._draining.discard(order.host)
            post(_of_error(order, error, begun=False), 0.0)

    def _drained(
        self, drain: Drain, order: Order, subject: Callable[[], Subject], *, looked: bool, until: float
    ) -> Outcome | Found:
        handed_on: dict[str, Any] = {}

        def run_playbook() -> Outcome:
            if time.monotonic() >= until:
                return _outcome(order, Ending.LATE, "it was given up before its playbook began")
            answers: queue.SimpleQueue[Outcome] = queue.SimpleQueue()
            self._executor.run(order, lambda outcome, after=0.0: answers.put(outcome))  # noqa: ARG005  the seam's shape
            outcome = answers.get()
            handed_on.update(outcome.found)
            return outcome

        name, attempt, looks = order.step.name, order.attempt, getattr(drain, "looks", True)
        try:
            host = subject()
            if order.step.drain and not looked and looks:
                return Found(order.host, name, attempt, dict(drain.look(host)))
            acts = (drain.close, drain.empty) if order.step.drain else (drain.reopen,)
            for act in acts:
                outcome = act(host, run_playbook)
                if outcome is not None and outcome.ending is not Ending.DONE:
                    acted, ending = act != acts[0], outcome.ending
                    if looks and acted and ending is Ending.NEVER_BEGAN:
                        ending = Ending.INTERRUPTED  # its playbook never began, but the host was closed
                    return replace(outcome, ending=ending, begun=outcome.begun or acted)
        except Exception as error:  # noqa: BLE001  a drain of another package may raise anything
            return _of_error(order, error)
        return Outcome(order.host, name, attempt, Ending.DONE, found=handed_on)

    def forget(self, run: str, host: str, step: str, attempt: int) -> None:
        """It is done, and that is in the journal: nothing needs to be kept of it any more."""
        if self._forgetful is not None:
            self._forgetful.forget(run, host, step, attempt)

    def close(self) -> None:
        """Stop following what runs."""
        self._executor.close()


def _of_error(order: Order, error: Exception, *, begun: bool = True) -> Outcome:
    """Neither a host that cannot be reached nor our own machine is the drain's failure."""
    trouble = of_this_machine(error)
    ending = Ending.UNREACHABLE if isinstance(error, HostUnreachable) else Ending.FAILED
    found = _outcome(order, ending, f"{type(error).__name__}: {error}")
    return replace(found, ending=Ending.CONTROLLER, because=trouble, begun=begun) if trouble else found


def _outcome(order: Order, ending: Ending, because: str) -> Outcome:
    return Outcome(order.host, order.step.name, order.attempt, ending, because)
