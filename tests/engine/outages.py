"""An imagined world in which a bastion dies under its hosts: what was begun on them goes on, and nobody gets through."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar

from rollout.executors.rehearsal import Job, World
from rollout.model.seams import Answer, Ending, Order, Outcome, Subject, Verdict

BASTION, PATH = "root@b1:22", "through root@b1:22 as root with a key"
LOST = "Connection closed by UNKNOWN port 65535"


@dataclass(frozen=True)
class Outage:
    """Nobody gets through to these hosts meanwhile; seconds since the epoch. `bastion`: nor into the bastion before them."""

    hosts: frozenset[str]
    begin: float
    end: float
    bastion: bool = True
    ending: Ending = Ending.UNREACHABLE


@dataclass(slots=True)
class BrokenWorld(World):
    """The steps that the host's guard keeps go on during an outage, and a later order finds them."""

    outages: tuple[Outage, ...] = ()
    kept: dict[str, float] = field(default_factory=dict)
    full_until: float = 0.0

    def cut(self, host: str) -> Outage | None:
        return next(
            (one for one in self.outages if host in one.hosts and one.begin <= self.now() < one.end), None
        )

    def begin(self, order: Order) -> Job:
        now = self.now()
        if now < self.full_until:
            return self._ends(order, now, Ending.CONTROLLER, "no space left on device", begun=False)
        if cut := self.cut(order.host):
            return self._ends(order, now, cut.ending, LOST, begun=False)
        if order.lost and order.mark in self.kept:
            return self._through(order, self._ends(order, max(now, self.kept[order.mark]), Ending.DONE, ""))
        job = super(BrokenWorld, self).begin(order)
        self.kept[order.mark] = job.until
        return self._through(order, job)

    def _through(self, order: Order, job: Job) -> Job:
        """Unless its host vanishes meanwhile."""
        cuts = [
            (one.begin, one.ending)
            for one in self.outages
            if order.host in one.hosts and job.began <= one.begin < job.until
        ]
        return self._ends(order, *min(cuts), LOST) if cuts else job

    def _ends(self, order: Order, at: float, ending: Ending, because: str, *, begun: bool = True) -> Job:
        outcome = Outcome(order.host, order.step.name, order.attempt, ending, because, begun=begun)
        job = Job(order, self.now(), at, outcome)
        self.jobs[order.host, order.attempt] = job
        return job


@dataclass
class ImaginedWays:
    """All hosts of the world share one path. `asked` counts who was asked, and when."""

    world: BrokenWorld
    has_bastion: bool = True
    alone: bool = False
    broken: Exception | None = None
    asked: Counter[tuple[float, str]] = field(default_factory=Counter)

    def path(self, host: str) -> str | None:
        del host
        if self.broken:
            raise self.broken
        return PATH

    def fellows(self, host: str, others: Sequence[str], count: int) -> list[str]:
        assert host not in others
        return [] if self.alone else list(others[:count])

    def knock(self, host: str) -> str:
        self.asked[self.world.now(), host] += 1
        return "no answer within 12 s" if self.world.cut(host) else ""

    def knock_at_bastion(self, host: str) -> tuple[str, str] | None:
        if not self.has_bastion:
            return None
        self.asked[self.world.now(), BASTION] += 1
        cut = self.world.cut(host)
        return BASTION, "Permission denied (publickey)" if cut and cut.bastion else ""


class FreshGate:
    """Asks whether the host takes a fresh connection."""

    remembers: ClassVar[bool] = False

    def __init__(self, world: BrokenWorld) -> None:
        self._world = world

    def check(self, subject: Subject) -> Verdict:
        if self._world.cut(subject.host):
            return Verdict(Answer.FAIL, LOST, {"reached": False})
        return Verdict(Answer.PASS, "a fresh connection answered", {"reached": True})

    def remember(self, subject: Subject) -> Verdict:
        return self.check(subject)
