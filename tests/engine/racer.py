"""A controller in a process of its own: `python -m tests.engine.racer JOURNAL FOLDER NUMBER`. Several race for one run.

The hosts are a folder that all of them share, and that outlives each: a step that was begun goes on when its controller dies.
Its files, under a lock of the host: HOST.fence; ATTEMPT.HOST.job, put in place by rename, which is the moment at which a step begins;
and what was refused, or begun a second time.
"""

import fcntl
import json
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar, Literal

from rollout import journal
from rollout.engine import Engine
from rollout.engine.asking import InlineAsker
from rollout.engine.inbox import Inbox
from rollout.engine.steps import Steps
from rollout.engine.subjects import Subjects
from rollout.errors import LeaseLost, Locked
from rollout.journal import Journal, Owner
from rollout.model.graph import Graph
from rollout.model.seams import Connection, Ending, Order, Outcome, Post

RUN = "run"
SECONDS = 0.05
"""Of a step."""


class Hosts:
    """An executor over hosts in a folder."""

    kind: ClassVar[Literal["ansible", "rehearsal"]] = "rehearsal"

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def run(self, order: Order, post: Post) -> None:
        with self._host(order.host):
            ending, until = self._begin_or_find(order)
        outcome = Outcome(order.host, order.step.name, order.attempt, ending)
        post(outcome, max(0.0, until - time.time()))

    def _begin_or_find(self, order: Order) -> tuple[Ending, float]:
        fence, job = self._folder / f"{order.host}.fence", self._folder / f"{order.attempt}.{order.host}.job"
        if fence.exists() and order.fence < int(fence.read_text()):
            self._refused(order)
            return Ending.REFUSED, 0.0
        _write(fence, str(order.fence))
        if order.taken_up:
            found = json.loads(job.read_text()) if job.exists() else None
            return (Ending.DONE, found["until"]) if found else (Ending.NEVER_BEGAN, 0.0)
        now = time.time()
        line = {"host": order.host, "step": order.step.name, "attempt": order.attempt, "fence": order.fence}
        began = json.dumps({**line, "at": now, "until": now + SECONDS})
        _write(self._folder / f"{order.attempt}.{order.host}.again" if job.exists() else job, began)
        return Ending.DONE, now + SECONDS

    def _refused(self, order: Order) -> None:
        with (self._folder / "REFUSED").open("a") as file:
            file.write(f"{order.mark} {order.attempt}\n")

    @contextmanager
    def _host(self, host: str) -> Iterator[None]:
        """One at a time; a process that is frozen in here keeps the others waiting, as a host would."""
        with (self._folder / f"{host}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def close(self) -> None:
        """They live on."""


def _write(path: Path, text: str) -> None:
    """Whole, or not at all, whenever this process is killed."""
    fresh = path.with_suffix(".new")
    fresh.write_text(text)
    fresh.replace(path)


def control(book: Journal, graph: Graph, owner: Owner, folder: Path) -> int:
    engine = Engine(
        book,
        book.claim(RUN, owner),
        graph,
        Steps(Hosts(folder), {}),
        InlineAsker({}),
        Subjects(graph, lambda _host: {}, unreachable),
        Inbox(),
        poll=0.05,
    )
    return engine.run().exit_code


def unreachable(host: str, _variables: Any) -> Connection:
    raise AssertionError(f"nothing may connect to the imagined host {host}")


def main() -> None:
    """Until the run has ended, whoever ended it. On a database each is on a machine of its own, and sees no other one."""
    where, folder, number = sys.argv[1], Path(sys.argv[2]), sys.argv[3]
    me = Owner.current()
    if journal.is_url(where):
        me = replace(me, boot_id=f"boot {number}", machine=f"machine {number}")
    with journal.open(where) as book:
        graph = book.graph(RUN)
        while (row := book.run(RUN)).ended is None or row.ended.exit_code:
            try:
                control(book, graph, me, folder)
            except Locked:
                time.sleep(0.02)
            except LeaseLost:
                with (folder / "LOST").open("a") as file:
                    file.write(f"{number}\n")


if __name__ == "__main__":
    main()
