"""A rehearsed fleet in which everything that can go wrong goes wrong by chance, and a person who mends it. Every draw follows from a seed."""

from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from random import Random
from typing import Any, ClassVar

from rollout.errors import JournalFull
from rollout.executors.rehearsal import Fault, Rehearsal, World
from rollout.journal import Journal, Lease, Writing
from rollout.model.event import Event, Kind
from rollout.model.seams import Answer, Ending, Order, Post, Subject, Verdict
from rollout.model.state import HostState, State, Status
from tests.engine.dying import Died

STEP = 0.12
"""Of a step: that it goes wrong, in one of these ways."""
WAYS = {
    Ending.FAILED: ("a step fails", 4),
    Ending.UNREACHABLE: ("a host is unreachable", 3),
    Ending.LATE: ("a step hangs past its deadline", 3),
    Ending.UNKNOWN: ("an outcome cannot be known", 2),
    Ending.REFUSED: ("a host key is refused", 1),
}

GATE = 0.10
"""Of a question: that its answer is none, or is no."""
ANSWERS = {
    Answer.FAIL: ("a gate says no", 2),
    Answer.ERROR: ("a gate errs", 3),
    Answer.INCONCLUSIVE: ("a gate is inconclusive", 3),
}

WRITES = {
    "the controller dies before a commit": 0.012,
    "the controller dies after a commit": 0.012,
    "the journal is full": 0.004,
    "a person writes first": 0.03,
}
"""Of a transaction."""

ACT, POWER = 0.012, 0.25
"""Of a begun step: that the controller dies at once. Of a death: that its machine dies with it."""


@dataclass
class Luck:
    """Draws, and counts what it drew. `bad` is turned off for the last controllers of a run: work that can be done gets done."""

    random: Random
    bad: bool = True
    drawn: Counter[str] = field(default_factory=Counter)

    def strikes(self, share: float, what: str = "") -> bool:
        struck = self.bad and self.random.random() < share
        if struck and what:
            self.drawn[what] += 1
        return struck

    def one_of(self, ways: Mapping[Any, tuple[str, int]]) -> Any:
        (way,) = self.random.choices(list(ways), [weight for _, weight in ways.values()])
        self.drawn[ways[way][0]] += 1
        return way


class Faults(Mapping[tuple[str, str], Fault]):
    """What is planted in a step is drawn when it is begun."""

    def __init__(self, luck: Luck) -> None:
        self._luck = luck

    def __getitem__(self, key: tuple[str, str]) -> Fault:
        if not self._luck.strikes(STEP):
            raise KeyError(key)
        return Fault(self._luck.one_of(WAYS), times=1_000_000)

    def __iter__(self) -> Iterator[tuple[str, str]]:
        return iter(())

    def __len__(self) -> int:
        return 0


class UnluckyGate:
    remembers: ClassVar[bool] = False

    def __init__(self, luck: Luck) -> None:
        self._luck = luck

    def check(self, subject: Subject) -> Verdict:
        del subject
        value = self._luck.one_of(ANSWERS) if self._luck.strikes(GATE) else Answer.PASS
        return Verdict(value, f"the dice say {value}", {"asked": True})

    def remember(self, subject: Subject) -> Verdict:
        return self.check(subject)


class UnluckyRehearsal(Rehearsal):
    """The controller may die as soon as a step has begun."""

    def __init__(self, world: World, luck: Luck) -> None:
        super().__init__(world)
        self._luck = luck

    def run(self, order: Order, post: Post) -> None:
        super().run(order, post)
        if self._luck.strikes(ACT, "the controller dies after an act"):
            raise Died


class UnluckyJournal:
    """Everything but `writing` is passed on."""

    def __init__(self, journal: Journal, run: str, luck: Luck) -> None:
        self._journal, self._run, self._luck = journal, run, luck

    def __getattr__(self, name: str) -> Any:
        return getattr(self._journal, name)

    @contextmanager
    def writing(self, lease: Lease, seen: int) -> Iterator[Writing]:
        hit = {what for what, share in WRITES.items() if self._luck.strikes(share)}
        if "a person writes first" in hit:
            self._count("a person writes first")
            self._journal.request(self._run, self._wish())
        with self._journal.writing(lease, seen) as writing:
            yield writing
            if "the journal is full" in hit:
                self._count("the journal is full")
                raise JournalFull
            if "the controller dies before a commit" in hit:
                self._count("the controller dies before a commit")
                raise Died
        if "the controller dies after a commit" in hit:
            self._count("the controller dies after a commit")
            raise Died

    def _count(self, what: str) -> None:
        self._luck.drawn[what] += 1

    def _wish(self) -> Event:
        """Something that a person may ask for at any time; much of it fits nothing."""
        host = self._luck.random.choice(self._journal.hosts(self._run)).name
        return self._luck.random.choice(
            (
                Event(Kind.PAUSED, "lunch"),
                Event(Kind.CONTINUED, "lunch is over"),
                Event(Kind.RETRIED, "looks well", host),
                Event(Kind.RESOLVED, "is not well", host, data={"as": "failed"}),
            )
        )


def mend(journal: Journal, run: str, state: State, world: World, luck: Luck) -> None:
    """A person looks at each host that is held or counts as failed, and answers for it as it is; then the run may go on."""
    retired = Counter(state.combo_of(host.name).name for host in _of(state, Status.RETIRED))
    for host in state.hosts.values():
        combo = state.combo_of(host.name).name
        if host.status is Status.HELD and _may_leave(host, state, retired) and luck.strikes(0.05):
            retired[combo] += 1
            journal.request(run, Event(Kind.RETIRED, "burnt down", host.name))
        elif host.status is Status.HELD or (host.harmed and host.status is not Status.RETIRED):
            journal.request(run, _answer(host, world))
    journal.request(run, Event(Kind.CONTINUED, "all is mended"))


def _of(state: State, status: Status) -> list[HostState]:
    return [host for host in state.hosts.values() if host.status is status]


def _may_leave(host: HostState, state: State, retired: Counter[str]) -> bool:
    """The failure of a host that leaves counts on: one too many, and the run could never come to its end."""
    graph, combo = state.graph, state.combo_of(host.name).name
    tolerated = retired[combo] < graph.tolerated_combo[combo] and retired.total() < graph.tolerated_run
    return tolerated and not state.wave_of(host.name).canary


def _answer(host: HostState, world: World) -> Event:
    step = host.step or ""
    if host.status is Status.HELD and world.done[host.name, step] and host.passed != step:
        return Event(Kind.RESOLVED, "it has done its work", host.name, data={"as": "done"})
    return Event(Kind.RETRIED, "mended", host.name)
