"""Breakers: what fails too often is stopped with what shares the fault, and goes on when people have answered for the failures.

1. Counts: more failures than are tolerated in a combo, with a factor's value, or in the run.
2. Evidence: hosts that share something fail too often, whatever is tolerated; exactly those that share it are stopped.
3. Known risk: a host failed with an error that is known to concern all with the same value of a factor.
4. Common cause: hosts that share nothing declared fail; the run pauses, for what broke them may be no host's fault.
"""

from collections.abc import Collection, Iterator
from typing import Any

from rollout.model.breaker import COMBO, Subset, covers, data_of, key_of, subset_of
from rollout.model.decision import Record
from rollout.model.event import Event, Kind
from rollout.model.evidence import SPREAD_STOPS_AT, Spread, Suspect
from rollout.model.graph import Graph
from rollout.model.known import called
from rollout.model.state import State
from rollout.model.suspicion import BY_COMMON_CAUSE
from rollout.scheduler import standing

CLOSE = 3600.0
"""Seconds within which failures are close together."""


def breakers(graph: Graph, state: State, now: float) -> list[Record]:
    """Trip what failed too often, by counts before evidence; reset what no longer counts as failed."""
    run = state.run
    if not (state.harmed or run.tripped):
        return []
    over, risky = dict(_over(graph, state)), _risky(graph, state)
    records = [
        _trip(state, subset, why, "count")
        for subset, why in over.items()
        if key_of(subset) not in run.tripped
    ]
    records += [
        _trip(state, subset, because, "risk", risk=risk)
        for subset, (risk, because) in risky.items()
        if key_of(subset) not in run.tripped and subset not in over
    ]
    records = records or _by_evidence(state, now)
    records += [_reset(state, key) for key in run.tripped if _is_answered(state, key, {*over, *risky})]
    return records or _halt(graph, state)


def _over(graph: Graph, state: State) -> Iterator[tuple[Subset, str]]:
    """What exceeds its budget, and why."""
    for combo in sorted({*state.harmed_canaries, *state.harmed_others}):
        canaries, others = state.harmed_canaries[combo], state.harmed_others[combo]
        tolerated = graph.tolerated_combo.get(combo, others)
        if canaries > graph.tolerated_canary:
            failed = f"{_failed(canaries, 'canary', 'canaries')}, {graph.tolerated_canary} tolerated"
            yield ((COMBO, combo),), f"{combo}: {failed}; nothing more begins in this combo"
        elif others > tolerated:
            failed = f"{_failed(others, 'host')} after its canaries, {tolerated} tolerated"
            yield ((COMBO, combo),), f"{combo}: {failed}; nothing more begins in this combo"
    for key, tolerated in graph.tolerated_per.items():
        factor, _, value = key.partition("=")
        failed_with = state.evidence.harmed(((factor, value),))
        if failed_with > tolerated:
            who = key_of(((factor, value),))
            hosts = "1 host" if failed_with == 1 else f"{failed_with} hosts"
            failed = f"{hosts} with {who} failed, {tolerated} tolerated"
            yield ((factor, value),), f"{failed}; nothing more begins on hosts with {who}"
    if state.harmed > graph.tolerated_run:
        yield (
            (),
            f"{_failed(state.harmed, 'host')} in this run, {graph.tolerated_run} tolerated; nothing more begins",
        )


def _risky(graph: Graph, state: State) -> dict[Subset, tuple[str, str]]:
    """What a known error halts with the hosts that failed so: its name, and why."""
    if not state.run.risky:
        return {}
    halting = {risk.name: risk for risk in graph.risks if risk.then == "halt"}
    found: dict[Subset, tuple[str, str]] = {}
    for host, name in state.run.risky.items():
        risk, node = halting.get(name), graph.nodes.get(host)
        if risk is None or node is None or risk.halts not in node.factors:
            continue
        subset = ((risk.halts, node.factors[risk.halts]),)
        who = key_of(subset)
        because = f"{host} failed with the known error {called(risk)}, which halts all with {who}: nothing more begins on hosts with {who}"
        found.setdefault(subset, (name, because))
    return found


def _trip(state: State, subset: Subset, why: str, by: str, **counted: Any) -> Record:
    data = {**data_of(subset), "by": by, "harmed": state.evidence.harmed(subset), **counted}
    return Record(Event(Kind.TRIPPED, why, data=data))


def _halt(graph: Graph, state: State) -> list[Record]:
    """`on_fault: halt`: what stops a part stops all."""
    tripped = state.run.tripped
    if graph.on_fault != "halt" or "" in tripped or not tripped:
        return []
    first = next(iter(tripped.values()))
    return [_trip(state, (), f"{first}; `on_fault: halt`, so nothing more begins anywhere", "halt")]


def _is_answered(state: State, key: str, over: Collection[Subset]) -> bool:
    """Whether people have answered for failures, and what is left is neither too many nor evidence. Healthy hosts alone reset nothing."""
    subset, trip = subset_of(key), state.run.trips.get(key, {})
    if subset in over or subset in state.evidence.hot:
        return False
    if trip.get("by") == standing.BY_GATE:
        return standing.is_mended(state, trip)
    if trip.get("by") == "halt":
        return len(state.run.tripped) == 1
    if trip.get("by") == "risk":
        return True
    return bool(state.evidence.harmed(subset) < trip.get("harmed", state.harmed + 1))


