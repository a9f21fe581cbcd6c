"""A second opinion on a run: its events counted again, host by host, without any of the product's own bookkeeping.

It is slow and plain on purpose. Each broken rule raises AssertionError with the event that broke it.
"""

from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from math import floor
from zoneinfo import ZoneInfo

from rollout.model.chain import Step
from rollout.model.decision import Stop
from rollout.model.event import Event
from rollout.model.graph import Need, Wave
from rollout.model.state import State
from tests.engine.ramps import DAY, Drawn

BOUNDS = (3.0, 4.744, 6.296, 7.754, 9.154, 10.513, 11.842, 13.148, 14.435, 15.705)
"""The 95 % upper bounds of a Poisson mean after 0, 1, 2 ... events, from a table; the first is the rule of three."""

COMBO = "combo"
OUT = {"held", "retired", "rolled-back", "excluded"}


@dataclass
class Seen:
    """What the events say of one host."""

    status: str = "waiting"
    slot: bool = False
    open: str | None = None
    took: bool = False
    passed: str | None = None
    step: str | None = None
    attempts: int = 0
    failed: bool = False
    late: bool = False
    silent: bool = False
    away: bool = False
    proofs: list[str] = field(default_factory=list)
    """What has shown it healthy since it was last disrupted."""
    spent: dict[str, float] = field(default_factory=dict)
    began: float = 0.0


