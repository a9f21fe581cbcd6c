"""The journal in an SQLite file: write-ahead log, every commit synced to the disk.

All processes that use it are on one machine, for SQLite's log is shared memory.
"""

import json
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Self

from rollout.errors import JournalError
from rollout.journal import statements as sql
from rollout.journal.copies import Values
from rollout.journal.database import Database
from rollout.journal.owner import Lease, Owner, refuse_unless_dead
from rollout.journal.refusals import (
    POLICY,
    behind,
    check_policy,
    check_request,
    lease_lost,
    no_such_run,
    run_exists,
)
from rollout.journal.rows import AnswerRow, Ended, HostRow, RunRow, Summary
from rollout.journal.writing import SqliteWriting, append, compact, storable
from rollout.model.event import Event, Kind
from rollout.model.graph import Graph
from rollout.model.state import HostState, RunState, Status

_KINDS = {str(kind): kind for kind in Kind}


class SqliteJournal:
    """A `rollout.journal.Journal`."""

    def __init__(self, where: str, clock: Callable[[], float]) -> None:
        self._database = Database(where)
        self._clock = clock
        self._numbers: dict[str, int] = {}
        self._states: dict[int, Values] = {}
        """What the state of each run was when this process last wrote it."""

    def create(self, run: str, graph: Graph, *, plan_file: str, created_by: str) -> None:
        now = self._clock()
        for name in graph.nodes:
            _check_name(name)
        self._database.make(now)
        with self._database.transaction() as connection:
            row = (run, graph.plan, graph.digest, plan_file, now, created_by, _tool(), POLICY)
            if not connection.execute(sql.CREATE_RUN, row).rowcount:
                raise run_exists(run)
            (number,) = connection.execute(sql.NUMBER_OF_RUN, (run,)).fetchone()
            body = zlib.compress(compact(graph.to_json()).encode(), 1)
            connection.execute(sql.CREATE_GRAPH, (number, body))
            connection.executemany(
                sql.CREATE_HOST,
                (
                    (number, node.name, node.combo, node.wave, compact(node.slots))
                    for node in graph.nodes.values()
                ),
            )

    def runs(self) -> list[RunRow]:
        return [_run_row(row) for row in self._read(sql.RUNS)] if self._database.exists() else []

    def run(self, run: str | None = None) -> RunRow:
        if run is None:
            newest = self._read(sql.NEWEST_RUN) if self._database.exists() else []
            if not newest:
                raise no_such_run(None, ())
            run = newest[0][0]
        return _run_row(self._read(sql.RUN, self._number(run))[0])

    def graph(self, run: str) -> Graph:
        ((body,),) = self._read(sql.GRAPH, self._number(run))
        return Graph.from_json(json.loads(zlib.decompress(body)))

    def claim(self, run: str, owner: Owner, *, force: bool = False) -> Lease:
        number = self._number(run)
        now = self._clock()
        with self._database.transaction() as connection:
            row = _run_row(connection.execute(sql.RUN, (number,)).fetchone())
            check_policy(row)
            if row.owner is not None and not force:
                refuse_unless_dead(run, row.owner, owner, row.taken_at, row.renewed_at)
            connection.execute(sql.CLAIM, (compact(owner.to_json()), now, now, number))
        self._states.pop(number, None)
        return Lease(run, row.fence + 1, owner)

    def renew(self, lease: Lease) -> None:
        self._as_holder(sql.RENEW, lease, self._clock())

    def release(self, lease: Lease, exit_code: int, because: str) -> None:
        self._as_holder(sql.RELEASE, lease, exit_code, storable(because), self._clock())

    def load(self, run: str, graph: Graph) -> tuple[RunState, dict[str, HostState], list[Event]]:
        number = self._number(run)
        with self._database.transaction("BEGIN") as connection:
            folded, folded_at, body = connection.execute(sql.FOLDED, (number,)).fetchone()
            bodies = connection.execute(sql.HOST_BODIES, (number,)).fetchall()
            events = list(self.events(run, after=folded))
        state = _run_state(folded, folded_at, body)
        # One call for all: a call of json.loads for each of 10,000 hosts costs three times as much.
        values = json.loads(f"[{','.join(body for (body,) in bodies)}]")
        hosts = {
            value["name"]: HostState.from_json(value) for value in values if value["name"] in graph.nodes
        }
        return state, hosts, events

    def state(self, run: str) -> RunState:
        ((folded, folded_at, body),) = self._read(sql.FOLDED, self._number(run))
        return _run_state(folded, folded_at, body)

    @contextmanager
    def writing(self, lease: Lease, seen: int) -> Iterator[SqliteWriting]:
        number = self._number(lease.run)
        with self._database.transaction() as connection:
            seq, fence, held = connection.execute(sql.HEAD, (number,)).fetchone()
            if fence != lease.fence or not held:
                raise lease_lost(lease, _run_row(connection.execute(sql.RUN, (number,)).fetchone()))
            if seq != seen:
                raise behind(lease.run, seen, seq)
            writing = SqliteWriting(connection, lease.run, number, seq, self._clock, self._states.get(number))
            yield writing
            writing.finish()
        if writing.state is not None:
            self._states[number] = writing.state

    def request(self, run: str, event: Event) -> Event:
        number = self._number(run)
        with self._database.transaction() as connection:
            names = {name for (name,) in connection.execute(sql.HOST_NAMES, (number,))} if event.host else ()
            check_request(event, run, names)
            seq, _, _ = connection.execute(sql.HEAD, (number,)).fetchone()
            written = append(connection, number, event, seq + 1, self._clock())
            connection.execute(sql.SET_SEQ, (seq + 1, number))
        return written

    def events(self, run: str, after: int = 0, host: str | None = None) -> Iterator[Event]:
        """Read a thousand at a time, so that a slow reader keeps no transaction open."""
        number = self._number(run)
        statement, more = (sql.EVENTS, ()) if host is None else (sql.EVENTS_OF_HOST, (host,))
        return self._paged(statement, number, after, more)

    def answers(self, run: str, host: str | None = None) -> list[AnswerRow]:
        number = self._number(run)
        rows = (
            self._read(sql.ANSWERS, number) if host is None else self._read(sql.ANSWERS_OF_HOST, number, host)
        )
        return [AnswerRow._make((*row[:-1], json.loads(row[-1]))) for row in rows]

    def summary(self, run: str) -> Summary:
        rows = self._read(sql.SUMMARY, self._number(run))
        return {(combo, wave, Status(status)): count for combo, wave, status, count in rows}

    def hosts(self, run: str, status: Status | None = None) -> list[HostRow]:
        number = self._number(run)
        rows = (
            self._read(sql.HOSTS, number)
            if status is None
            else self._read(sql.HOSTS_BY_STATUS, number, str(status))
        )
        words = {str(word): word for word in Status}
        return [HostRow._make((*row[:3], words[row[3]], *row[4:])) for row in rows]

    def slots(self, run: str) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        for slot, host in self._read(sql.SLOTS, self._number(run)):
            found.setdefault(slot, []).append(host)
        return found

    def close(self) -> None:
        self._database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def _number(self, run: str) -> int:
        if run not in self._numbers:
            found = self._read(sql.NUMBER_OF_RUN, run) if self._database.exists() else []
            if not found:
                known = self._read(sql.RUN_IDS) if self._database.exists() else []
                raise no_such_run(run, (row[0] for row in known))
            self._numbers[run] = found[0][0]
        return self._numbers[run]

    def _read(self, statement: str, *values: object) -> list[tuple[Any, ...]]:
        with self._database.reading() as connection:
            return connection.execute(statement, values).fetchall()

    def _paged(self, statement: str, number: int, after: int, more: tuple[str, ...]) -> Iterator[Event]:
        while rows := self._read(statement, number, after, *more):
            for row in rows:
                yield _event(row)
            after = rows[-1][0]

    def _as_holder(self, statement: str, lease: Lease, *values: object) -> None:
        number = self._number(lease.run)
        with self._database.transaction() as connection:
            if not connection.execute(statement, (*values, number, lease.fence)).rowcount:
                raise lease_lost(lease, _run_row(connection.execute(sql.RUN, (number,)).fetchone()))


