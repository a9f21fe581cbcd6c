"""A run over an imagined fleet from its first event to its last, controllers that die included. The policy is that of the real run: there is no other."""

import math
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from rollout.engine.inbox import Message, VirtualInbox
from rollout.engine.rehearsal import imagined_owner, rehearsed_engine
from rollout.errors import DONE, ERROR
from rollout.executors.imagined import Chances, Fates, ImaginedGate, drawn
from rollout.executors.rehearsal import World
from rollout.journal.memory import MemoryJournal
from rollout.model.decision import Stop
from rollout.model.event import Event, Kind
from rollout.model.graph import Graph
from rollout.model.plan import DURING
from rollout.model.simulated import Simulated
from rollout.model.state import State, Status
from rollout.scheduler.waves import approval_awaited

RUN = "simulation"

REBORN = 60.0
"""Seconds after which the next controller takes over from one that died."""

LONGEST = 366 * 86400.0
"""Seconds of a run beyond which nobody would wait for its end."""

PATIENCE = 1000
"""Events for each host beyond which a run goes round in circles."""

LOOK = math.inf
"""A person wakes whoever waits: nobody has to look at the journal in between."""

CLIMBS = frozenset({Kind.PASSED, Kind.HELD, Kind.TRIPPED, Kind.VERIFIED, Kind.APPROVED, Kind.TAKEN_UP})
"""After which events an approval may be all that is waited for."""

STOPPERS = frozenset({Kind.TRIPPED, Kind.STUCK, Kind.PAUSED, Kind.SUSPECTED, Kind.ABORTED})


@dataclass(frozen=True, slots=True)
class Scenario:
    """Besides the chances of hosts: how often the controller dies, and how many seconds a person takes to approve what is asked of him."""

    chances: Chances = field(default_factory=Chances)
    crashes: int = 0
    approval: float = 0.0
    start: float = 0.0
    """When the run begins, in seconds since the epoch: windows look at it."""


@dataclass(frozen=True, slots=True)
class Simulation:
    """A run that has ended, to be looked at: all that is in its journal, its last state, and the hosts themselves."""

    result: Simulated
    events: tuple[Event, ...]
    state: State
    world: World
    fates: Fates


Enough = Callable[[Event, State], bool]
"""Told of every event; True if nothing that follows is of interest."""


def simulate(
    graph: Graph, scenario: Scenario, seed: int, enough: Enough = lambda _event, _state: False
) -> Simulation:
    """The whole run, or until enough was seen. It always ends: what waits for ever is cut off, and says so.

    Gates `during` the run are left out: what they ask about is not imagined, and they are asked every few seconds for days.
    """
    asked = tuple(rule for rule in graph.gates if rule.when.edge != DURING)
    imagined = graph if len(asked) == len(graph.gates) else replace(graph, gates=asked)
    return _Run(imagined, scenario, seed, enough).carried()


class _Died(BaseException):
    """The controller was killed: nothing may catch it."""


class _Enough(BaseException):
    """What was to be seen was seen."""


class _Endless(BaseException):
    """It will never end; the message says how that is known."""


class _Timeline(VirtualInbox):
    """Virtual time that outlives controllers, and has an end."""

    def __init__(self, start: float, turns: int) -> None:
        super().__init__(start)
        self._end = start + LONGEST
        self._turns = turns
        self._act: tuple[float, Callable[[], None]] | None = None

    def get(self, until: float | None) -> Message | None:
        """As that of `VirtualInbox`. Raises _Endless when nothing ever comes, or too late, or too often."""
        self._turns -= 1
        if self._turns < 0:
            raise _Endless("it goes round in circles: far more turns were taken than its hosts have steps")
        due = math.inf if until is None else until
        due = min(due, self._heap[0][0]) if self._heap else due
        if self._act is not None and self._act[0] <= due:
            self._do()
            return None
        if math.isinf(due):
            raise _Endless("it waits for ever: nothing is in flight, and nothing is due")
        message = super().get(until)
        if self._now > self._end:
            raise _Endless(f"it is not at its end after {LONGEST / 86400:.0f} days")
        return message

    def later(self, seconds: float, act: Callable[[], None]) -> None:
        """A person will do something then; whoever waits is woken."""
        self._act = (self._now + seconds, act)

    def waits_for_person(self) -> bool:
        """Whether anybody was to do something; it is done by now."""
        waited = self._act is not None
        self._do()
        return waited

    def _do(self) -> None:
        if self._act is not None:
            (at, act), self._act = self._act, None
            self._now = max(self._now, at)
            act()

    def restart(self) -> None:
        """Nobody hears what was to be reported to a controller that died."""
        self._heap.clear()
        self._now += REBORN


