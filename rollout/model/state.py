"""Where a run stands: one value per host, a few for the run, and indexes so that no question scans the fleet.

State changes only in `rollout.model.fold`. An index is a function of a host's value alone: a change takes the host out of
every index, alters the value, and puts it back; so an index that is kept and one that is built anew are the same.
"""

from bisect import bisect_left, insort
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any

from rollout.model.credit import allowed
from rollout.model.graph import Combo, Graph, Wave
from rollout.model.learned import Learned
from rollout.model.ledger import next_side
from rollout.model.queues import Domain, Group, Line, Queues
from rollout.model.slots import FLEET, Slots


class Status(StrEnum):
    """The words for a host in the graph (design: current and excluded hosts are in no wave)."""

    WAITING = "waiting"
    RUNNING = "running"
    SOAKING = "soaking"
    VERIFIED = "verified"
    HELD = "held"
    RETIRED = "retired"
    GONE = "gone"
    ROLLED_BACK = "rolled-back"


OUT = frozenset({Status.HELD, Status.RETIRED, Status.GONE, Status.ROLLED_BACK})
"""Nothing is done to the host unless a person says so."""


@dataclass(slots=True)
class HostState:
    """One host's progress.

    `passed`: the last step done; `step`: the one in flight (`open`) or last tried; `tries`: its failures so far.
    `attempt` counts the host's orders and never goes back, so that no two share a mark and attempt.
    `slot`: it counts in its limits (held hosts too); `fresh`: it took the slot with the order in flight. `harmed`: it counts as a failure. `answered`: passed gates of the present
    moment (`moment/gate` -> when). `round`: the wave's or run's gates that it still has to answer. `ending`: how the last try came out,
    until something is decided about it. `stuck`: a gate could not find out; a person is asked.
    `effects` is the ledger: steps whose side effect is open, in the order of the chain. `back`: why it walks back, undoing them; None:
    it goes forwards. `found`: what steps handed on, by step. `remedied` counts the remedies that it was given; `failure` is what the one
    in flight is for: step and words. `tried`: the furthest step that may have done something on it.
    """

    name: str
    status: Status = Status.WAITING
    passed: str | None = None
    step: str | None = None
    attempt: int = 0
    tries: int = 0
    deaths: int = 0
    """How often our process for its step died, and the step went on where the host's guard had kept it."""
    open: bool = False
    slot: bool = False
    fresh: bool = False
    harmed: bool = False
    uncertain: bool = False
    ending: str | None = None
    not_before: float = 0.0
    since: float = 0.0
    because: str = ""
    answered: dict[str, float] = field(default_factory=dict)
    gate_tries: dict[str, int] = field(default_factory=dict)
    round: str | None = None
    stuck: bool = False
    remembered: dict[str, Any] = field(default_factory=dict)
    effects: list[str] = field(default_factory=list)
    back: str | None = None
    found: dict[str, dict[str, Any]] = field(default_factory=dict)
    remedied: dict[str, int] = field(default_factory=dict)
    failure: list[str] = field(default_factory=list)
    tried: str | None = None
    suspect: str | None = None
    """The path that it waits for while `stuck`."""
    lost: bool = False
    """A step was under way when its path vanished: what that did is asked before it begins again."""
    late: bool = False
    """It failed after it had been healthy on the target: what it seemed to prove, it did not."""
    started: float = 0.0
    """When the step in flight began."""
    spent: dict[str, float] = field(default_factory=dict)
    """The seconds that each done step took."""
    asking: bool = False
    """A question is in flight: known to the asking controller alone, never written."""
    reserved: bool = False
    """The slot is kept free for it while it is asked; never written."""

    @property
    def exposed(self) -> bool:
        """Whether it is in flight beyond what is proven: it has its slot, or soaks, and neither its health nor its failure is known."""
        if self.status is Status.SOAKING:
            return self.back is None
        begun = self.status is Status.RUNNING or self.status is Status.WAITING
        return begun and self.back is None and (self.slot or self.reserved)

    @property
    def all_found(self) -> dict[str, Any]:
        """What its steps handed on, a later one's word over an earlier one's."""
        return {key: value for found in self.found.values() for key, value in found.items()}

    def to_json(self) -> dict[str, Any]:
        """Without what is never written, and without what is at its default."""
        plain = asdict(self)
        del plain["asking"], plain["reserved"]
        return {key: value for key, value in plain.items() if key == "name" or value not in _EMPTY}

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> "HostState":
        """The value that `to_json` wrote."""
        value["status"] = Status(value.get("status", "waiting"))
        return cls(**value)


_EMPTY: tuple[Any, ...] = (None, "", 0, False, {}, [])


