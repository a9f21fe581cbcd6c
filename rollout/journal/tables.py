"""The journal in the tables of a database."""

import json
import zlib
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Self

from rollout.errors import JournalError
from rollout.journal import statements as sql
from rollout.journal.copies import Values
from rollout.journal.database import Connection, Database
from rollout.journal.owner import Lease, Owner
from rollout.journal.refusals import (
    POLICY,
    amended_meanwhile,
    begun_meanwhile,
    behind,
    check_policy,
    check_request,
    lease_lost,
    no_such_run,
    overtaken,
    refuse_if_held,
    run_exists,
)
from rollout.journal.rows import AnswerRow, ApprovalRow, Ended, HostRow, RunRow, Summary
from rollout.journal.writing import Row, TableWriting, append, compact, graph_body, storable
from rollout.model.event import Event, Kind
from rollout.model.graph import Graph
from rollout.model.state import HostState, RunState, Status

_KINDS = {str(kind): kind for kind in Kind}


class TableJournal:
    """A `rollout.journal.Journal`."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._numbers: dict[str, int] = {}
        self._states: dict[int, Values] = {}
        """What the state of each run was when this process last wrote it."""

    def create(
        self, run: str, graph: Graph, *, plan_file: str, created_by: str, known: Collection[str] | None = None
    ) -> None:
        for name in graph.nodes:
            _check_name(name)
        self._database.make()
        body = graph_body(graph)

        def work(connection: Connection) -> Row:
            self._database.creating(connection)
            for other in connection.execute(sql.RUNS_OF_PLAN, (graph.plan,)).fetchall():
                if known is not None and other[0] not in known:
                    raise begun_meanwhile(*other)
            now = self._database.time(connection.execute(sql.NOW).fetchone()[0])
            row = (run, graph.plan, graph.digest, plan_file, now, created_by, _tool(), POLICY)
            if not connection.execute(sql.CREATE_RUN, row).rowcount:
                raise run_exists(run)
            (number,) = connection.execute(sql.NUMBER_OF_RUN, (run,)).fetchone()
            connection.execute(sql.CREATE_GRAPH, (number, body))
            connection.executemany(
                sql.CREATE_HOST,
                (
                    (number, node.name, node.combo, node.wave, compact(node.slots))
                    for node in graph.nodes.values()
                ),
            )
            return number, *row

        def done(connection: Connection, row: Row) -> bool:
            self._database.creating(connection)
            found = connection.execute(sql.RUN, (row[0],)).fetchone()
            return found is not None and bool(found[:8] == row[1:])

        self._database.transact(work, done)

    def approve(self, approval: ApprovalRow) -> ApprovalRow:
        self._database.make()

        def work(connection: Connection) -> ApprovalRow:
            self._database.creating(connection)
            at = self._database.time(connection.execute(sql.NOW).fetchone()[0])
            newest = connection.execute(sql.NEWEST_RUN).fetchone()
            kept = approval._replace(
                by=storable(approval.by),
                because=storable(approval.because),
                at=at,
                newest=newest and newest[0],
            )
            values = (
                kept.at,
                kept.plan,
                kept.digest,
                kept.run,
                kept.by,
                kept.because,
                compact(dict(kept.claims)),
                kept.newest,
            )
            connection.execute(sql.APPROVE, values)
            return kept

        def done(connection: Connection, kept: ApprovalRow) -> bool:
            found = connection.execute(sql.APPROVALS, (kept.plan,)).fetchall()
            return kept in map(_approval, found)

        return self._database.transact(work, done)

    def approvals(self, plan: str) -> list[ApprovalRow]:
        rows = self._database.read(sql.APPROVALS, (plan,)) if self._database.exists() else []
        return [_approval(row) for row in rows]

    def runs(self) -> list[RunRow]:
        return (
            [self._run_row(row) for row in self._database.read(sql.RUNS)] if self._database.exists() else []
        )

    def run(self, run: str | None = None) -> RunRow:
        if run is None:
            newest = self._database.read(sql.NEWEST_RUN) if self._database.exists() else []
            if not newest:
                raise no_such_run(None, ())
            run = newest[0][0]
        return self._run_row(self._read(sql.RUN, self._number(run))[0])

    def graph(self, run: str) -> Graph:
        ((body,),) = self._read(sql.GRAPH, self._number(run))
        return Graph.from_json(json.loads(zlib.decompress(body)))

    def claim(self, run: str, owner: Owner, *, force: bool = False) -> Lease:
        number = self._number(run)

        def work(connection: Connection) -> Lease:
            row = self._locked_run(connection, number)
            check_policy(row)
            refuse_if_held(row, owner, force=force)
            times = (row.read_at, row.read_at)
            connection.execute(sql.CLAIM, (compact(owner.to_json()), self._database.lease, *times, number))
            return Lease(run, row.fence + 1, owner)

        def done(connection: Connection, claimed: Lease) -> bool:
            row = self._locked_run(connection, number)
            return (row.fence, row.owner) == (claimed.fence, owner)

        lease = self._database.transact(work, done)
        self._states.pop(number, None)
        return lease

    def renew(self, lease: Lease) -> None:
        number = self._number(lease.run)

        def work(connection: Connection) -> None:
            _, now = self._led(connection, number, lease)
            connection.execute(sql.RENEW, (now, number))

        self._database.transact(work, lambda _connection, _result: False)

    def release(self, lease: Lease, exit_code: int, because: str) -> None:
        number = self._number(lease.run)

        def work(connection: Connection) -> Ended:
            _, now = self._led(connection, number, lease)
            ended = Ended(exit_code, storable(because), now)
            connection.execute(sql.RELEASE, (*ended, number))
            return ended

        def done(connection: Connection, ended: Ended) -> bool:
            row = self._locked_run(connection, number)
            return (row.fence, row.owner, row.ended) == (lease.fence, None, ended)

        self._database.transact(work, done)

    def load(self, run: str, graph: Graph) -> tuple[RunState, dict[str, HostState], list[Event]]:
        number = self._number(run)

        def work(connection: Connection) -> tuple[Row, list[Row], list[Row]]:
            state = connection.execute(sql.FOLDED, (number,)).fetchone()
            bodies = connection.execute(sql.HOST_BODIES, (number,)).fetchall()
            return state, bodies, connection.execute(sql.EVENTS_SINCE, (number, state[0])).fetchall()

        (folded, folded_at, body, digest), bodies, events = self._database.snapshot(work)
        if digest != graph.digest:
            raise amended_meanwhile(run)
        # One call for all: a call of json.loads for each of 10,000 hosts costs three times as much.
        values = json.loads(f"[{','.join(body for (body,) in bodies)}]")
        hosts = {
            value["name"]: HostState.from_json(value) for value in values if value["name"] in graph.nodes
        }
        return _run_state(folded, folded_at, body), hosts, [_event(row) for row in events]

    def state(self, run: str) -> RunState:
        ((folded, folded_at, body, _),) = self._read(sql.FOLDED, self._number(run))
        return _run_state(folded, folded_at, body)

    @contextmanager
    def writing(self, lease: Lease, seen: int) -> Iterator[TableWriting]:
        number = self._number(lease.run)
        writings: list[TableWriting] = []

        def head(connection: Connection) -> float:
            seq, now = self._led(connection, number, lease)
            if seq != seen:
                raise behind(lease.run, seen, seq)
            return now

        def again(connection: Connection) -> bool:
            seq, _ = self._led(connection, number, lease)
            if seq == seen:
                return False
            written = [row for writing in writings for row in writing.written]
            found = connection.execute(sql.EVENTS_SINCE, (number, seen)).fetchall()[: len(written)]
            if not written or found != written:
                raise overtaken(lease.run)
            return True

        with self._database.transaction(head, again) as (connection, now):
            writing = TableWriting(connection, lease.run, number, seen, now, self._states.get(number))
            writings.append(writing)
            yield writing
            writing.finish()
        if writing.state is not None:
            self._states[number] = writing.state

    def request(self, run: str, event: Event) -> Event:
        number = self._number(run)

        def work(connection: Connection) -> tuple[Event, Row]:
            names = (
                {name for (name,) in connection.execute(sql.HOST_NAMES, (number,)).fetchall()}
                if event.host
                else ()
            )
            check_request(event, run, names)
            seq, _, _, given = connection.execute(sql.HEAD, (number,)).fetchone()
            written = append(connection, number, event, seq + 1, self._database.time(given))
            connection.execute(sql.SET_SEQ, (seq + 1, number))
            return written

        def done(connection: Connection, written: tuple[Event, Row]) -> bool:
            connection.execute(sql.HEAD, (number,))
            found = connection.execute(sql.EVENTS, (number, written[0].seq - 1)).fetchone()
            return bool(found == written[1])

        return self._database.transact(work, done)[0]

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

    def samples(self, run: str, seq: int) -> Mapping[str, Any]:
        rows = self._read(sql.SAMPLES, self._number(run), seq)
        return json.loads(rows[0][0]) if rows else {}

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
                known = self._database.read(sql.RUN_IDS) if self._database.exists() else []
                raise no_such_run(run, (row[0] for row in known))
            self._numbers[run] = found[0][0]
        return self._numbers[run]

    def _read(self, statement: str, *values: object) -> list[Row]:
        return self._database.read(statement, values)

    def _paged(self, statement: str, number: int, after: int, more: tuple[str, ...]) -> Iterator[Event]:
        while rows := self._read(statement, number, after, *more):
            for row in rows:
                yield _event(row)
            after = rows[-1][0]

    def _led(self, connection: Connection, number: int, lease: Lease) -> tuple[int, float]:
        """Lock the run under the lease: the number of its last event, and the time. Raises LeaseLost."""
        seq, fence, held, given = connection.execute(sql.HEAD, (number,)).fetchone()
        if fence != lease.fence or not held:
            raise lease_lost(lease, self._locked_run(connection, number))
        return seq, self._database.time(given)

    def _locked_run(self, connection: Connection, number: int) -> RunRow:
        return self._run_row(connection.execute(sql.LOCKED_RUN, (number,)).fetchone())

    def _run_row(self, row: Row) -> RunRow:
        *plain, owner, taken_at, renewed_at, code, because, at, lease, given = row
        holder = Owner.from_json(json.loads(owner)) if owner else None
        ended = Ended(code, because, at) if code is not None else None
        return RunRow._make((*plain, holder, taken_at, renewed_at, ended, lease, self._database.time(given)))


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


def _run_state(folded: int, folded_at: float, body: str | None) -> RunState:
    return RunState(**{**json.loads(body or "{}"), "seq": folded, "at": folded_at})


def _approval(row: Row) -> ApprovalRow:
    *who, at, newest, claims = row
    return ApprovalRow._make((*who, json.loads(claims), at, newest))


def _event(row: tuple[Any, ...]) -> Event:
    seq, at, kind, host, step, attempt, because, data = row
    if kind not in _KINDS:
        raise JournalError(
            f"event {seq} is of a kind that this rollout does not know ({kind!r}): a newer one wrote it"
        )
    return Event(_KINDS[kind], because, host, step, attempt, json.loads(data) if data else {}, seq, at)