def _check_name(name: str) -> None:
    try:
        name.encode()
    except UnicodeEncodeError as error:
        raise JournalError(f"the name of host {name!r} is not valid Unicode") from error


def _tool() -> str:
    """The version of this package; a source tree that is not installed has none."""
    from importlib.metadata import PackageNotFoundError, version  # noqa: PLC0415  costs more than the whole of `status`

    try:
        return version("rollout")
    except PackageNotFoundError:
        return "not installed"


def _run_row(row: tuple[Any, ...]) -> RunRow:
    *plain, owner, taken_at, renewed_at, code, because, at = row
    holder = Owner.from_json(json.loads(owner)) if owner else None
    ended = Ended(code, because, at) if code is not None else None
    return RunRow._make((*plain, holder, taken_at, renewed_at, ended))


def _run_state(folded: int, folded_at: float, body: str | None) -> RunState:
    return RunState(**{**json.loads(body or "{}"), "seq": folded, "at": folded_at})


def _event(row: tuple[Any, ...]) -> Event:
    seq, at, kind, host, step, attempt, because, data = row
    if kind not in _KINDS:
        raise JournalError(
            f"event {seq} is of a kind that this rollout does not know ({kind!r}): a newer one wrote it"
        )
    return Event(_KINDS[kind], because, host, step, attempt, json.loads(data) if data else {}, seq, at)
