"""Where a run stands: one value per host, one for the run, and indexes so that no question scans the fleet.

State changes only in `rollout.model.fold`. What the indexes show of a host, its facets, is a function of its value alone: after a change, where they differ
from what was shown before is put right; so an index that is kept and one that is built anew are the same.
"""

from bisect import bisect_left, insort
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

from rollout.model.breaker import covers
from rollout.model.credit import Credit
from rollout.model.evidence import Evidence
from rollout.model.graph import Combo, Graph, Node, Wave
from rollout.model.learned import Learned
from rollout.model.progress import OUT, UNFINISHED, HostState, RunState, Status
from rollout.model.question import Question, during
from rollout.model.queues import Domain, Group, Kin, Line, Queues
from rollout.model.slots import FLEET, Slots
from rollout.model.whereabouts import place_of

__all__ = ["OUT", "WALKING", "HostState", "RunState", "State", "Status"]


WALKING: Kin = ("", ())
"""In place of a combo and its zones: hosts that walk back wait for nothing but their slots."""


QUEUED = frozenset({"ready", "waiting"})

Counted = tuple[Status, bool, bool, bool, bool, bool, bool, bool, bool]
"""As what a host counts: its status; whether it walks back, is held with its slot, failed, failed late, is exposed, has a round to answer, gets ready,
and is no proof of an amended plan."""


class Facets(NamedTuple):
    """What the indexes show of a host, a function of its value.

    `disrupted`: it has, or has reserved, its slots. `is_left`: it is work that its domains have still to do. `place`: its queue, with when, its rank there, and
    whether it walks back. `flags`: open, asking, stuck.
    """

    counted: Counted | None
    disrupted: bool
    is_left: bool
    place: tuple[str, float, int, bool]
    flags: tuple[bool, bool, bool]


