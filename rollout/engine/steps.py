"""A step is carried out by the executor, or by a drain that may use the executor in turn."""

import queue
import threading
from collections.abc import Callable, Mapping
from typing import Any

from rollout.engine.inbox import Found, Message
from rollout.model.seams import Drain, Ending, Executor, Order, Outcome, Subject

PostMessage = Callable[[Message, float], None]


class Steps:
    """Sends each order where it belongs. `run` never blocks and posts exactly one outcome, or how the host was found before."""

    def __init__(self, executor: Executor, drains: Mapping[str, Drain]) -> None:
        self._executor = executor
        self._drains = drains

    def run(
        self, order: Order, subject: Callable[[], Subject], post: PostMessage, *, looked: bool = False
    ) -> None:
        """Begin, or take up, the order.

        A drain that finds something worth remembering posts `Found` and does nothing yet: once that is in the journal it is
        to be run again, with `looked`.
        """
        kind = order.step.drain or order.step.reopen
        if kind is None or self._executor.kind == "rehearsal":
            self._executor.run(order, lambda outcome, after=0.0: post(outcome, after))
            return
        drain = self._drains[kind]
        threading.Thread(
            target=lambda: post(self._drained(drain, order, subject, looked=looked), 0.0),
            name=f"drain-{order.host}",
            daemon=True,
        ).start()

    def _drained(
        self, drain: Drain, order: Order, subject: Callable[[], Subject], *, looked: bool
    ) -> Outcome | Found:
        handed_on: dict[str, Any] = {}

        def run_playbook() -> Outcome:
            answers: queue.SimpleQueue[Outcome] = queue.SimpleQueue()
            self._executor.run(order, lambda outcome, after=0.0: answers.put(outcome))  # noqa: ARG005  the seam's shape
            outcome = answers.get()
            handed_on.update(outcome.found)
            return outcome

        name, attempt = order.step.name, order.attempt
        try:
            host = subject()
            found = dict(drain.look(host)) if order.step.drain and not looked else {}
            if found:
                return Found(order.host, name, attempt, found)
            acts = (drain.close, drain.empty) if order.step.drain else (drain.reopen,)
            for act in acts:
                outcome = act(host, run_playbook)
                if outcome is not None and outcome.ending is not Ending.DONE:
                    return outcome
        except Exception as error:  # noqa: BLE001  a drain of another package may raise anything
            return Outcome(order.host, name, attempt, Ending.FAILED, f"{type(error).__name__}: {error}")
        return Outcome(order.host, name, attempt, Ending.DONE, found=handed_on)

    def close(self) -> None:
        """Stop following what runs."""
        self._executor.close()
