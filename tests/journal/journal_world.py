"""A small graph, a clock that a test turns, and every journal."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from rollout import journal
from rollout.journal import Journal, Lease, Owner
from rollout.journal.memory import MemoryJournal
from rollout.model.chain import Step
from rollout.model.event import Event, Kind
from rollout.model.graph import Combo, Graph, Node, Wave
from rollout.model.state import HostState, RunState, Status
from tests.journal import postgres_server

ME = Owner.current()
REBOOTED = replace(ME, boot_id="another boot")
DEAD = replace(ME, start_time=ME.start_time + 1)
ELSEWHERE = replace(REBOOTED, machine="elsewhere")
RUN = "tokyo-1"


@dataclass
class Clock:
    now: float = 1_000.0

    def __call__(self) -> float:
        return self.now


MAKERS: dict[str, Callable[[Path, Clock], Journal]] = {
    "memory": lambda _, clock: MemoryJournal(clock),
    "sqlite": lambda folder, clock: journal.open(str(folder / ".rollout" / "journal.sqlite3"), clock),
    "postgresql": lambda _, clock: journal.open(postgres_server.shared().emptied(), clock),
}


def graph(names: Sequence[str] = ("h1", "h2", "h3", "h4"), plan: str = "tokyo") -> Graph:
    """Hosts of one combo, two to a rack; the first is the canary."""
    nodes = {
        name: Node(
            name, "kvm", "kvm/1" if i == 0 else "kvm/2", ("fleet", f"rack=r{i // 2}"), {"os": "debian-12"}
        )
        for i, name in enumerate(names)
    }
    chain = (Step("stage"), Step("upgrade", once=True), Step("verify"))
    waves = {
        "kvm/1": Wave("kvm/1", "kvm", tuple(names[:1]), canary=True),
        "kvm/2": Wave("kvm/2", "kvm", tuple(names[1:]), canary=False),
    }
    caps = {"fleet": 2, **{node.slots[1]: 1 for node in nodes.values()}}
    combo = Combo("kvm", chain, {"os": ("debian-13",)}, len(nodes))
    return Graph(plan, "digest", nodes, {"kvm": combo}, waves, (), caps, 10, 0, {"kvm": 0}, 0)


class Controller:
    """Writes as the engine does: it knows what it has read, and keeps what it folded."""

    def __init__(self, opened: Journal, lease: Lease, seen: int = 0) -> None:
        self.journal = opened
        self.lease = lease
        self.run = RunState(seq=seen)

    def write(self, event: Event, *hosts: HostState, take: Sequence[tuple[str, int]] = ()) -> Event:
        """One durable event. A refused one leaves this controller where it was."""
        seen = self.run.seq
        try:
            with self.journal.writing(self.lease, seen) as writing:
                written = writing.append(event, take)
                self.run.seq, self.run.at = written.seq, written.at
                writing.keep(self.run, hosts)
        except Exception:
            self.run.seq = seen
            raise
        return written

    def start(self, name: str, slots: Sequence[tuple[str, int]]) -> Event:
        running = HostState(name, Status.RUNNING, "stage", "upgrade", 1, open=True, slot=True)
        return self.write(Event(Kind.INTENDED, "its wave is open", name, "upgrade", 1), running, take=slots)


def begun(opened: Journal, world: Graph | None = None, owner: Owner = ME) -> Controller:
    """A run that a controller holds."""
    opened.create(RUN, world or graph(), plan_file="plan.yml", created_by="ada")
    return Controller(opened, opened.claim(RUN, owner))