@dataclass(slots=True)
class RunState:
    """What is true of the run as a whole. `tripped` maps a combo (or "" for the whole run) to why its breaker tripped.

    `suspected` maps a path (or our own machine) to why it is in doubt, `suspected_at` is since when this
    controller knows of the last one.
    """

    seq: int = 0
    fence: int = 0
    paused: str | None = None
    paused_by: str = ""
    aborted: str | None = None
    opened: dict[str, float] = field(default_factory=dict)
    passed: dict[str, float] = field(default_factory=dict)
    rounds: list[str] = field(default_factory=list)
    tripped: dict[str, str] = field(default_factory=dict)
    at: float = 0.0
    approved: dict[str, str] = field(default_factory=dict)
    """Rungs after which a person has let the run go on: who, and why."""
    suspected: dict[str, str] = field(default_factory=dict)
    suspected_at: float = 0.0

    def to_json(self) -> dict[str, Any]:
        """A value for json.dumps."""
        return asdict(self)


Place = tuple[str, float]
"""Where a host is to be looked for: idle, ready, waiting or nowhere; or ("timer", when), in seconds since the epoch."""

WALKING = ""
"""In place of a combo: hosts that walk back wait for nothing but their slots."""

NOWHERE: Place = ("nowhere", 0.0)
IDLE: Place = ("idle", 0.0)


