"""Where a run stands: one value per host, one for the run, and indexes so that no question scans the fleet.

State changes only in `rollout.model.fold`. An index is a function of a host's value alone: a change takes the host out of
every index, alters the value, and puts it back; so an index that is kept and one that is built anew are the same.
"""

from bisect import bisect_left, insort
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from rollout.model.breaker import covers
from rollout.model.credit import Credit
from rollout.model.evidence import Evidence
from rollout.model.graph import Combo, Graph, Wave
from rollout.model.learned import Learned
from rollout.model.progress import OUT, UNFINISHED, HostState, RunState, Status
from rollout.model.queues import Domain, Group, Line, Queues
from rollout.model.slots import FLEET, Slots
from rollout.model.whereabouts import place_of

__all__ = ["OUT", "WALKING", "HostState", "RunState", "State", "Status"]


WALKING = ""
"""In place of a combo: hosts that walk back wait for nothing but their slots."""


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
        self.busy = dict.fromkeys(graph.waves, 0)
        """Of each wave, the hosts that have yet to come to an end."""
        self.unfinished = {
            combo: [wave for wave in line if wave.id not in self.run.passed]
            for combo, line in graph.waves_of.items()
        }
        """The waves of each combo that have not passed."""
        self.dead: Counter[str] = Counter()
        """How many held hosts keep each slot."""
        self.credit = Credit(graph.harm)
        self.left: Counter[str] = Counter()
        self.harmed_canaries: Counter[str] = Counter()
        self.harmed_others: Counter[str] = Counter()
        self.rounds_left: Counter[str] = Counter()
        self.learned = Learned()
        self.evidence = Evidence(graph.nodes)
        self.walking = 0
        """How many hosts are to walk back."""
        self._ahead_of: Counter[Line] = Counter()
        self._ahead_in: Counter[str] = Counter()
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

    @property
    def verified(self) -> Counter[str]:
        """How many hosts of each combo are verified."""
        return self.credit.verified

    def combo_of(self, name: str) -> Combo:
        """The combo of a host in the graph."""
        return self.graph.combos[self.graph.nodes[name].combo]

    def wave_of(self, name: str) -> Wave:
        """The wave of a host in the graph."""
        return self.graph.waves[self.graph.nodes[name].wave]

    def may_prepare(self, combo: str) -> bool:
        """Whether one more host may do what needs no slot: no more get ready than may be in flight."""
        return self._ahead_in[combo] < self.credit.allows(combo)

    def broken(self, name: str) -> str | None:
        """The breaker that keeps the host from beginning."""
        node = self.graph.nodes[name]
        return next((why for key, why in self.run.tripped.items() if covers(key, node)), None)

    @contextmanager
    def switching(self) -> Iterator[None]:
        """Trip or reset a breaker: hosts that it concerns are no longer ahead of others, or are again."""
        names = [host.name for host in self.hosts.values() if self._is_begun(host)]
        for name in names:
            self._unindex(self.hosts[name])
        try:
            yield
        finally:
            for name in names:
                self._index(self.hosts[name])

    @contextmanager
    def changing(self, name: str) -> Iterator[HostState]:
        """Alter a host's value: out of every index before, back in after."""
        host = self.hosts[name]
        self._unindex(host)
        try:
            yield host
        finally:
            self._index(host)

    def pass_wave(self, wave: str, at: float) -> None:
        """All that it was to prove is proven."""
        self.run.passed[wave] = at
        line = self.unfinished[self.graph.waves[wave].combo]
        line[:] = [other for other in line if other.id != wave]

    def kept(self, name: str) -> bool:
        """Whether a host that is not disrupted can begin only after a person has released others: a breaker, or held hosts, keep it."""
        host = self.hosts[name]
        if host.slot or host.reserved or host.open or host.asking or host.status is Status.SOAKING:
            return False
        slots = self.graph.nodes[name].slots
        return bool(self.broken(name)) or any(self.dead[slot] >= self.graph.caps[slot] for slot in slots)

    def open_wave(self, wave: str, at: float) -> None:
        """Its waiting hosts may begin from now on."""
        names = self.graph.waves[wave].hosts
        for name in names:
            self._unindex(self.hosts[name])
        self.run.opened[wave] = at
        for name in names:
            self._index(self.hosts[name])

    def _rank(self, host: HostState) -> int:
        """The longest expected first, then in the graph's order; a host for which something was already asked goes first, and one that walks back before all."""
        ahead = 2 if host.back is not None else 1 if host.answered else 0
        return self._order[host.name] - ahead * len(self._order)

    def _ready_group(self, host: HostState) -> Group:
        group = self._groups[host.name]
        return group if host.back is None else (WALKING, group[1], group[2])

    def _index(self, host: HostState, *, weigh: bool = True) -> None:
        node = self.graph.nodes[host.name]
        self.evidence.see(host)
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
        kind, when = place_of(self.graph, self.run, host)
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
        kind, when = place_of(self.graph, self.run, host)
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
        if status in UNFINISHED:
            self.busy[node.wave] += by
        if host.slot and status is Status.HELD:
            for slot in node.slots:
                self.dead[slot] += by
        if status is Status.VERIFIED:
            self.credit.prove(node.combo, by)
        if host.status in {Status.RETIRED, Status.GONE, Status.EXCLUDED}:
            self.left[node.combo] += by
        if host.harmed:
            counter = self.harmed_canaries if self.graph.waves[node.wave].canary else self.harmed_others
            counter[node.combo] += by
        if host.late:
            self.credit.lose(node.combo, by)
        if host.exposed:
            self.credit.expose(node.combo, by)
        if host.round is not None and host.status not in OUT:
            self.rounds_left[node.wave] += by
        if self._is_begun(host) and not self.broken(host.name):
            self._ahead_in[node.combo] += by
            self._count_ahead(self._groups[host.name][:2], by)

    @staticmethod
    def _is_begun(host: HostState) -> bool:
        """Whether it gets ready for its slot."""
        begun = host.status is Status.RUNNING or (host.status is Status.WAITING and host.asking)
        return begun and not (host.slot or host.reserved)

    def _count_ahead(self, line: Line, by: int) -> None:
        """A domain that is prepared as far as it can take hosts lets others prepare theirs."""
        self._ahead_of[line] += by
        if self._ahead_of[line] >= self._places[line[1]]:
            self.waiting.block(line)
        else:
            self.waiting.unblock(line)


def _places(graph: Graph, domain: Domain) -> int:
    return min((graph.caps[slot] for slot in domain[1:]), default=graph.caps[FLEET])
