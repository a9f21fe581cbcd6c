"""Whole runs over imagined hosts, for what can only be seen at the end of one."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from rollout.engine.inbox import VirtualInbox
from rollout.executors.rehearsal import Fault, World
from rollout.journal.memory import MemoryJournal
from rollout.model.decision import Stop
from rollout.model.event import Event, Kind
from rollout.model.graph import Graph
from rollout.model.seams import Ending
from rollout.model.state import State, Status
from tests.fleet import an_engine


@dataclass
class Rehearsed:
    """A run, its hosts and its journal; each `go` is a controller that comes to its own end."""

    graph: Graph
    faults: Mapping[tuple[str, str], Fault] = field(default_factory=dict)
    start: float = 1000.0
    unhealthy: frozenset[str] = frozenset()
    mute: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        self.inbox = VirtualInbox(self.start)
        self.world = World(self.inbox.now, faults=self.faults, unhealthy=self.unhealthy, mute=self.mute)
        self.journal = MemoryJournal(self.inbox.now)
        self.journal.create("run", self.graph, plan_file="plan.yml", created_by="test")
        self.state = State(self.graph)

    def go(self) -> Stop:
        engine = an_engine(self.graph, self.journal, self.world, self.inbox)
        stop = engine.run()
        self.state = engine.state
        return stop

    def ask(self, kind: Kind, host: str | None = None, **data: str) -> None:
        self.journal.request("run", Event(kind, "because", host, data=data))

    @property
    def events(self) -> list[Event]:
        return list(self.journal.events("run"))

    def disrupted(self) -> list[str]:
        """The hosts that were upgraded or tried to be, in order."""
        return [host for host, step in self.world.began if step == "upgrade"]

    def began(self) -> list[str]:
        """The hosts on which anything was begun, in order."""
        return list(dict.fromkeys(host for host, _ in self.world.began))

    def with_status(self, status: Status) -> list[str]:
        return sorted(name for name, host in self.state.hosts.items() if host.status is status)


def lost(
    *hosts: str, step: str = "reboot", ending: Ending = Ending.UNREACHABLE
) -> dict[tuple[str, str], Fault]:
    """These never come back from that step."""
    return {(host, step): Fault(ending, 99, "it does not answer") for host in hosts}
