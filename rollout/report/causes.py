"""Failures as the journal holds them, grouped by what they say: "17 hosts, one cause"."""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from rollout.model.chain import REMEDY
from rollout.model.event import Event, Kind
from rollout.model.fingerprint import fingerprint
from rollout.model.graph import Graph
from rollout.model.known import known_errors
from rollout.model.seams import Answer, Ending

ANYWHERE = frozenset({Ending.UNREACHABLE, Ending.REFUSED})
"""What may happen in any task of any step: where it did is chance."""

_OVER = frozenset({Kind.DONE, Kind.VERIFIED, Kind.SOAKING, Kind.RETIRED, Kind.GONE, Kind.ROLLED_BACK, Kind.SKIPPED})  # fmt: skip
"""After these a host's failure is no longer where it stands; after a remedy it still is."""


@dataclass(slots=True)
class Failure:
    """One failed try of a step, or a gate that said no. `kind`: the plan's own name of the step; empty for a gate. `says` is as the journal has it.

    `risk`: the known error that it was taken for, or would be by now. `is_open`: the host has not come past it.
    """

    run: str
    host: str
    kind: str
    what: str
    task: str
    says: str
    at: float
    anywhere: bool = False
    risk: str = ""
    is_open: bool = True


@dataclass(frozen=True, slots=True)
class Shared:
    """A value that all hosts of a cause have; how many of the hosts that came through the same step have it, too."""

    factor: str
    value: str
    healthy: int
    of: int


@dataclass(frozen=True)
class Cause:
    """Failures with one fingerprint, in order; `shared`: what their hosts have in common."""

    fingerprint: str
    failures: tuple[Failure, ...]
    combos: Mapping[str, int]
    shared: tuple[Shared, ...]

    @cached_property
    def hosts(self) -> tuple[str, ...]:
        """All that ever failed so."""
        return tuple(dict.fromkeys(failure.host for failure in self.failures))

    @cached_property
    def open(self) -> tuple[str, ...]:
        """The hosts that have not come past it."""
        return tuple(dict.fromkeys(failure.host for failure in self.failures if failure.is_open))

    @cached_property
    def kinds(self) -> tuple[str, ...]:
        """The steps in which it was; none for a gate."""
        return tuple(dict.fromkeys(failure.kind for failure in self.failures if failure.kind))

    @cached_property
    def risks(self) -> tuple[str, ...]:
        """The known errors that it is."""
        return tuple(dict.fromkeys(failure.risk for failure in self.failures if failure.risk))

    @property
    def example(self) -> Failure:
        """The last one, of a host that still stands there if any does."""
        return max(self.failures, key=lambda failure: (failure.is_open, failure.at))


@dataclass
class Told:
    """What a run's journal says of failures. `through`: by step, the hosts that came through it."""

    run: str
    graph: Graph
    failures: list[Failure] = field(default_factory=list)
    through: dict[str, set[str]] = field(default_factory=dict)

    @cached_property
    def names(self) -> frozenset[str]:
        """Of its hosts, and their addresses, in lower case."""
        nodes = self.graph.nodes.values()
        known = [*(node.name for node in nodes), *(node.address for node in nodes)]
        return frozenset(name.lower() for name in (*known, *(u.host for u in self.graph.untouched)) if name)


def told(run: str, graph: Graph, events: Iterable[Event]) -> Told:
    """Read a run's events, in order."""
    found, last = Told(run, graph), dict[str, Failure]()
    for event in events:
        if event.host is not None:
            _note(found, last, event.host, event)
    for failure in found.failures:
        failure.risk = failure.risk or _known_now(graph, failure)
    return found


def _note(found: Told, last: dict[str, Failure], host: str, event: Event) -> None:
    before = last.get(host)
    if event.kind is Kind.FAILED:
        failure = _of_step(found, host, event)
    elif event.kind is Kind.ANSWERED and event.data.get("value") == Answer.FAIL:
        failure = _of_gate(found.run, host, event)
    else:
        if event.kind is Kind.DONE and not (event.step or "").startswith(REMEDY):
            found.through.setdefault(_kind(found.graph, host, event.step), set()).add(host)
        if before is not None:
            _follow(before, event)
        return
    if before is not None:
        before.is_open = False
    found.failures.append(failure)
    last[host] = failure


