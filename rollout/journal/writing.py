"""One transaction on the SQLite journal by the holder of the lease."""

import json
import sqlite3
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from rollout.journal import statements as sql
from rollout.journal.copies import Values, host_body, run_apart_from_head
from rollout.journal.refusals import checked_taker, limit_reached, no_such_host
from rollout.journal.rows import AnswerRow
from rollout.model.event import Event, Kind
from rollout.model.state import HostState, RunState

compact: Callable[[Any], str] = json.JSONEncoder(separators=(",", ":")).encode
"""JSON in ASCII: text of any kind, also what is not valid Unicode, comes back as it was."""


class SqliteWriting:
    """A `rollout.journal.Writing`. `state`: what the run's state is after it; None when it was not kept."""

    def __init__(
        self,
        connection: sqlite3.Connection,
        run: str,
        number: int,
        seq: int,
        clock: Callable[[], float],
        state: Values | None,
    ) -> None:
        self._connection = connection
        self._run = run
        self._number = number
        self._seq = seq
        self._clock = clock
        self._folded: tuple[int, float] | None = None
        self._took: set[str] = set()
        self.state = state

    def append(self, event: Event, take: Sequence[tuple[str, int]] = ()) -> Event:
        for slot, cap in take:
            self._take(checked_taker(event), slot, cap)
        self._seq += 1
        return append(self._connection, self._number, event, self._seq, self._clock())

    def keep(self, run: RunState, hosts: Iterable[HostState]) -> None:
        self._folded = run.seq, run.at
        values = run_apart_from_head(run)
        if values != self.state:
            self._connection.execute(sql.KEEP_STATE, (self._number, compact(run.to_json())))
            self.state = values
        for host in hosts:
            self._keep_host(host)

    def finish(self) -> None:
        """The last statement before the commit."""
        if self._folded is None:
            self._connection.execute(sql.SET_SEQ, (self._seq, self._number))
        else:
            self._connection.execute(sql.SET_FOLDED, (self._seq, *self._folded, self._number))

    def _keep_host(self, host: HostState) -> None:
        values = (
            host.status,
            host.step,
            host.attempt,
            host.since,
            storable(host.because),
            compact(host_body(host)),
            self._number,
            host.name,
            host.slot,
        )
        if host.name not in self._took and self._connection.execute(sql.KEEP_HOST, values).rowcount:
            return
        self._turn_slot(host)
        self._connection.execute(sql.KEEP_HOST, values)

    def _turn_slot(self, host: HostState) -> None:
        """Its slot rows are to come or to go: the row of the host says so otherwise."""
        key = (self._number, host.name)
        found = self._connection.execute(sql.HOST_SLOTS, key).fetchone()
        if found is None:
            raise no_such_host(host.name, self._run)
        self._connection.execute(sql.SET_SLOT, (host.slot, *key))
        if host.slot:
            rows = [(self._number, slot, host.name) for slot in json.loads(found[0])]
            self._connection.executemany(sql.TAKE, rows)
        else:
            self._connection.execute(sql.GIVE_BACK, key)

    def _take(self, host: str, slot: str, cap: int) -> None:
        key = (self._number, slot)
        if self._connection.execute(sql.HOLDS, (*key, host)).fetchone():
            return
        (taken,) = self._connection.execute(sql.COUNT_SLOT, key).fetchone()
        if taken >= cap:
            holders = [name for (name,) in self._connection.execute(sql.HOLDERS, key)]
            raise limit_reached(host, slot, cap, holders)
        if not self._connection.execute(sql.SET_SLOT, (True, self._number, host)).rowcount:
            raise no_such_host(host, self._run)
        self._connection.execute(sql.TAKE, (*key, host))
        self._took.add(host)


def append(connection: sqlite3.Connection, number: int, event: Event, seq: int, at: float) -> Event:
    """Write an event under the next number of its run."""
    written = Event(
        event.kind, storable(event.because), event.host, event.step, event.attempt, event.data, seq, at
    )
    data = compact(written.data) if written.data else None
    connection.execute(
        sql.APPEND,
        (number, seq, at, written.kind, written.host, written.step, written.attempt, written.because, data),
    )
    if written.kind is Kind.ANSWERED:
        row = AnswerRow.of(written)
        connection.execute(sql.ANSWER, (number, *row[:-1], compact(row.samples)))
    return written


def storable(text: str) -> str:
    """A sentence may quote bytes of a host that were no valid text; a database takes only valid text."""
    if text.isascii():
        return text
    return text.encode("utf-8", "backslashreplace").decode()
