"""When a run is expected to end, if nothing else fails: from what its hosts have taught, its limits, credit, soaks and windows.

An estimate, not a simulation: hosts of one rung share their limits evenly, and each is taken to be as slow as the p50, or the p90, of its combo.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from rollout.model.credit import bound
from rollout.model.graph import Graph, Need, Wave
from rollout.model.learned import LATE, USUAL
from rollout.model.state import HostState, State, Status
from rollout.report.plain import counted, listed, spoken, stamp

LEFT = frozenset({Status.WAITING, Status.RUNNING})
TURNS = 10_000
"""Windows, or generations of a ramp, beyond which nobody would look."""


@dataclass(frozen=True, slots=True)
class Eta:
    """`ends`: of the run at p50 and p90, in seconds since the epoch; None: it cannot be known. `waves`: the same of each that has not ended.

    `without`: what the estimate leaves out, or why there is none, one clause each. `learned`: whether this run, or an earlier one, taught it.
    """

    ends: tuple[float, float] | None = None
    waves: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    without: tuple[str, ...] = ()
    learned: bool = False


def estimate(graph: Graph, state: State, now: float) -> Eta:
    """Costs a look at each host."""
    if state.run.aborted:
        return Eta(without=("the run was aborted",))
    usual, late = _Forecast(graph, state, now, USUAL), _Forecast(graph, state, now, LATE)
    waves = {
        wave: (end, max(end, late_end))
        for wave, end in usual.ends.items()
        if end is not None and (late_end := late.ends[wave]) is not None and wave in usual.coming
    }
    ends = (max(end for end, _ in waves.values()), max(end for _, end in waves.values())) if waves else None
    taught = any(
        combo.learned or state.learned.count(combo.name, combo.chain[-1].name)
        for combo in graph.combos.values()
    )
    return Eta(ends, waves, tuple(_without(graph, state, usual, ends, now)), taught)


def told(eta: Eta, now: float) -> str:
    """One sentence; empty when nothing is left to expect."""
    without = f"; not counted: {'; '.join(eta.without)}" if eta.without else ""
    if eta.ends is None:
        return f"cannot be known{without.replace('not counted: ', '')}" if eta.without else ""
    usual, late = eta.ends
    basis = (
        "p50..p90 of what hosts took" if eta.learned else "by the plan's `expect`, for nothing is learned yet"
    )
    between = f"at {stamp(usual)}, in {spoken(usual - now)}"
    if late - usual >= 1:
        between = (
            f"between {stamp(usual)} and {stamp(late)}, in {spoken(usual - now)} to {spoken(late - now)}"
        )
    return f"to finish {between} ({basis}), if nothing else fails{without}"


def as_json(eta: Eta) -> object:
    """A value for json.dumps."""
    waves = {wave: {"p50": round(usual), "p90": round(late)} for wave, (usual, late) in eta.waves.items()}
    usual, late = eta.ends or (None, None)
    return {
        "p50": usual and round(usual),
        "p90": late and round(late),
        "waves": waves,
        "without": list(eta.without),
        "learned": eta.learned,
    }


def _without(
    graph: Graph, state: State, found: "_Forecast", ends: tuple[float, float] | None, now: float
) -> list[str]:
    said = [f"the run is paused, since {stamp(state.run.paused_at)}"] if state.run.paused else []
    for rung, hosts in found.unapproved.items():
        said.append(f"{counted(hosts, 'host')} after {rung}, which a person has to approve")
    if found.broken:
        said.append(f"{counted(found.broken, 'host')} that a breaker stops")
    for slot, hosts in found.blocked.items():
        said.append(f"{counted(hosts, 'host')} behind {slot}, which held hosts fill")
    if found.unproven:
        said.append(f"what waits for {listed(found.unproven)}, of which no host is verified")
    if found.shut:
        said.append(f"{listed(found.shut)}, for which no window opens")
    if graph.deadline is not None and (now >= graph.deadline or (ends and ends[1] > graph.deadline)):
        said.append(f"what has not begun by the deadline, {stamp(graph.deadline)}, does not begin")
    return said


class _Forecast:
    """The end of each wave, in their order: None if it cannot be known. `coming`: those in which something has yet to end by itself."""

    def __init__(self, graph: Graph, state: State, now: float, quantile: float) -> None:
        self._graph, self._state, self._now, self._quantile = graph, state, now, quantile
        self.ends: dict[str, float | None] = {}
        self.unapproved: Counter[str] = Counter()
        self.broken = 0
        self.blocked: Counter[str] = Counter()
        self.unproven: list[str] = []
        self.shut: list[str] = []
        left = {wave.id: self._left(wave) for wave in graph.waves.values() if wave.id not in state.run.passed}
        self.coming = {
            wave
            for wave, hosts in left.items()
            if hosts or any(state.hosts[name].status is Status.SOAKING for name in graph.waves[wave].hosts)
        }
        self._loads: dict[str, Counter[str]] = {}
        for identity, hosts in left.items():
            wave = graph.waves[identity]
            load = self._loads.setdefault(wave.rung, Counter())
            for host in hosts:
                for slot in graph.nodes[host.name].slots:
                    load[slot] += self._seconds(host, disrupted=True)
        for wave in graph.waves.values():
            self.ends[wave.id] = self._end(wave, left[wave.id]) if wave.id in left else now

    def _left(self, wave: Wave) -> list[HostState]:
        """Hosts that have yet to do something, and that nothing but time and turns keeps from it."""
        found = []
        for name in wave.hosts:
            host = self._state.hosts[name]
            if host.status not in LEFT or host.back is not None:
                continue
            full = next((slot for slot in self._graph.nodes[name].slots if self._free(slot) <= 0), None)
            if not host.slot and self._state.broken(name):
                self.broken += 1
            elif not host.slot and full is not None:
                self.blocked[full] += 1
            else:
                found.append(host)
        return found

    def _free(self, slot: str) -> int:
        return self._graph.caps[slot] - self._state.dead[slot]

    def _seconds(self, host: HostState, *, disrupted: bool = False) -> int:
        combo = self._state.combo_of(host.name)
        left = combo.chain[len(combo.reached(host.passed)) :]
        steps = [step for step in left if not disrupted or combo.holds_slot(step.name)]
        return round(self._state.learned.of_steps(combo, steps, self._quantile))

    def _end(self, wave: Wave, left: list[HostState]) -> float | None:
        soaking = (self._state.hosts[name] for name in wave.hosts)
        soaked = max((host.not_before for host in soaking if host.status is Status.SOAKING), default=0.0)
        begins = self._begin(wave, left)
        if begins is None:
            return None
        if not left:
            counts = self._state.statuses[wave.id]
            if any(counts[status] for status in LEFT):
                return None  # a breaker or held hosts keep them
            if wave.canary and not soaked and not counts[Status.VERIFIED]:
                self.unproven.append(wave.id)
                return None
            return max(begins, soaked)
        ends = self._worked_off(wave, left, begins)
        if ends is None:
            self.shut.append(wave.id)
            return None
        return max(ends, soaked)

    def _begin(self, wave: Wave, left: list[HostState]) -> float | None:
        if wave.id in self._state.run.opened:
            return self._now
        ends: list[float | None] = [self._now]
        for need in wave.needs:
            if need.approved is not None and need.approved not in self._state.run.approved:
                self.unapproved[need.approved] += len(left)
                return None
            ends += [self.ends.get(name, self._now) for name in self._before(need)]
        known = [end for end in ends if end is not None]
        return max(known) if len(known) == len(ends) else None

    def _before(self, need: Need) -> list[str]:
        if need.wave is not None:
            return [need.wave]
        waves = (
            self._graph.rungs.get(need.rung, ())
            if need.rung
            else self._graph.waves_of.get(need.combo or "", ())
        )
        return [wave.id for wave in waves]

    def _worked_off(self, wave: Wave, left: list[HostState], begins: float) -> float | None:
        """With all that its rung shares; as fast as its credit grows."""
        slots = {slot for host in left for slot in self._graph.nodes[host.name].slots}
        load = self._loads[wave.rung]
        chain = max(self._seconds(host) for host in left)
        held = max(self._seconds(host, disrupted=True) for host in left)
        work = max(max((load[slot] / max(1, self._free(slot)) for slot in slots), default=0.0), held)
        harm, at, number = self._graph.harm, begins, len(left)
        rate = number / work if work > 0 else float("inf")
        verified = max(1, self._state.credit.verified[wave.combo])
        late = bound(self._state.credit.late[wave.combo])
        for _ in range(TURNS):
            batch = number if harm is None else min(number, max(1, int(harm * verified / late)))
            free = batch == number or batch / (chain + wave.soak) >= rate
            batch = number if free else batch
            busy = chain - held + max(held, batch / rate)
            ends = self._open_for(self._graph.nodes[left[0].name].zones, at, busy, chain)
            if ends is None:
                return None
            at, number, verified = ends + wave.soak, number - batch, verified + batch
            if number <= 0:
                return at
        return None

    def _open_for(self, key: tuple[str, ...], at: float, busy: float, need: float) -> float | None:
        """When so many seconds of work are done, of which only those in a window count."""
        calendar = self._graph.calendar
        if calendar is None:
            return at + busy
        for _ in range(TURNS):
            opens = calendar.next_opening(key, at, min(need, busy))
            closes = None if opens is None else calendar.open_until(key, opens)
            if opens is None or closes is None:
                return None
            if opens + busy <= closes:
                return opens + busy
            busy, at = busy - (closes - opens), closes
        return None
