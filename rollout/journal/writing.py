"""One transaction on the journal's tables by the holder of the lease."""

import json
import zlib
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from rollout.journal import statements as sql
from rollout.journal.copies import Values, host_body, run_apart_from_head
from rollout.journal.database import Connection
from rollout.journal.refusals import checked_taker, limit_reached, no_such_host
from rollout.journal.rows import AnswerRow
from rollout.model.event import Event, Kind
from rollout.model.graph import Graph
from rollout.model.state import HostState, RunState

Row = tuple[Any, ...]

compact: Callable[[Any], str] = json.JSONEncoder(separators=(",", ":")).encode
"""JSON in ASCII: text of any kind, also what is not valid Unicode, comes back as it was."""


class TableWriting:
    """A `rollout.journal.Writing` at the time `now`.

    `state`: what the run's state is after it; None when it was not kept. `written`: the rows of the events appended so far.
    """

    def __init__(
        self, connection: Connection, run: str, number: int, seq: int, now: float, state: Values | None
    ) -> None:
        self._connection = connection
        self._run = run
        self._number = number
        self._seq = seq
        self._now = now
        self.written: list[Row] = []
        self._folded: tuple[int, float] | None = None
        self._took: set[str] = set()
        self.state = state

    def append(self, event: Event, take: Sequence[tuple[str, int]] = ()) -> Event:
        for slot, cap in take:
            self._take(checked_taker(event), slot, cap)
        self._seq += 1
        written, row = append(self._connection, self._number, event, self._seq, self._now)
        self.written.append(row)
        return written

    def keep(self, run: RunState, hosts: Iterable[HostState]) -> None:
        self._folded = run.seq, run.at
        values = run_apart_from_head(run)
        if values != self.state:
            self._connection.execute(sql.KEEP_STATE, (self._number, compact(run.to_json())))
            self.state = values
        for host in hosts:
            self._keep_host(host)

    def amend(self, graph: Graph) -> None:
        connection, number = self._connection, self._number
        connection.execute(sql.AMEND_GRAPH, (graph_body(graph), number))
        connection.execute(sql.AMEND_RUN, (graph.digest, number))
        known = {row[0]: row[1:] for row in connection.execute(sql.HOST_PLACES, (number,)).fetchall()}
        for node in graph.nodes.values():
            if node.name not in known:
                raise no_such_host(node.name, self._run)
            slots = compact(node.slots)
            *place, held = known[node.name]
            if place == [node.combo, node.wave, slots]:
                continue
            connection.execute(sql.AMEND_HOST, (node.combo, node.wave, slots, number, node.name))
            if held and place[2] != slots:
                connection.execute(sql.GIVE_BACK, (number, node.name))
                connection.executemany(sql.TAKE, [(number, slot, node.name) for slot in node.slots])

    def finish(self) -> None:
        """The last statement before the commit."""
        if self._folded is None:
            self._connection.execute(sql.SET_HEAD, (self._now, self._seq, self._number))
        else:
            self._connection.execute(sql.SET_FOLDED, (self._now, self._seq, *self._folded, self._number))

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
            int(host.slot),
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
        self._connection.execute(sql.SET_SLOT, (int(host.slot), *key))
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
            holders = [name for (name,) in self._connection.execute(sql.HOLDERS, key).fetchall()]
            raise limit_reached(host, slot, cap, holders)
        if not self._connection.execute(sql.SET_SLOT, (1, self._number, host)).rowcount:
            raise no_such_host(host, self._run)
        self._connection.execute(sql.TAKE, (*key, host))
        self._took.add(host)


def append(connection: Connection, number: int, event: Event, seq: int, at: float) -> tuple[Event, Row]:
    """Write an event under the next number of its run. Gives its row, too, as `statements.EVENTS` reads it."""
    written = Event(
        event.kind, storable(event.because), event.host, event.step, event.attempt, event.data, seq, at
    )
    data = compact(written.data) if written.data else None
    row = (seq, at, written.kind, written.host, written.step, written.attempt, written.because, data)
    connection.execute(sql.APPEND, (number, *row))
    if written.kind is Kind.ANSWERED:
        answer = AnswerRow.of(written)
        connection.execute(sql.ANSWER, (number, *answer[:-1], compact(answer.samples)))
    return written, row


def graph_body(graph: Graph) -> bytes:
    """As it stands in the table."""
    return zlib.compress(compact(graph.to_json()).encode(), 1)


def storable(text: str) -> str:
    """A sentence may quote bytes of a host that were no valid text; a database takes only valid text."""
    if text.isascii():
        return text
    return text.encode("utf-8", "backslashreplace").decode()