class Rules:
    """Told every event of a run, in order."""

    def __init__(self, drawn: Drawn) -> None:
        self.drawn, self.graph = drawn, drawn.graph
        self.hosts = {name: Seen() for name in drawn.graph.nodes}
        self.canaries = {name for wave in self.graph.waves.values() if wave.canary for name in wave.hosts}
        self.opened: set[str] = set()
        self.passed: set[str] = set()
        self.approved: set[str] = set()
        self.tripped: list[dict[str, str]] = []
        self.paused = self.aborted = False
        self.at = drawn.start
        self.until: float | None = None
        """When the present controller has to end."""

    # --- the rules of a beginning ---------------------------------------------------------------------------------------------

    def may_begin(self, event: Event, walks_back: bool) -> None:
        """Nothing that holds no slot goes on while anything stops it."""
        assert not self.paused, f"in a pause: {event}"
        if walks_back:
            return
        node, graph = self.graph.nodes[event.host or ""], self.graph
        assert not self.aborted, f"after an abort: {event}"
        for stopped in self.tripped:
            stops = all(
                value == (node.combo if factor == COMBO else node.factors[factor])
                for factor, value in stopped.items()
            )
            assert not stops, f"after the breaker of {stopped or 'the run'}: {event}"
        failed = {name for name, seen in self.hosts.items() if seen.failed}
        assert len(failed) <= graph.tolerated_run, f"over the run's budget: {event}"
        halts = self.drawn.plan.failures.on_fault == "halt"
        for combo in graph.combos if halts else (node.combo,):
            own = {name for name in failed if graph.nodes[name].combo == combo}
            others = len(own - self.canaries)
            assert len(own & self.canaries) <= graph.tolerated_canary, f"over the canaries' budget: {event}"
            assert others <= graph.tolerated_combo.get(combo, others), f"over the budget of {combo}: {event}"
        for value, tolerated in graph.tolerated_per.items():
            factor, _, level = value.partition("=")
            alike = sum(graph.nodes[name].factors[factor] == level for name in failed)
            if halts or node.factors[factor] == level:
                assert alike <= tolerated, f"over the budget of {value}: {event}"

    def has_room(self, event: Event) -> None:
        """Whoever holds a place counts: running, dead, held or uncertain."""
        for slot in event.data["slots"]:
            holders = [
                name
                for name, seen in self.hosts.items()
                if seen.slot and slot in self.graph.nodes[name].slots
            ]
            assert len(holders) <= self.graph.caps[slot], f"{slot} is held by {holders}: {event}"

    def has_credit(self, event: Event) -> None:
        if self.graph.harm is None:
            return
        combo = self.graph.nodes[event.host or ""].combo
        everyone = list(self.hosts.items())
        own = [(name, seen) for name, seen in everyone if self.graph.nodes[name].combo == combo]
        for which, among in (("the run", everyone), (combo, own)):
            in_flight = sum(
                (seen.status == "running" and seen.slot) or seen.status == "soaking" for _, seen in among
            )
            verified = sum(seen.status == "verified" for _, seen in among)
            late = sum(seen.late for _, seen in among)
            bound = BOUNDS[min(late, len(BOUNDS) - 1)] * 0.995
            may = max(1, floor(self.graph.harm * verified / bound))
            assert in_flight + 1 <= may, (
                f"{which}: {in_flight} in flight, {verified} verified, {late} late: {event}"
            )

    def has_time(self, event: Event, seen: Seen) -> None:
        """It may begin at this time, and all of it fits into what is left."""
        ends = event.at + self._needs(event.host or "", seen)
        for last in (self.graph.deadline, self.until):
            assert last is None or ends <= last, f"beyond the end of its time: {event}"
        if self.drawn.nights or self.drawn.denied:
            instants = (event.at, *range(int(event.at) + 60, int(ends), 1800), ends - 0.01)
            for at in instants:
                assert self.is_open(event.host or "", at), (
                    f"closed at {datetime.fromtimestamp(at, UTC)}: {event}"
                )

    def is_open(self, host: str, at: float) -> bool:
        """What the windows say, by the clocks of the standard library."""
        drawn = self.drawn
        if drawn.denied and drawn.denied[0] * DAY <= at < (drawn.denied[1] + 1) * DAY:
            return False
        if not drawn.nights:
            return True
        for night in drawn.nights:
            zone = ZoneInfo(night.zone or drawn.zone_of[host])
            today = datetime.fromtimestamp(at, zone).date()
            for day in (today, today - timedelta(days=1)):
                if (
                    day.weekday() in night.days
                    and _opens(day, night.begins, zone)
                    <= at
                    < _opens(day, night.begins, zone) + night.hours * 3600
                ):
                    return True
        return False

    def _needs(self, host: str, seen: Seen) -> float:
        """The seconds to the end of its chain, in each step longer than nine of ten hosts of its combo took."""
        chain, combo = self.chain(host), self.graph.nodes[host].combo
        names = [step.name for step in chain]
        left = chain[names.index(seen.passed) + 1 :] if seen.passed else chain
        total = 0.0
        for step in left:
            took = sorted(
                other.spent[step.name]
                for name, other in self.hosts.items()
                if self.graph.nodes[name].combo == combo and step.name in other.spent
            )
            total += step.expect if len(took) < 5 else took[min(len(took) - 1, int(0.9 * len(took)))]
        return total

    # --- the rules of an end -------------------------------------------------------------------------------------------------------------

    def is_healthy(self, event: Event, seen: Seen) -> None:
        """A host gives its place back, and counts as a proof, only after somebody or something has looked."""
        name = event.host or ""
        assert seen.open is None, f"a step is in flight: {event}"
        assert seen.passed == self.chain(name)[-1].name, f"not at the end of its chain: {event}"
        assert seen.proofs, f"zero samples passed: {event}"
        for gate in self.graph.gates:
            if gate.when.edge == "after" and gate.when.what in {step.name for step in self.chain(name)}:
                assert gate.name in seen.proofs, f"gate {gate.name} has not passed: {event}"

    def is_met(self, need: Need) -> bool:
        if need.approved is not None:
            return need.approved in self.approved
        if need.rung is not None:
            rung = self.graph.rungs[need.rung]
            earlier = self.graph.harm is not None
            statuses = {self.hosts[name].status for wave in rung for name in wave.hosts}
            if statuses <= {"retired", "excluded", "rolled-back"}:  # a person took them out of the run
                return earlier or self._any_verified(*self.graph.waves.values())
            return self._any_verified(*(self.graph.waves.values() if earlier else rung))
        if need.wave is not None:
            wave = self.graph.waves[need.wave]
            if not wave.canary or self.graph.harm is None:
                return need.wave in self.passed
            return self._any_verified(*(one for one in self.graph.waves_of[wave.combo] if one.canary))
        combo = self.graph.combos[need.combo or ""]
        members = [seen for name, seen in self.hosts.items() if self.graph.nodes[name].combo == combo.name]
        left = [seen for seen in members if seen.status not in {"retired", "excluded"}]
        verified = sum(seen.status == "verified" for seen in left) + combo.current
        return verified > 0 and verified >= need.share * (len(left) + combo.current) - 1e-9

    def _any_verified(self, *waves: Wave) -> bool:
        return any(self.hosts[name].status == "verified" for wave in waves for name in wave.hosts)

    def ends(self, stop: Stop, state: State) -> None:
        """The exit code says what is true, and the product's own count is this one."""
        for name, seen in self.hosts.items():
            host = state.hosts[name]
            assert (seen.status, seen.slot) == (host.status, host.slot), f"{name} is {seen}, not {host}"
            assert seen.open is None, f"{name} was left in mid-step"
        statuses = Counter(seen.status for seen in self.hosts.values())
        unfinished = statuses["waiting"] + statuses["running"] + statuses["soaking"]
        told = f"exit code {stop.exit_code} ({stop.because}) with {dict(statuses)}"
        assert stop.exit_code in ({0, 3, 4, 7, 8} if self.until is None else {0, 3, 4, 7, 8, 75}), told
        if stop.exit_code == 7:
            assert unfinished, told
            assert set(self.graph.approvals) - self.approved, told
            assert not self.tripped, told
        if stop.exit_code in {0, 4}:
            assert not unfinished, told
            assert bool(statuses["held"]) == (stop.exit_code == 4), told
        if stop.exit_code == 8 and not self.paused:
            assert self.until is not None, told
            assert self.graph.calendar is not None, told
        if stop.exit_code == 3 and not unfinished:
            assert self.aborted or self.paused or self.tripped or set(self.graph.waves) - self.passed, told

    # --- what hosts are ----------------------------------------------------------------------------------------------------------

    def chain(self, host: str) -> tuple[Step, ...]:
        return self.graph.combos[self.graph.nodes[host].combo].chain

    def is_disruptive(self, host: str, name: str) -> bool:
        """From the first step that disrupts on. An undo is, where its step was."""
        chain = self.chain(host)
        names = [step.name for step in chain]
        first = next(
            number for number, step in enumerate(chain) if step.once or step.disruptive or step.drain
        )
        return names.index(name.removeprefix("undo-")) >= first

    def before(self, host: str, name: str) -> str | None:
        names = [step.name for step in self.chain(host)]
        return names[names.index(name) - 1] if names.index(name) else None


def _opens(day: date, hour: int, zone: ZoneInfo) -> float:
    return datetime.combine(day, time(hour), zone).timestamp()