def _reset(state: State, key: str) -> Record:
    trip = state.run.trips.get(key, {})
    who, risk = key or "the run", trip.get("risk")
    if trip.get("by") == standing.BY_GATE:
        because = f"{who}: gate {trip['gate']} {standing.mended(state, trip)}; it goes on"
        return Record(Event(Kind.RESET, because, data=data_of(subset_of(key))))
    left = [host for host, name in state.run.risky.items() if name == risk]
    if any(covers(key, state.graph.nodes[host]) for host in left if host in state.graph.nodes):
        because = f"{who}: by the plan as it was amended, {risk} does not halt it any more; it goes on"
    else:
        because = f"{who}: its failures were answered for by a person; it goes on"
    return Record(Event(Kind.RESET, because, data=data_of(subset_of(key))))


def _by_evidence(state: State, now: float) -> list[Record]:
    """One at a time: what the best explanation explains is no news for the next."""
    run, evidence = state.run, state.evidence
    if "" in run.tripped or run.paused or run.aborted:
        return []
    explained = [subset_of(key) for key in run.tripped if _explains(state, key)]
    suspects = [suspect for suspect in evidence.suspects(explained) if not _is_no_news(state, suspect)]
    best = [suspect.subset for suspect in suspects[:1]]
    recently = max(run.excused_at, now - CLOSE)
    for since in dict.fromkeys((recently, run.excused_at)):
        spread = evidence.spread(since, [*best, *explained])
        if spread is not None:
            return [_pause(spread)]
    return [_stop(state, suspect) for suspect in suspects[:1]]


def _explains(state: State, key: str) -> bool:
    """A count is no explanation; a known risk, and hosts that failed too often by the evidence, are one."""
    return (
        state.run.trips.get(key, {}).get("by") in {"evidence", "risk"} or subset_of(key) in state.evidence.hot
    )


def _is_no_news(state: State, suspect: Suspect) -> bool:
    """Whether all that it would stop has begun or is stopped, or the failures lie in one stopped combo, which explains them as well."""
    run, evidence = state.run, state.evidence
    if not evidence.left(suspect.subset) or evidence.combos_of(suspect.subset) <= run.tripped.keys():
        return True
    if len(suspect.combos) > 1:
        return False
    (combo,) = suspect.combos
    return combo in run.tripped and suspect.e_value <= evidence.value_of(((COMBO, combo),))


def _stop(state: State, suspect: Suspect) -> Record:
    counted = {
        "failed": suspect.failed,
        "healthy": suspect.healthy,
        "failed_outside": suspect.failed_outside,
        "healthy_outside": suspect.healthy_outside,
        "e_value": suspect.e_value,
        "stops_at": suspect.stops_at,
    }
    return _trip(state, suspect.subset, _because(suspect), "evidence", **counted)


def _because(suspect: Suspect) -> str:
    key = key_of(suspect.subset)
    is_combo = suspect.subset[0][0] == COMBO
    inside = f"of combo {key}" if is_combo else f"with {key}"
    begun, others = suspect.failed + suspect.healthy, suspect.failed_outside + suspect.healthy_outside
    counts = f"{suspect.failed} of {begun} begun hosts {inside} failed"
    if others:
        counts += f", {suspect.failed_outside} of {others} others did"
    evidence = f"(e-value {said(suspect.e_value)}, stops at {said(suspect.stops_at)})"
    stops = "in this combo" if is_combo else f"on hosts with {key}"
    return f"{counts} {evidence}: nothing more begins {stops}; what they share is a correlation, not a cause: `rollout why HOST` says how each failed"


def _pause(spread: Spread) -> Record:
    begun, within = spread.failed + spread.healthy, _span(spread.last - spread.first)
    because = (
        f"{spread.failed} of the last {begun} hosts failed within {within}, in {len(spread.combos)} combos that share no declared factor "
        f"(e-value {said(spread.e_value)}, stops at {said(SPREAD_STOPS_AT)}): something common is suspected, and not known: a mirror, "
        "a playbook, a network? `rollout why HOST` says how each failed; once it is mended, `rollout resume` goes on"
    )
    counted = {
        "failed": spread.failed,
        "healthy": spread.healthy,
        "combos": list(spread.combos),
        "first": spread.first,
        "e_value": spread.e_value,
        "stops_at": SPREAD_STOPS_AT,
    }
    return Record(Event(Kind.PAUSED, because, data={"by": BY_COMMON_CAUSE, **counted}))


def said(value: float) -> str:
    """An e-value, short: whole below a million."""
    return f"{value:,.0f}" if value < 1e6 else f"{value:.0e}".replace("e+", "e")


def _span(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.0f} h"


def _failed(count: int, one: str, many: str = "") -> str:
    return f"{count} {one if count == 1 else many or f'{one}s'} failed"
