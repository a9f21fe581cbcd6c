"""What befalls the hosts of an imagined fleet, by chance.

Every draw follows from the seed, the host and what is drawn, never from the order of events: a seed replays exactly, and
another policy can be given the same fleet with the same luck.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from hashlib import blake2b
from struct import Struct
from typing import ClassVar

from rollout.executors.rehearsal import Fault, World
from rollout.model.chain import Step
from rollout.model.graph import Combo, Graph, Node
from rollout.model.seams import Answer, Ending, Subject, Verdict

FOR_EVER = 1_000_000_000
"""Times that a step fails whose host is broken."""

GRAIN = 64.0
"""Durations are whole parts of a second of this size, so that sums of times are exact, and ties the same whenever a run begins."""

_FOUR = Struct("<4Q")


@dataclass(frozen=True, slots=True)
class Defect:
    """Something that breaks hosts which are alike. `name` is how a person wrote it.

    A host is concerned if all of `factors` (factor -> glob) fit and it is of `combo`; no factor and no combo: all hosts. `q` is the share
    of these that it breaks. It shows in `step` (None: in the first `once` step of the chain, else the first disruptive, else the last), with
    that `ending`; with `late`, only in gates, so many seconds after the host's last step.
    """

    name: str
    factors: Mapping[str, str] = field(default_factory=dict)
    combo: str | None = None
    q: float = 1.0
    step: str | None = None
    late: float | None = None
    ending: Ending = Ending.FAILED

    def concerns(self, node: Node) -> bool:
        """Whether such a host can have it."""
        if self.combo is not None and node.combo != self.combo:
            return False
        return all(fnmatchcase(node.factors.get(factor, ""), glob) for factor, glob in self.factors.items())

    def shows_in(self, combo: Combo) -> str | None:
        """The step that fails; None when none does."""
        if self.late is not None:
            return None
        if self.step is not None:
            return self.step if combo.step(self.step) is not None else None
        first = next((step.name for step in combo.chain if step.once), None) or combo.first_disruptive
        return first or combo.chain[-1].name


@dataclass(frozen=True, slots=True)
class Chances:
    """What may happen, and how often. Shares are from 0 to 1.

    `spread` is the sigma of the lognormal durations, whose median is the step's `expect`. A share of `stragglers` takes `slower` times as long in
    each step. `base` is the share of hosts that fail by themselves, for good, while they are disrupted. `gaps`: of the answers of gates that are
    inconclusive.
    """

    spread: float = 0.3
    stragglers: float = 0.0
    slower: float = 4.0
    base: float = 0.0
    gaps: float = 0.0
    defects: tuple[Defect, ...] = ()


def drawn(*what: object) -> tuple[float, float, float, float]:
    """Four numbers from 0 to 1 that follow from what is drawn alone."""
    digest = blake2b("\0".join(map(str, what)).encode(), digest_size=32).digest()
    first, second, third, fourth = _FOUR.unpack(digest)
    return first / 2**64, second / 2**64, third / 2**64, fourth / 2**64


class Fates(Mapping[tuple[str, str], Fault]):
    """The fate of each host of a graph under a seed: how long its steps take, and which of them fail. The `faults` of a World."""

    def __init__(self, graph: Graph, chances: Chances, seed: int) -> None:
        self._graph, self._chances, self._seed = graph, chances, seed
        self._broken: dict[str, dict[str, Fault]] = {}
        self._seconds: dict[tuple[str, str], float] = {}

    def duration(self, host: str, step: Step) -> float:
        """Seconds that the step takes on the host, at most its time-out."""
        return min(self.takes(host, step), step.timeout)

    def takes(self, host: str, step: Step) -> float:
        """Seconds that the step would take if nothing cut it short."""
        key = (host, step.name)
        known = self._seconds.get(key)
        if known is None:
            known = self._seconds[key] = self._drawn_duration(host, step)
        return known

    def _drawn_duration(self, host: str, step: Step) -> float:
        chances, seconds = self._chances, step.expect
        if chances.spread:
            first, second, *_ = drawn(self._seed, host, step.name, "takes")
            normal = math.sqrt(-2 * math.log(1 - first)) * math.cos(2 * math.pi * second)
            seconds *= math.exp(chances.spread * normal)
        if chances.stragglers and drawn(self._seed, host, "straggles")[0] < chances.stragglers:
            seconds *= chances.slower
        return max(1.0, round(seconds * GRAIN)) / GRAIN

    def defects_of(self, host: str) -> list[Defect]:
        """Those that break this host, in the order in which they were given."""
        node = self._graph.nodes[host]
        return [
            defect
            for number, defect in enumerate(self._chances.defects)
            if defect.concerns(node)
            and (defect.q >= 1 or drawn(self._seed, host, number, "defect")[0] < defect.q)
        ]

    def broken(self, host: str) -> Mapping[str, Fault]:
        """The faults of the host, by the step in which they show."""
        found = self._broken.get(host)
        if found is None:
            combo = self._graph.chain_of(host)
            found = self._broken[host] = {}
            for defect in self.defects_of(host):
                step = defect.shows_in(combo)
                if step is not None:
                    found.setdefault(step, Fault(defect.ending, FOR_EVER, f"the defect {defect.name}"))
            if self._chances.base:
                fails, where, *_ = drawn(self._seed, host, "base")
                if fails < self._chances.base:
                    steps = [step.name for step in combo.chain if combo.holds_slot(step.name)]
                    steps = steps or [combo.chain[-1].name]
                    found.setdefault(
                        steps[int(where * len(steps))],
                        Fault(Ending.FAILED, FOR_EVER, "the host broke by itself"),
                    )
        return found

    def gap(self, host: str, gate: str, number: int) -> bool:
        """Whether that gate cannot tell when it is asked about the host for the so manieth time."""
        return (
            bool(self._chances.gaps) and drawn(self._seed, host, gate, number, "gap")[0] < self._chances.gaps
        )

    def harmed(self, world: World) -> tuple[str, ...]:
        """Hosts that a defect has broken while or after they were disrupted: also those on which it has yet to show."""
        return tuple(host for host in self._graph.nodes if self._is_harmed(world, host))

    def _is_harmed(self, world: World, host: str) -> bool:
        combo = self._graph.chain_of(host)
        for defect in self.defects_of(host):
            step = defect.shows_in(combo)
            if step is None and defect.late is not None and world.done[host, combo.chain[-1].name]:
                return True
            if step is not None and world.began[host, step] and combo.holds_slot(step):
                return True
        return False

    # --- as the faults of a World ----------------------------------------------------------------------------------------------

    def __getitem__(self, key: tuple[str, str]) -> Fault:
        """A step that would take longer than its time-out is late, whatever else it would have been."""
        host, name = key
        step = self._graph.step_of(host, name)
        if step is not None and self.takes(host, step) > step.timeout:
            return Fault(Ending.LATE, FOR_EVER, f"it would have taken {self.takes(host, step):.0f} s")
        return self.broken(host)[name]

    def __iter__(self) -> Iterator[tuple[str, str]]:
        return ((host, step) for host in self._graph.nodes for step in self.broken(host))

    def __len__(self) -> int:
        return sum(1 for _ in self)


class ImaginedGate:
    """A gate of that name over a world with fates: it cannot tell now and then, and it finds the defects that show late."""

    remembers: ClassVar[bool] = False

    def __init__(self, world: World, fates: Fates, graph: Graph, name: str) -> None:
        self._world, self._fates, self._graph, self._name = world, fates, graph, name
        self._asked: dict[str, int] = {}

    def check(self, subject: Subject) -> Verdict:
        """Pass, unless it is a gap, or a defect shows by now."""
        host = subject.host
        number = self._asked[host] = self._asked.get(host, 0) + 1
        if self._fates.gap(host, self._name, number):
            return Verdict(Answer.INCONCLUSIVE, "the imagined gate saw nothing", {"imagined": True})
        shown = self._shown(host)
        if shown is not None:
            return Verdict(Answer.FAIL, f"the defect {shown.name} shows", {"imagined": True})
        return Verdict(Answer.PASS, "imagined", {"imagined": True})

    def _shown(self, host: str) -> Defect | None:
        world, last = self._world, self._graph.chain_of(host).chain[-1].name
        if not world.done[host, last]:
            return None
        since = world.now() - world.busy_until[host][1]
        late = (defect for defect in self._fates.defects_of(host) if defect.late is not None)
        return next((defect for defect in late if since >= (defect.late or 0.0)), None)

    def remember(self, subject: Subject) -> Verdict:
        """As `check`: there is nothing to remember of what is imagined."""
        return self.check(subject)
