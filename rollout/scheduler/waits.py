"""Each way to wait, in one sentence: the numbers, what is not known, and what a person can do. Times are UTC."""

from shlex import quote

from rollout.model.breaker import covers
from rollout.model.graph import Graph
from rollout.model.learned import USUAL
from rollout.model.people import approvals_before
from rollout.model.progress import UNFINISHED
from rollout.model.state import HostState, State, Status
from rollout.model.zones import UTC, Zone, told
from rollout.scheduler import standing
from rollout.scheduler.windows import spoken

SHOWN = 3
LONG = 86400.0
"""Seconds after which what waits for a person has been forgotten, as it seems."""

NEW_RUN = "`rollout apply` begins a new one"

ANSWERED = frozenset({Status.RETIRED, Status.ROLLED_BACK})


def at_time(at: float, now: float) -> str:
    """When, and how far from now."""
    away = f"in {spoken(at - now)}" if at > now else f"{spoken(now - at)} ago"
    return f"{told(Zone(UTC), at, now)} UTC, {away}"


def since(at: float, now: float) -> str:
    """Since when something has been so; what is older than a day is marked."""
    forgotten = ", forgotten?" if now - at >= LONG else ""
    return f"since {told(Zone(UTC), at, now)} UTC ({spoken(now - at)}{forgotten})"


def word(host: str) -> str:
    """A host's name as it is typed in a shell; one that would act on a terminal is not repeated."""
    return quote(host) if host.isprintable() else "HOST"


def named(names: list[str]) -> str:
    """`a1, a2, a3 and 4 more`."""
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return f"{', '.join(names[:SHOWN])}{more}"


def paused(state: State, now: float) -> str:
    """Since when, by whom and why; and what lifts it."""
    began = f" {since(state.run.paused_at, now)}" if state.run.paused_at else ""
    lifts = "" if "rollout resume" in (state.run.paused or "") else "; `rollout resume` goes on"
    return f"the run is paused{began}: {state.run.paused}{lifts}"


def breaker(state: State, why: str) -> str:
    """What tripped it, and who is to be answered for."""
    held = _held_by_risk(state, why)
    if held:
        who = "it" if len(held) == 1 else "each of them"
        return f"{why}; it goes on once {who} is answered for ({named(held)}): `rollout retry {word(held[0])} --reason WHY`, or `rollout retire`"
    failed = [
        host.name
        for host in state.hosts.values()
        if host.harmed and host.status not in ANSWERED and state.broken(host.name) == why
    ]
    asked = standing.tripped_by(state, why)
    if asked and not failed:
        return f"{why}; once that is mended `rollout resume` asks again, and `rollout gate waive {word(asked)} --reason WHY` goes on without it"
    if not failed:
        return why
    return (
        f"{why}; failed: {named(failed)}: `rollout retry {word(failed[0])} --reason WHY` answers for "
        f"{'it' if len(failed) == 1 else 'the first'}; to retire it gives it up, and what is stopped stays so"
    )


def _held_by_risk(state: State, why: str) -> list[str]:
    """Whom a known error holds that halts what the breaker stops."""
    for key, trip in state.run.trips.items():
        if trip.get("by") == "risk" and state.run.tripped.get(key) == why:
            nodes = state.graph.nodes
            risky = [host for host, risk in state.run.risky.items() if risk == trip["risk"]]
            return [host for host in risky if host in nodes and covers(key, nodes[host])]
    return []


def approval(graph: Graph, state: State, rung: str) -> str:
    """What was seen up to there, what comes after, and how to approve it."""
    before = {
        wave for wave in graph.waves if rung not in approvals_before(graph, wave)
    }  # the rung itself may be empty
    counts = {status: sum(state.statuses[wave][status] for wave in before) for status in Status}
    total, after = (
        sum(counts.values()),
        sum(len(graph.waves[wave].hosts) for wave in graph.waves if wave not in before),
    )
    failed = f", {counts[Status.HELD]} held" if counts[Status.HELD] else ""
    whom = "began the run" if graph.identity is None else "wrote the plan"
    eyes = f" (not by whoever {whom})" if graph.four_eyes else ""
    said = f"what comes after {rung} waits for an approval: {counts[Status.VERIFIED]} of {total} hosts up to there are verified{failed}, {after} come after"
    earlier = next((one for one in graph.approvals if one not in state.run.approved), rung)
    names = (name for wave in before for name in graph.waves[wave].hosts)
    if earlier != rung or any(
        state.hosts[name].status in UNFINISHED and not state.kept(name) for name in names
    ):
        return f"{said}; it is asked for when those before it are done"
    return f"{said}; look at them, then `rollout approve --through {word(rung)} --reason WHY`{eyes}"


