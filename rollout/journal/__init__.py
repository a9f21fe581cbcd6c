"""The append-only record of runs: events, the lease, and where every host stands.

Beside the events the journal keeps their fold, written in the same transaction, so that reading where a run stands costs
rows and not events. One writer holds the lease; anyone with access may read, and append a request.
A journal object is used from one thread.

A database that cannot be reached for a while keeps its caller waiting, for a bounded time: nothing begins without the journal.
"""

import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol, Self

from rollout.journal.owner import Lease, Life, Owner
from rollout.journal.refusals import POLICY
from rollout.journal.rows import AnswerRow, ApprovalRow, Ended, HostRow, RunRow, Summary
from rollout.model.event import Event
from rollout.model.graph import Graph
from rollout.model.state import HostState, RunState, Status

__all__ = [
    "POLICY",
    "AnswerRow",
    "ApprovalRow",
    "Ended",
    "HostRow",
    "Journal",
    "Lease",
    "Life",
    "Owner",
    "RunRow",
    "Summary",
    "Writing",
    "is_url",
    "open",
    "without_password",
]


class Writing(Protocol):
    """One transaction of the lease's holder. Everything in it is kept, or nothing."""

    def append(self, event: Event, take: Sequence[tuple[str, int]] = ()) -> Event:
        """The event with its `seq` and `at`. `take` holds (slot, cap): the event's host takes each slot that it does not hold yet.

        Raises LimitReached when a slot is full. An answer of a gate is listed by `answers` too.
        """

    def amend(self, graph: Graph) -> None:
        """The run goes on with this graph, under its digest. Its hosts must be hosts of the run; rows of those that it no longer has stay.

        A host that holds its slots holds those of its new node from now on, whatever their caps.
        """

    def keep(self, run: RunState, hosts: Iterable[HostState]) -> None:
        """Where the run and these hosts stand after the events appended so far.

        A host holds its slots exactly while `host.slot` is true: taking them back is never refused.
        """


class Journal(Protocol):
    def create(
        self, run: str, graph: Graph, *, plan_file: str, created_by: str, known: Collection[str] | None = None
    ) -> None:
        """`known`: the runs that the caller has seen. Raises Locked if the plan has another one by now: two that begin a plan at once would both carry it out."""

    def approve(self, approval: ApprovalRow) -> ApprovalRow:
        """Keep it, and give it with its `at` and `newest`."""

    def approvals(self, plan: str) -> list[ApprovalRow]:
        """Newest first."""

    def runs(self) -> list[RunRow]:
        """Newest first."""

    def run(self, run: str | None = None) -> RunRow:
        """The newest for None. Raises JournalError when there is none of that name."""

    def graph(self, run: str) -> Graph: ...
    def claim(self, run: str, owner: Owner, *, force: bool = False) -> Lease:
        """Take the lease. A dead or lapsed holder is taken over; one that lives, or may live, raises Locked.

        `force`: a person has made sure that a holder who cannot be seen from here is dead. One that is seen to live is not forced.
        """

    def renew(self, lease: Lease) -> None:
        """A sign of life. Raises LeaseLost."""

    def release(self, lease: Lease, exit_code: int, because: str) -> None:
        """Let go of the lease. Raises LeaseLost when it is already another's."""

    def load(self, run: str, graph: Graph) -> tuple[RunState, dict[str, HostState], list[Event]]:
        """Where the run stood at `RunState.seq`, the hosts of the graph that had begun by then, and the events since.

        Raises Amended when the run goes on with another graph by now.
        """

    def state(self, run: str) -> RunState:
        """Where the run as a whole stood at `RunState.seq`, without its hosts: cheap at any fleet size."""

    def writing(self, lease: Lease, seen: int) -> AbstractContextManager[Writing]:
        """A transaction after event `seen`, and a sign of life.

        Raises Behind if there are later events, before anything is asked of the body; LeaseLost, JournalFull, JournalError.
        """

    def request(self, run: str, event: Event) -> Event:
        """Append an event of `model.event.REQUESTS` without a lease. Raises JournalError for a host that the run does not have."""

    def events(self, run: str, after: int = 0, host: str | None = None) -> Iterator[Event]: ...
    def answers(self, run: str, host: str | None = None) -> list[AnswerRow]: ...
    def samples(self, run: str, seq: int) -> Mapping[str, Any]:
        """What the gate saw whose answer is event `seq`; empty if that is none."""

    def summary(self, run: str) -> Summary: ...
    def hosts(self, run: str, status: Status | None = None) -> list[HostRow]:
        """By name."""

    def slots(self, run: str) -> dict[str, list[str]]:
        """Who holds what: slot -> hosts by name. Slots that nobody holds are absent."""

    def close(self) -> None: ...
    def __enter__(self) -> Self: ...
    def __exit__(self, *exc: object) -> None: ...


def is_url(where: str) -> bool:
    """Whether a journal is named by the URL of a database, and not by a path."""
    return where.startswith(("postgresql:", "postgres:"))


def without_password(where: str) -> str:
    """What may be shown of a journal's name. Raises JournalError for a URL that cannot be understood."""
    if not is_url(where):
        return where
    from rollout.journal.address import Address  # noqa: PLC0415  a path needs none

    return Address.of(where).name


def open(where: str, clock: Callable[[], float] | None = None) -> Journal:  # noqa: A001  read as journal.open
    """The journal at a path or a URL. It is made by the first `create`, not before, so that looking leaves no trace.

    `clock` gives seconds since the epoch, in the place of the machine's clock (a path) or the database's (a URL).
    """
    from rollout.journal.tables import TableJournal  # noqa: PLC0415  a simulation and `--help` need no database

    if is_url(where):
        from rollout.journal.address import Address  # noqa: PLC0415  as above
        from rollout.journal.postgresql import PostgresDatabase  # noqa: PLC0415  psycopg is not installed everywhere

        return TableJournal(PostgresDatabase(Address.of(where), clock))
    from rollout.journal.sqlite import SqliteDatabase  # noqa: PLC0415  as above

    return TableJournal(SqliteDatabase(where, clock or time.time))
