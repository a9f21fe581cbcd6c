"""A step is carried out by the executor, or by a drain that may use the executor in turn."""

import queue
import threading
from collections.abc import Callable, Mapping

from rollout.model.seams import Drain, Ending, Executor, Order, Outcome, Post, Subject


class Steps:
    """Sends each order where it belongs. `run` never blocks and posts exactly one outcome."""

    def __init__(self, executor: Executor, drains: Mapping[str, Drain]) -> None:
        self._executor = executor
        self._drains = drains

    def run(self, order: Order, subject: Callable[[], Subject], post: Post) -> None:
        """Begin, or take up, the order."""
        kind = order.step.drain or order.step.reopen
        if kind is None or self._executor.kind == "rehearsal":
            self._executor.run(order, post)
            return
        drain = self._drains[kind]
        threading.Thread(
            target=lambda: post(self._drained(drain, order, subject)), name=f"drain-{order.host}", daemon=True
        ).start()

    def _drained(self, drain: Drain, order: Order, subject: Callable[[], Subject]) -> Outcome:
        def run_playbook() -> Outcome:
            answers: queue.SimpleQueue[Outcome] = queue.SimpleQueue()
            self._executor.run(order, lambda outcome, after=0.0: answers.put(outcome))  # noqa: ARG005  the seam's shape
            return answers.get()

        try:
            host = subject()
            acts = (drain.close, drain.empty) if order.step.drain else (drain.reopen,)
            for act in acts:
                outcome = act(host, run_playbook)
                if outcome is not None and outcome.ending is not Ending.DONE:
                    return outcome
        except Exception as error:  # noqa: BLE001  a drain of another package may raise anything
            return Outcome(
                order.host, order.step.name, order.attempt, Ending.FAILED, f"{type(error).__name__}: {error}"
            )
        return Outcome(order.host, order.step.name, order.attempt, Ending.DONE)

    def close(self) -> None:
        """Stop following what runs."""
        self._executor.close()
