"""A journal in lists: for simulations, and as the fake of the journal in tests. Same rules as the one on disk.

It keeps values, not JSON, and copies only what the engine may alter later, so that an event costs microseconds.
"""

import time
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

from rollout.journal.copies import Values, host_values, run_values
from rollout.journal.owner import Lease, Owner
from rollout.journal.refusals import (
    POLICY,
    amended_meanwhile,
    begun_meanwhile,
    behind,
    check_policy,
    check_request,
    checked_taker,
    lease_lost,
    limit_reached,
    no_such_host,
    no_such_run,
    refuse_if_held,
    run_exists,
)
from rollout.journal.rows import AnswerRow, ApprovalRow, Ended, HostRow, RunRow, Summary
from rollout.model.event import Event, Kind
from rollout.model.graph import Graph, Node
from rollout.model.state import HostState, RunState, Status


@dataclass(slots=True)
class _Run:
    row: RunRow
    graph: Graph
    nodes: dict[str, Node]
    """Of every host that the run ever had, as it was planned last."""
    state: Values = field(default_factory=lambda: run_values(RunState()))
    hosts: dict[str, Values] = field(default_factory=dict)
    events: list[Event] = field(default_factory=list)
    answers: list[AnswerRow] = field(default_factory=list)
    holders: dict[str, dict[str, None]] = field(default_factory=dict)
    """slot -> the hosts that hold it"""
    renewed_at: float = 0.0


