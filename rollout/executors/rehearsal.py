"""A fleet that is only imagined: for rehearsals, simulations and tests. It shares the engine and the policy with the real one.

The world outlives its controllers, as real hosts do: a step that was begun goes on when the controller dies, and the next one
finds it running or finished.
"""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import ClassVar, Literal

from rollout.model.chain import Step
from rollout.model.seams import Answer, Ending, Order, Outcome, Post, Subject, Verdict


@dataclass(frozen=True, slots=True)
class Fault:
    """What goes wrong with a step, the first `times` times that it is begun."""

    ending: Ending
    times: int = 1
    because: str = "a planted fault"


@dataclass(slots=True)
class Job:
    """A step that was begun on an imagined host; it ends at `until` (seconds since the epoch)."""

    order: Order
    began: float
    until: float
    outcome: Outcome


@dataclass(slots=True)
class World:
    """The imagined hosts: what is planted in them, and what happened to them.

    `faults` maps (host, step) to a fault. `unhealthy` hosts fail every gate, `mute` ones cannot be asked. `duration` gives the seconds
    of a step on a host.
    """

    now: Callable[[], float]
    duration: Callable[[str, Step], float] = lambda _host, step: step.expect
    faults: Mapping[tuple[str, str], Fault] = field(default_factory=dict)
    unhealthy: frozenset[str] = frozenset()
    mute: frozenset[str] = frozenset()
    jobs: dict[tuple[str, int], Job] = field(default_factory=dict)
    began: Counter[tuple[str, str]] = field(default_factory=Counter)
    done: Counter[tuple[str, str]] = field(default_factory=Counter)
    overlaps: list[str] = field(default_factory=list)
    busy_until: dict[str, tuple[str, float]] = field(default_factory=dict)
    fences: dict[str, int] = field(default_factory=dict)
    refused: list[Order] = field(default_factory=list)

    def heeds(self, order: Order) -> bool:
        """As the guard of a host: whoever comes with a fence older than one that it has seen has no say there any more."""
        if order.fence < self.fences.get(order.host, 0):
            self.refused.append(order)
            return False
        self.fences[order.host] = order.fence
        return True

    def begin(self, order: Order) -> Job:
        """Start the step, whatever the controller that asked for it may come to."""
        now, key = self.now(), (order.host, order.step.name)
        other, until = self.busy_until.get(order.host, ("", 0.0))
        if until > now:
            self.overlaps.append(f"{order.mark} began while {other} was running")
        self.began[key] += 1
        fault = self.faults.get(key)
        failing = fault is not None and self.began[key] <= fault.times
        ending = fault.ending if failing and fault else Ending.DONE
        because = fault.because if failing and fault else ""
        outcome = Outcome(order.host, order.step.name, order.attempt, ending, because)
        job = Job(order, now, now + self.duration(order.host, order.step), outcome)
        self.jobs[order.host, order.attempt] = job
        self.busy_until[order.host] = (order.mark, job.until)
        if ending is Ending.DONE:
            self.done[key] += 1
        return job


class Rehearsal:
    """Carries out steps in a World."""

    kind: ClassVar[Literal["ansible", "rehearsal"]] = "rehearsal"

    def __init__(self, world: World) -> None:
        self._world = world

    def run(self, order: Order, post: Post) -> None:
        """Begin the step, or find what became of it; the outcome comes when the step ends."""
        name, attempt = order.step.name, order.attempt
        if not self._world.heeds(order):
            post(
                Outcome(order.host, name, attempt, Ending.REFUSED, "the host obeys another controller by now")
            )
            return
        if not order.taken_up:
            job = self._world.begin(order)
        elif (order.host, attempt) in self._world.jobs:
            job = self._world.jobs[order.host, attempt]
        else:
            post(Outcome(order.host, name, attempt, Ending.NEVER_BEGAN, "it never reached the host"))
            return
        post(job.outcome, max(0.0, job.until - self._world.now()))

    def close(self) -> None:
        """The world goes on."""


class RehearsedGate:
    """A gate of an imagined host."""

    remembers: ClassVar[bool] = False

    def __init__(self, world: World) -> None:
        self._world = world

    def check(self, subject: Subject) -> Verdict:
        """Pass, unless the world says otherwise of the host."""
        if subject.host in self._world.mute:
            return Verdict(Answer.ERROR, "the rehearsed host cannot be asked")
        healthy = subject.host not in self._world.unhealthy
        because = "rehearsed" if healthy else "the rehearsed host is not healthy"
        return Verdict(Answer.PASS if healthy else Answer.FAIL, because, {"rehearsed": True})

    def remember(self, subject: Subject) -> Verdict:
        """As `check`: there is nothing to remember of what is imagined."""
        return self.check(subject)