class State:
    """A run's progress over its graph. Built from nothing, or from what the journal kept.

    Indexes: `idle` hosts want a decision now, `timers` later; `ready` hosts want a slot, `waiting` ones may begin; `open` have a
    step in flight, `asking` a question, `stuck` need a person.
    """

    def __init__(
        self, graph: Graph, run: RunState | None = None, hosts: dict[str, HostState] | None = None
    ) -> None:
        self.graph = graph
        self.run = run or RunState()
        known = hosts or {}
        self.hosts = {name: known.get(name) or HostState(name) for name in graph.nodes}
        self.idle: dict[str, None] = {}
        self.timers: list[tuple[float, str]] = []
        self.open: dict[str, None] = {}
        self.asking: dict[str, None] = {}
        self.stuck: dict[str, None] = {}
        self.statuses: dict[str, Counter[Status]] = {wave: Counter() for wave in graph.waves}
        self.verified: Counter[str] = Counter()
        self.left: Counter[str] = Counter()
        self.harmed_canaries: Counter[str] = Counter()
        self.harmed_others: Counter[str] = Counter()
        self.rounds_left: Counter[str] = Counter()
        self.late: Counter[str] = Counter()
        """Hosts of each combo that failed after they had been healthy on the target."""
        self.exposed: Counter[str] = Counter()
        """Hosts of each combo in flight beyond what is proven."""
        self.learned = Learned()
        self.walking = 0
        """How many hosts are to walk back."""
        self._ahead_of: Counter[Line] = Counter()
        traits: dict[tuple[str, ...], tuple[str, ...]] = {}
        self._groups: dict[str, Group] = {}
        for node in graph.nodes.values():
            values = tuple(node.factors.values())
            self._groups[node.name] = (node.combo, node.slots, traits.setdefault(values, values))
        domains = dict.fromkeys(group[1] for group in self._groups.values())
        self._places = {domain: _places(graph, domain) for domain in domains}
        longest_first = sorted(graph.nodes, key=lambda name: -graph.nodes[name].expect)
        self._order = {name: index for index, name in enumerate(longest_first)}
        self._loaded: set[str] = set()
        self.ready = Queues()
        self.waiting = Queues()
        self.slots = Slots(graph.caps, domains, self.ready, self.waiting)
        for host in self.hosts.values():
            for step, seconds in host.spent.items():
                self.learned.add(graph.nodes[host.name].combo, step, seconds)
        for host in self.hosts.values():
            self._index(host, weigh=False)
        self.slots.weigh()

    @property
    def harmed(self) -> int:
        """How many hosts count as failures."""
        return self.harmed_canaries.total() + self.harmed_others.total()

    def combo_of(self, name: str) -> Combo:
        """The combo of a host in the graph."""
        return self.graph.combos[self.graph.nodes[name].combo]

    def wave_of(self, name: str) -> Wave:
        """The wave of a host in the graph."""
        return self.graph.waves[self.graph.nodes[name].wave]

    def credit(self, combo: str) -> int:
        """How many more hosts of the combo may be in flight beyond what is proven; less than 0 if a late failure took credit back."""
        harm = self.graph.harm
        if harm is None:
            return len(self.hosts)
        own = allowed(harm, self.verified[combo], self.late[combo]) - self.exposed[combo]
        return min(own, self.credit_of_run())

    def credit_of_run(self) -> int:
        """The same for the whole fleet."""
        harm = self.graph.harm
        if harm is None:
            return len(self.hosts)
        return allowed(harm, self.verified.total(), self.late.total()) - self.exposed.total()

    @contextmanager
    def changing(self, name: str) -> Iterator[HostState]:
        """Alter a host's value: out of every index before, back in after."""
        host = self.hosts[name]
        self._unindex(host)
        try:
            yield host
        finally:
            self._index(host)

    def open_wave(self, wave: str, at: float) -> None:
        """Its waiting hosts may begin from now on."""
        names = self.graph.waves[wave].hosts
        for name in names:
            self._unindex(self.hosts[name])
        self.run.opened[wave] = at
        for name in names:
            self._index(self.hosts[name])

    def _place(self, host: HostState) -> Place:
        """A function of the host's value and of whether its wave is open; nothing else."""
        place = NOWHERE
        if host.open or host.asking or host.stuck or host.status in OUT:
            pass
        elif host.ending is not None:
            place = IDLE
        elif host.not_before and (host.back is None or host.status is not Status.SOAKING):
            place = ("timer", host.not_before)
        elif host.round is not None or host.reserved:
            place = IDLE
        elif host.back is not None:
            place = ("ready", 0.0) if self._wants_slot(host) else IDLE
        elif host.status is Status.WAITING:
            if self.graph.nodes[host.name].wave in self.run.opened:
                place = ("ready" if self._wants_slot(host) else "waiting", 0.0)
        elif host.status is Status.RUNNING:
            place = ("ready", 0.0) if self._wants_slot(host) else IDLE
        elif host.status is Status.SOAKING:
            place = IDLE  # its soak is over
        return place

    def _rank(self, host: HostState) -> int:
        """The longest expected first, then in the graph's order; a host for which something was already asked goes first, and one that walks back before all."""
        ahead = 2 if host.back is not None else 1 if host.answered else 0
        return self._order[host.name] - ahead * len(self._order)

    def _wants_slot(self, host: HostState) -> bool:
        """Whether all that is left to do before its next step is to take the slot."""
        combo = self.combo_of(host.name)
        if host.back is not None:
            side = next_side(combo, host)
            return side is not None and not host.slot and not host.lost and combo.holds_slot(side.name)
        step = combo.following(host.passed)
        if host.slot or step is None or not combo.holds_slot(step.name):
            return False
        after = self.graph.gates_at.get(("after", host.passed or ""), ())
        return all(f"after {host.passed}/{gate.name}" in host.answered for gate in after)

    def _ready_group(self, host: HostState) -> Group:
        group = self._groups[host.name]
        return group if host.back is None else (WALKING, group[1], group[2])

    def _index(self, host: HostState, *, weigh: bool = True) -> None:
        node = self.graph.nodes[host.name]
        self._count(host, 1)
        is_left = not host.slot and host.status in {Status.WAITING, Status.RUNNING}
        if is_left != (host.name in self._loaded):
            (self._loaded.add if is_left else self._loaded.discard)(host.name)
            seconds = max(1, int(node.expect))
            self.slots.load(node.slots, seconds if is_left else -seconds)
            if weigh:
                self.slots.weigh(node.slots)
        if host.slot or host.reserved:
            self.slots.take(node.slots)
        kind, when = self._place(host)
        if kind == "idle":
            self.idle[host.name] = None
        elif kind == "timer":
            insort(self.timers, (when, host.name))
        elif kind == "ready":
            self.ready.add(self._ready_group(host), host.name, self._rank(host))
        elif kind == "waiting":
            self.waiting.add(self._groups[host.name], host.name, self._rank(host))
        for flag, names in ((host.open, self.open), (host.asking, self.asking), (host.stuck, self.stuck)):
            if flag:
                names[host.name] = None

    def _unindex(self, host: HostState) -> None:
        node = self.graph.nodes[host.name]
        kind, when = self._place(host)
        self._count(host, -1)
        if host.slot or host.reserved:
            self.slots.release(node.slots)
        if kind == "idle":
            del self.idle[host.name]
        elif kind == "timer":
            del self.timers[bisect_left(self.timers, (when, host.name))]
        elif kind == "ready":
            self.ready.remove(self._ready_group(host), host.name, self._rank(host))
        elif kind == "waiting":
            self.waiting.remove(self._groups[host.name], host.name, self._rank(host))
        for names in (self.open, self.asking, self.stuck):
            names.pop(host.name, None)

    def _count(self, host: HostState, by: int) -> None:
        node = self.graph.nodes[host.name]
        walking = host.back is not None and host.status not in OUT
        status = Status.RUNNING if walking else host.status  # healthy as it may be yet, it proves nothing
        self.walking += by if walking else 0
        self.statuses[node.wave][status] += by
        if status is Status.VERIFIED:
            self.verified[node.combo] += by
        if host.status in {Status.RETIRED, Status.GONE}:
            self.left[node.combo] += by
        if host.harmed:
            counter = self.harmed_canaries if self.graph.waves[node.wave].canary else self.harmed_others
            counter[node.combo] += by
        if host.late:
            self.late[node.combo] += by
        if host.exposed:
            self.exposed[node.combo] += by
        if host.round is not None and host.status not in OUT:
            self.rounds_left[node.wave] += by
        begun = host.status is Status.RUNNING or (host.status is Status.WAITING and host.asking)
        if begun and not (host.slot or host.reserved):
            self._count_ahead(self._groups[host.name][:2], by)

    def _count_ahead(self, line: Line, by: int) -> None:
        """A domain that is prepared as far as it can take hosts lets others prepare theirs."""
        self._ahead_of[line] += by
        if self._ahead_of[line] >= self._places[line[1]]:
            self.waiting.block(line)
        else:
            self.waiting.unblock(line)


def _places(graph: Graph, domain: Domain) -> int:
    return min((graph.caps[slot] for slot in domain[1:]), default=graph.caps[FLEET])