def _follow(failure: Failure, event: Event) -> None:
    """What became of it."""
    if event.kind in {Kind.HELD, Kind.RETRYING} and event.data.get("risk"):
        failure.risk = str(event.data["risk"])
    elif event.kind is Kind.INTENDED and (event.step or "").startswith(REMEDY):
        failure.risk = (event.step or "").removeprefix(REMEDY)
    elif event.kind in _OVER and not (event.step or "").startswith(REMEDY):
        failure.is_open = False
    elif event.kind is Kind.ANSWERED and event.data.get("value") == Answer.PASS and not failure.kind:
        failure.is_open = failure.is_open and event.data.get("gate") != failure.what.split(" ")[1]


def _of_step(found: Told, host: str, event: Event) -> Failure:
    kind, task = _kind(found.graph, host, event.step), str(event.data.get("task") or "")
    anywhere = event.data.get("ending") in ANYWHERE
    return Failure(found.run, host, kind, event.step or "", task, event.because, event.at, anywhere)


def _of_gate(run: str, host: str, event: Event) -> Failure:
    what = f"gate {event.data.get('gate')} {event.data.get('moment')}"
    return Failure(run, host, "", what, "", event.because, event.at)


def _kind(graph: Graph, host: str, name: str | None) -> str:
    step = graph.step_of(host, name or "") if host in graph.nodes else None
    return step.kind if step is not None else name or ""


def _known_now(graph: Graph, failure: Failure) -> str:
    """The known error that it would be taken for by now: an amendment may have brought one."""
    node = graph.nodes.get(failure.host)
    step = graph.step_of(failure.host, failure.what) if node is not None and failure.kind else None
    if node is None or step is None:
        return ""
    return next((risk.name for risk in known_errors(graph.risks, step, failure.says, node.risks)), "")


def fingerprint_of(failure: Failure, names: Collection[str]) -> str:
    """The same for failures of one cause."""
    step = "" if failure.anywhere else failure.kind or failure.what
    return fingerprint(step, "" if failure.anywhere else failure.task, failure.says, names)


def causes(runs: Iterable[Told]) -> list[Cause]:
    """The failures of some runs by their cause: those of the most hosts that still stand there first."""
    groups: dict[str, list[Failure]] = {}
    by_run = {run.run: run for run in runs}
    for run in by_run.values():
        seen: dict[tuple[object, ...], str] = {}
        for failure in run.failures:
            key = (failure.anywhere, failure.kind or failure.what, failure.task, failure.says)
            if key not in seen:
                seen[key] = fingerprint_of(failure, run.names)
            groups.setdefault(seen[key], []).append(failure)
    found = [_cause(mark, sorted(group, key=lambda one: one.at), by_run) for mark, group in groups.items()]
    return sorted(found, key=lambda cause: (-len(cause.open), -len(cause.hosts), cause.failures[0].at))


def _cause(mark: str, failures: list[Failure], runs: Mapping[str, Told]) -> Cause:
    nodes = {
        (one.run, one.host): node
        for one in failures
        if (node := runs[one.run].graph.nodes.get(one.host)) is not None
    }
    combos = Counter(runs[run].graph.combos[node.combo].of_rule for (run, _), node in nodes.items())
    factors = [dict(node.factors) for node in nodes.values()]
    shared: tuple[Shared, ...] = ()
    if len(factors) > 1:
        healthy = list(_healthy(failures, runs))
        first = factors[0].items()
        alike = [(name, value) for name, value in first if all(one.get(name) == value for one in factors)]
        shared = tuple(
            Shared(name, value, sum(one.get(name) == value for one in healthy), len(healthy))
            for name, value in alike
        )
    return Cause(mark, tuple(failures), dict(combos.most_common()), shared)


def _healthy(failures: list[Failure], runs: Mapping[str, Told]) -> Iterator[Mapping[str, Any]]:
    """The factors of the hosts that came through the same steps and never failed so."""
    failed = {(one.run, one.host) for one in failures}
    kinds = {one.kind for one in failures}
    for name in dict.fromkeys(one.run for one in failures):
        run = runs[name]
        through = set[str]().union(*(run.through.get(kind, ()) for kind in kinds if kind))
        if "" in kinds:  # a gate: whatever came through any step is to be compared with
            through |= set[str]().union(*run.through.values())
        for host in sorted(through):
            if (name, host) not in failed and host in run.graph.nodes:
                yield run.graph.nodes[host].factors