UNSEEN = Facets(None, False, False, ("nowhere", 0.0, 0, False), (False, False, False))


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
        self.asked_fleet: set[str] = set()
        """Questions about the fleet that are in flight."""
        self.heard: dict[str, float] = {}
        """When each of them was answered last, to this controller."""
        self.during: dict[Question, tuple[Node, ...]] = during(graph)
        """What is asked all the time, and the hosts that each question is about."""
        self.learned = Learned()
        self.evidence = Evidence(graph.nodes, {slot.partition("=")[0] for slot in graph.caps})
        self.walking = 0
        """How many hosts are to walk back."""
        self._ahead_of: Counter[Line] = Counter()
        self._ahead_in: Counter[Kin] = Counter()
        traits: dict[tuple[str, ...], tuple[str, ...]] = {}
        self._groups: dict[str, Group] = {}
        for node in graph.nodes.values():
            values = tuple(node.factors.values())
            self._groups[node.name] = (
                (node.combo, node.zones),
                node.slots,
                traits.setdefault(values, values),
            )
        self._alike = {group: name for name, group in self._groups.items()}
        self._stopped: set[Group] = set()
        domains = dict.fromkeys(group[1] for group in self._groups.values())
        self._places = {domain: _places(graph, domain) for domain in domains}
        longest_first = sorted(graph.nodes, key=lambda name: -graph.nodes[name].expect)
        self._order = {name: index for index, name in enumerate(longest_first)}
        self._shown: dict[str, Facets] = {}
        self.ready, self.waiting = Queues(), Queues()
        self.slots = Slots(graph.caps, domains, self.ready, self.waiting)
        for host in self.hosts.values():
            for step, seconds in host.spent.items():
                self.learned.add(graph.nodes[host.name].combo, step, seconds)
        for host in self.hosts.values():
            self._show(host, weigh=False)
        self.slots.weigh()
        self._stop_groups()

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

    def may_prepare(self, kin: Kin) -> bool:
        """Whether one more host may do what needs no slot: no more get ready than may be in flight."""
        return self._ahead_in[kin] < self.credit.allows(kin[0])

    def broken(self, name: str) -> str | None:
        """The breaker that keeps the host from beginning."""
        node = self.graph.nodes[name]
        return next((why for key, why in self.run.tripped.items() if covers(key, node)), None)

    @contextmanager
    def switching(self) -> Iterator[None]:
        """Trip or reset a breaker: hosts that it concerns are no longer ahead of others, or are again."""
        yield
        self._stop_groups()
        self._show_begun()

    def _stop_groups(self) -> None:
        """Hosts that a breaker keeps from beginning are not looked at again and again: those of a group are all kept, or none."""
        for group, name in self._alike.items():
            stopped = self.broken(name) is not None
            if stopped != (group in self._stopped):
                (self._stopped.add if stopped else self._stopped.discard)(group)
                for queues in (self.ready, self.waiting):
                    (queues.stop if stopped else queues.go)(group)

    def changing(self, name: str) -> "_Changing":
        """Alter a host's value; every index shows it afterwards."""
        return _Changing(self, self.hosts[name])

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
        self.run.opened[wave] = at
        for name in self.graph.waves[wave].hosts:
            self._show(self.hosts[name])

    def _rank(self, host: HostState) -> int:
        """The longest expected first, then in the graph's order; a host for which something was already asked goes first, and one that walks back before all."""
        ahead = 2 if host.back is not None else 1 if host.answered else 0
        return self._order[host.name] - ahead * len(self._order)

    def _show(self, host: HostState, *, weigh: bool = True) -> None:
        """Bring the indexes up to date: only where they show something of the host that has changed."""
        self.evidence.see(host)
        name, new = host.name, self._facets(host)
        old = self._shown.get(name, UNSEEN)
        if new == old:
            return
        self._shown[name] = new
        node = self.graph.nodes[name]
        if new.counted != old.counted:
            full = self._full_of_dead(node)
            self._count(node, old.counted, -1)
            self._count(node, new.counted, 1)
        if new.is_left != old.is_left:
            seconds = max(1, int(node.expect))
            self.slots.load(node.slots, seconds if new.is_left else -seconds)
            self.credit.load(node.combo, seconds if new.is_left else -seconds)
            if weigh:
                self.slots.weigh(node.slots)
        if new.disrupted != old.disrupted:
            (self.slots.take if new.disrupted else self.slots.release)(node.slots)
        if new.place != old.place:
            self._leave(name, *old.place)
            self._enter(name, *new.place)
        for flag, was, names in zip(new.flags, old.flags, (self.open, self.asking, self.stuck), strict=True):
            if flag and not was:
                names[name] = None
            elif was and not flag:
                del names[name]
        if new.counted != old.counted and full != self._full_of_dead(node):
            self._show_begun()

    def _full_of_dead(self, node: Node) -> list[bool]:
        return [self.dead[slot] >= self.graph.caps[slot] for slot in node.slots] if self.dead else []

    def _show_begun(self) -> None:
        """Hosts that only a person's word lets go on are no longer ahead of others, or are again."""
        for host in self.hosts.values():
            if host.name in self._shown and self._is_begun(host):
                self._show(host)

    def _facets(self, host: HostState) -> Facets:
        walking = host.back is not None and host.status not in OUT
        counted = (
            Status.RUNNING if walking else host.status,  # healthy as it may be yet, it proves nothing
            walking,
            host.slot and host.status is Status.HELD,
            host.harmed,
            host.late,
            host.exposed,
            host.round is not None and host.status not in OUT,
            self._is_begun(host) and not self.kept(host.name),
            host.discounted,
        )
        kind, when = place_of(self.graph, self.run, host)
        return Facets(
            counted,
            host.slot or host.reserved,
            not host.slot and (host.status is Status.WAITING or host.status is Status.RUNNING),
            (kind, when, self._rank(host) if kind in QUEUED else 0, host.back is not None),
            (host.open, host.asking, host.stuck),
        )

    def _enter(self, name: str, kind: str, when: float, rank: int, back: bool) -> None:
        if kind == "idle":
            self.idle[name] = None
        elif kind == "timer":
            insort(self.timers, (when, name))
        elif kind == "ready":
            self.ready.add(self._ready_group(name, back), name, rank)
        elif kind == "waiting":
            self.waiting.add(self._groups[name], name, rank)

    def _leave(self, name: str, kind: str, when: float, rank: int, back: bool) -> None:
        if kind == "idle":
            del self.idle[name]
        elif kind == "timer":
            del self.timers[bisect_left(self.timers, (when, name))]
        elif kind == "ready":
            self.ready.remove(self._ready_group(name, back), name, rank)
        elif kind == "waiting":
            self.waiting.remove(self._groups[name], name, rank)

    def _ready_group(self, name: str, back: bool) -> Group:
        group = self._groups[name]
        return (WALKING, group[1], group[2]) if back else group

    def _count(self, node: Node, counted: Counted | None, by: int) -> None:
        if counted is None:
            return
        status, walking, dead, harmed, late, exposed, asked, ahead, discounted = counted
        self.walking += by if walking else 0
        self.statuses[node.wave][status] += by
        if status in UNFINISHED:
            self.busy[node.wave] += by
        if dead:
            self.dead.update(dict.fromkeys(node.slots, by))
            self.dead = +self.dead
        if status is Status.VERIFIED:
            self.credit.prove(node.combo, by)
            if discounted:
                self.credit.discount(node.combo, by)
        if status in {Status.RETIRED, Status.GONE, Status.EXCLUDED}:
            self.left[node.combo] += by
        if harmed:
            counter = self.harmed_canaries if self.graph.waves[node.wave].canary else self.harmed_others
            counter[node.combo] += by
        if late:
            self.credit.lose(node.combo, by)
        if exposed:
            self.credit.expose(node.combo, by)
        if asked:
            self.rounds_left[node.wave] += by
        if ahead:
            line = self._groups[node.name][:2]
            self._ahead_in[line[0]] += by
            self._count_ahead(line, by)

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


class _Changing:
    """Entered to alter a host's value; the indexes are told at the end."""

    __slots__ = ("_host", "_state")

    def __init__(self, state: State, host: HostState) -> None:
        self._state, self._host = state, host

    def __enter__(self) -> HostState:
        return self._host

    def __exit__(self, *_: object) -> None:
        self._state._show(self._host)  # noqa: SLF001  a part of State


def _places(graph: Graph, domain: Domain) -> int:
    return min((graph.caps[slot] for slot in domain[1:]), default=graph.caps[FLEET])