def credit(state: State, combo: str, now: float) -> str:
    """How many may be in flight beyond what is proven, and when the next one may."""
    found = state.credit
    of_combo = combo if found.left(combo) < found.left() else None
    where = f" of {combo}" if of_combo else " in all"
    counts = (found.verified, found.outdated, found.late, found.exposed)
    verified, outdated, late, exposed = (count[combo] if of_combo else count.total() for count in counts)
    taken = f" ({outdated} by what was amended since, which counts no more)" if outdated else ""
    taken += f" ({late} failed late, which takes credit back)" if late else ""
    soon = _next_verified(state, of_combo, now)
    return (
        f"credit: {verified} {'host is' if verified == 1 else 'hosts are'} verified{where}{taken}, so {found.allows(of_combo):g} may be in flight "
        f"beyond proof; {exposed} {'is' if exposed == 1 else 'are'}; the next begins when one of them is verified{soon}"
    )


def _next_verified(state: State, combo: str | None, now: float) -> str:
    """When the first of those in flight is expected to be verified, if nothing fails."""
    in_flight = [
        host
        for host in state.hosts.values()
        if host.exposed and combo in {None, state.graph.nodes[host.name].combo}
    ]
    ends = [
        (end, host.name) for host in in_flight if (end := verified_at(state, host, now, USUAL)) is not None
    ]
    if not ends:
        return ""
    end, name = min(ends)
    return f" (expected: {name}, at {at_time(end, now)})"


def verified_at(state: State, host: HostState, now: float, quantile: float) -> float | None:
    """When a host in flight is verified, if nothing fails; None for one that is not in flight."""
    if host.status is Status.SOAKING:
        return host.not_before or now
    if host.status is not Status.RUNNING:
        return None
    combo = state.combo_of(host.name)
    left = combo.chain[len(combo.reached(host.passed)) :]
    seconds = state.learned.of_steps(combo, left, quantile)
    begun = host.started if host.open and left and host.step == left[0].name else now
    return max(now, begun + seconds) + state.wave_of(host.name).soak


def limits(graph: Graph, state: State, slots: list[str], now: float) -> str:
    """Who fills them; and of those that dead hosts fill, how a person frees the one that is held for longest."""
    holders = {
        slot: [
            host
            for host in state.hosts.values()
            if (host.slot or host.reserved) and slot in graph.nodes[host.name].slots
        ]
        for slot in slots[:SHOWN]
    }
    said = "; ".join(_limit(graph, state, slot, found, now) for slot, found in holders.items())
    more = f"; and {len(slots) - SHOWN} more limits are" if len(slots) > SHOWN else ""
    dead = [
        host
        for slot, found in holders.items()
        for host in found
        if host.status is Status.HELD and state.dead[slot] >= graph.caps[slot]
    ]
    oldest = min(dead, key=lambda host: (host.since, host.name), default=None)
    return f"{said}{more}; {frees(oldest.name)}" if oldest else f"{said}{more}"


def _limit(graph: Graph, state: State, slot: str, holders: list[HostState], now: float) -> str:
    """The dead ones first."""
    dead = sorted((host for host in holders if host.status is Status.HELD), key=lambda host: host.since)
    others = sorted(f"{host.name} {host.status}" for host in holders if host.status is not Status.HELD)
    names = [*(f"{host.name} held {since(host.since, now)}" for host in dead), *others]
    return f"limit {slot} is full ({state.slots.taken[slot]} of {graph.caps[slot]}: {named(names)})"


def frees(host: str, what: str = "frees its place") -> str:
    """What a person can do with a held host."""
    retry, retire = (f"`rollout {request} {word(host)} --reason WHY`" for request in ("retry", "retire"))
    return f"{retry} lets {word(host)} go on, {retire} {what}"