class MemoryJournal:
    """A `rollout.journal.Journal`."""

    def __init__(self, clock: Callable[[], float] = time.time, lease: float | None = None) -> None:
        """`lease`: as of `RunRow`, in seconds."""
        self._clock = clock
        self._lease = lease
        self._runs: dict[str, _Run] = {}
        self._approvals: list[ApprovalRow] = []

    def create(
        self, run: str, graph: Graph, *, plan_file: str, created_by: str, known: Collection[str] | None = None
    ) -> None:
        for other in self._runs.values():
            if known is not None and other.row.plan == graph.plan and other.row.id not in known:
                raise begun_meanwhile(other.row.id, other.row.created_by, other.row.created_at)
        if run in self._runs:
            raise run_exists(run)
        now = self._clock()
        row = RunRow(
            id=run,
            plan=graph.plan,
            digest=graph.digest,
            plan_file=plan_file,
            created_at=now,
            created_by=created_by,
            tool="",
            policy=POLICY,
            seq=0,
            fence=0,
            owner=None,
            taken_at=0.0,
            renewed_at=0.0,
            ended=None,
        )
        self._runs[run] = _Run(row, graph, dict(graph.nodes))

    def approve(self, approval: ApprovalRow) -> ApprovalRow:
        kept = approval._replace(at=self._clock(), newest=next(reversed(self._runs), None))
        self._approvals.append(kept)
        return kept

    def approvals(self, plan: str) -> list[ApprovalRow]:
        return [one for one in reversed(self._approvals) if one.plan == plan]

    def runs(self) -> list[RunRow]:
        return [self._row(run) for run in reversed(self._runs.values())]

    def run(self, run: str | None = None) -> RunRow:
        if run is None and self._runs:
            run = next(reversed(self._runs))
        return self._row(self._find(run))

    def graph(self, run: str) -> Graph:
        return self._find(run).graph

    def claim(self, run: str, owner: Owner, *, force: bool = False) -> Lease:
        kept = self._find(run)
        row = self._row(kept)
        check_policy(row)
        refuse_if_held(row, owner, force=force)
        kept.renewed_at = now = self._clock()
        kept.row = row._replace(fence=row.fence + 1, owner=owner, taken_at=now, ended=None, lease=self._lease)
        return Lease(run, kept.row.fence, owner)

    def renew(self, lease: Lease) -> None:
        self._leased(lease).renewed_at = self._clock()

    def release(self, lease: Lease, exit_code: int, because: str) -> None:
        kept = self._leased(lease)
        kept.row = kept.row._replace(owner=None, ended=Ended(exit_code, because, self._clock()))

    def load(self, run: str, graph: Graph) -> tuple[RunState, dict[str, HostState], list[Event]]:
        kept = self._find(run)
        if kept.row.digest != graph.digest:
            raise amended_meanwhile(run)
        state = RunState(*run_values(RunState(*kept.state)))
        hosts = {name: _host(values) for name, values in kept.hosts.items() if name in graph.nodes}
        return state, hosts, kept.events[state.seq :]

    def state(self, run: str) -> RunState:
        return RunState(*run_values(RunState(*self._find(run).state)))

    def writing(self, lease: Lease, seen: int) -> "_MemoryWriting":
        kept = self._leased(lease)
        if len(kept.events) != seen:
            raise behind(lease.run, seen, len(kept.events))
        return _MemoryWriting(kept, self._clock)

    def request(self, run: str, event: Event) -> Event:
        kept = self._find(run)
        check_request(event, run, kept.nodes)
        return _append(kept, event, self._clock())

    def events(self, run: str, after: int = 0, host: str | None = None) -> Iterator[Event]:
        found = self._find(run).events[after:]
        return iter(found) if host is None else (event for event in found if event.host == host)

    def answers(self, run: str, host: str | None = None) -> list[AnswerRow]:
        return [row for row in self._find(run).answers if host is None or row.host == host]

    def samples(self, run: str, seq: int) -> Mapping[str, Any]:
        events = self._find(run).events[seq - 1 : seq] if seq > 0 else []
        return next((event.data.get("samples", {}) for event in events if event.kind is Kind.ANSWERED), {})

    def summary(self, run: str) -> Summary:
        return dict(Counter((row.combo, row.wave, row.status) for row in self.hosts(run)))

    def hosts(self, run: str, status: Status | None = None) -> list[HostRow]:
        kept = self._find(run)
        rows = []
        for name, node in sorted(kept.nodes.items()):
            at = _host(kept.hosts[name]) if name in kept.hosts else HostState(name)
            if status is None or at.status is status:
                rows.append(
                    HostRow(name, node.combo, node.wave, at.status, at.step, at.attempt, at.since, at.because)
                )
        return rows

    def slots(self, run: str) -> dict[str, list[str]]:
        holders = self._find(run).holders
        return {slot: sorted(names) for slot, names in sorted(holders.items()) if names}

    def close(self) -> None:
        """Nothing is open."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def _find(self, run: str | None) -> _Run:
        if run is None or run not in self._runs:
            raise no_such_run(run, self._runs)
        return self._runs[run]

    def _leased(self, lease: Lease) -> _Run:
        kept = self._find(lease.run)
        if kept.row.fence != lease.fence or kept.row.owner is None:
            raise lease_lost(lease, kept.row)
        return kept

    def _row(self, kept: _Run) -> RunRow:
        now = self._clock()
        return kept.row._replace(seq=len(kept.events), renewed_at=kept.renewed_at, read_at=now)


class _MemoryWriting:
    """One transaction: it writes at once, and remembers how to take everything back."""

    __slots__ = ("_before", "_clock", "_hosts_before", "_kept", "_moves", "_plan_before")

    def __init__(self, kept: _Run, clock: Callable[[], float]) -> None:
        self._kept = kept
        self._clock = clock
        self._before = (len(kept.events), len(kept.answers), kept.state)
        self._plan_before = (kept.row, kept.graph, kept.nodes)
        self._hosts_before: dict[str, Values | None] = {}
        self._moves: list[tuple[str, str, bool]] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self._kept.renewed_at = self._clock()
        else:
            self._undo()

    def append(self, event: Event, take: Sequence[tuple[str, int]] = ()) -> Event:
        for slot, cap in take:
            self._take(event, slot, cap)
        return _append(self._kept, event, self._clock())

    def amend(self, graph: Graph) -> None:
        kept = self._kept
        kept.row, kept.graph = kept.row._replace(digest=graph.digest), graph
        before, kept.nodes = kept.nodes, {**kept.nodes, **graph.nodes}
        for name, node in graph.nodes.items():
            if name not in before:
                raise no_such_host(name, kept.row.id)
            held = [slot for slot in before[name].slots if name in kept.holders.get(slot, ())]
            if held and node.slots != before[name].slots:
                for slot in held:
                    self._move(slot, name, False)
                for slot in node.slots:
                    self._move(slot, name, True)

    def keep(self, run: RunState, hosts: Iterable[HostState]) -> None:
        kept = self._kept
        kept.state = run_values(run)
        for host in hosts:
            name = host.name
            if name not in kept.nodes:
                raise no_such_host(name, kept.row.id)
            self._hosts_before.setdefault(name, kept.hosts.get(name))
            kept.hosts[name] = host_values(host)
            for slot in kept.nodes[name].slots:
                if (name in kept.holders.get(slot, ())) != host.slot:
                    self._move(slot, name, host.slot)

    def _undo(self) -> None:
        """Take everything back."""
        kept = self._kept
        kept.row, kept.graph, kept.nodes = self._plan_before
        events, answers, kept.state = self._before
        del kept.events[events:], kept.answers[answers:]
        for name, values in self._hosts_before.items():
            if values is None:
                del kept.hosts[name]
            else:
                kept.hosts[name] = values
        for slot, host, held in reversed(self._moves):
            _hold(kept, slot, host, not held)

    def _take(self, event: Event, slot: str, cap: int) -> None:
        host = checked_taker(event)
        if host not in self._kept.nodes:
            raise no_such_host(host, self._kept.row.id)
        holders = self._kept.holders.get(slot, {})
        if host not in holders and len(holders) >= cap:
            raise limit_reached(host, slot, cap, holders)
        if host not in holders:
            self._move(slot, host, True)

    def _move(self, slot: str, host: str, held: bool) -> None:
        self._moves.append((slot, host, held))
        _hold(self._kept, slot, host, held)


def _append(kept: _Run, event: Event, at: float) -> Event:
    written = Event(
        event.kind,
        event.because,
        event.host,
        event.step,
        event.attempt,
        event.data,
        len(kept.events) + 1,
        at,
    )
    kept.events.append(written)
    if written.kind is Kind.ANSWERED:
        kept.answers.append(AnswerRow.of(written))
    return written


def _hold(kept: _Run, slot: str, host: str, held: bool) -> None:
    holders = kept.holders.setdefault(slot, {})
    if held:
        holders[host] = None
    else:
        del holders[host]


def _host(values: Values) -> HostState:
    host = HostState(*host_values(HostState(*values)))
    host.asking = host.reserved = False
    return host