class _Person:
    """Approves what is asked of him, so many seconds after he is asked."""

    def __init__(self, graph: Graph, journal: MemoryJournal, inbox: _Timeline, delay: float) -> None:
        self._graph, self._journal, self._inbox, self._delay = graph, journal, inbox, delay
        self._asked: set[str] = set()

    def look(self, state: State) -> None:
        """He is asked when nothing else is waited for."""
        rung = approval_awaited(self._graph, state)
        if rung is not None and rung not in self._asked:
            self._asked.add(rung)
            self._inbox.later(self._delay, lambda: self._approve(rung))

    def _approve(self, rung: str) -> None:
        data = {"through": rung, "digest": self._graph.digest, "by": "imagined"}
        self._journal.request(RUN, Event(Kind.APPROVED, "approved by an imagined person", data=data))


@dataclass
class _Watch:
    """Looks at each event as it is written."""

    graph: Graph
    deaths: list[int]
    person: _Person
    enough: Enough
    slots: dict[str, float] = field(default_factory=dict)
    vm_seconds: float = 0.0
    stopped: list[Event] = field(default_factory=list)
    seen: int = 0

    def listen(self, event: Event, state: State) -> None:
        """Raises _Died where the controller is to die, _Enough when nothing else is of interest."""
        self.seen += 1
        if event.host is not None:
            self._count(event.host, event.at, taken=state.hosts[event.host].slot)
        if event.kind in STOPPERS:
            self.stopped.append(event)
        if self.graph.approvals and event.kind in CLIMBS:
            self.person.look(state)
        if self.enough(event, state):
            raise _Enough
        if self.deaths and self.seen >= self.deaths[0]:
            self.deaths.pop(0)
            raise _Died

    def _count(self, host: str, at: float, *, taken: bool) -> None:
        since = self.slots.get(host)
        if taken and since is None:
            self.slots[host] = at
        elif since is not None and not taken:
            del self.slots[host]
            self.vm_seconds += (at - since) * (self.graph.nodes[host].guests or 0)

    def end(self, at: float) -> None:
        """What still holds its slot has held it until now."""
        for host in tuple(self.slots):
            self._count(host, at, taken=False)


class _Run:
    def __init__(self, graph: Graph, scenario: Scenario, seed: int, enough: Enough) -> None:
        self._graph, self._scenario, self._seed = graph, scenario, seed
        self._inbox = _Timeline(scenario.start, PATIENCE * (len(graph.nodes) + 10))
        self._fates = Fates(graph, scenario.chances, seed)
        self._world = World(self._inbox.now, self._fates.duration, self._fates)
        self._gates = {
            rule.name: ImaginedGate(self._world, self._fates, graph, rule.name) for rule in graph.gates
        }
        self._journal = MemoryJournal(self._inbox.now)
        self._journal.create(RUN, graph, plan_file="", created_by="")
        person = _Person(graph, self._journal, self._inbox, scenario.approval)
        self._watch = _Watch(graph, self._deaths(), person, enough)

    def _deaths(self) -> list[int]:
        """After which events the controller dies; most runs have at least so many."""
        steps = sum(len(self._graph.chain_of(name).chain) for name in self._graph.nodes)
        crashes = self._scenario.crashes
        return sorted(1 + int(drawn(self._seed, number, "crash")[0] * 2 * steps) for number in range(crashes))

    def carried(self) -> Simulation:
        """Through as many controllers as it takes."""
        state: State | None = None
        number, deaths, endless = 0, 0, False
        while True:
            number += 1
            lease = self._journal.claim(RUN, imagined_owner(number))
            engine = rehearsed_engine(
                self._journal,
                lease,
                self._graph,
                self._world,
                self._inbox,
                gates=self._gates,
                listener=self._watch.listen,
                poll=LOOK,
            )
            state = engine.state
            try:
                stop = engine.run()
            except _Died:
                deaths += 1
                self._inbox.restart()
                continue
            except _Enough:
                stop = Stop(DONE, "enough was seen")
                break
            except _Endless as why:
                stop, endless = Stop(ERROR, f"the simulation was cut off: {why}"), True
                break
            if not self._inbox.waits_for_person():
                break
        return self._ended(stop, state, deaths, endless=endless)

    def _ended(self, stop: Stop, state: State, crashes: int, *, endless: bool) -> Simulation:
        start, now = self._scenario.start, self._inbox.now()
        self._watch.end(now)
        statuses: Counter[Status] = Counter()
        for counts in state.statuses.values():
            statuses.update(counts)
        events = tuple(self._journal.events(RUN))
        result = Simulated(
            self._seed,
            stop,
            start,
            now - start,
            {wave: at - start for wave, at in state.run.passed.items()},
            self._fates.harmed(self._world),
            self._watch.vm_seconds / 60,
            tuple(self._watch.stopped),
            {status: number for status, number in statuses.items() if number},
            crashes,
            len(events),
            endless,
        )
        return Simulation(result, events, state, self._world, self._fates)
