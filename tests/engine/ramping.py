"""A drawn run from its first event to its end: controllers that die, people who meddle, and a recount of every event."""

from collections import ChainMap
from collections.abc import Sequence
from dataclasses import dataclass, field
from random import Random

from rollout.engine.inbox import Message, VirtualInbox
from rollout.engine.rehearsal import imagined_owner, rehearsed_engine
from rollout.executors.imagined import Fates, ImaginedGate
from rollout.executors.rehearsal import World
from rollout.journal.memory import MemoryJournal
from rollout.model.decision import Stop
from rollout.model.event import Event, Kind
from rollout.model.state import State, Status
from tests.engine.dying import Died
from tests.engine.ramps import HOUR, Drawn
from tests.engine.recount import Recount

RUN = "run"
LOOKS = 5
"""How often a person looks after a run that has stopped, and does something about it."""

HASTY = 8
"""Only the first controllers of a run may have to end at a given time."""

PATIENCE = 60_000
"""Turns of all controllers of a run: beyond them it goes round in circles."""


@dataclass
class Ramped:
    """What a run left behind."""

    stop: Stop
    events: list[Event]
    state: State
    world: World
    recount: Recount
    controllers: int = 0


class _Time(VirtualInbox):
    """Fails a run that goes round in circles, and outlives its controllers."""

    def __init__(self, start: float) -> None:
        super().__init__(start)
        self._left = PATIENCE

    def get(self, until: float | None) -> Message | None:
        self._left -= 1
        assert self._left, "the run goes round in circles"
        return super().get(until)

    def forget(self, seconds: float) -> None:
        """What was to be reported to a controller that died reaches nobody."""
        self._heap.clear()
        self._now += seconds


@dataclass
class _Bystander:
    """Sees each event as it is written; kills the controller, or writes a request, when its dice say so."""

    drawn: Drawn
    journal: MemoryJournal
    recount: Recount
    dice: Random
    deaths: int
    seen: int = 0
    is_quiet: bool = field(default=False)

    def listen(self, event: Event, state: State) -> None:
        self.seen += 1
        if event.kind is Kind.ENDED:
            return
        if self.dice.randrange(100) < self.drawn.meddling:
            self.request(meddling(self.dice, state, self.drawn))
        if self.deaths and self.dice.randrange(60) == 0:
            self.deaths -= 1
            raise Died

    def request(self, event: Event | None) -> None:
        if event is not None:
            self.journal.request(RUN, event)


def meddling(dice: Random, state: State, drawn: Drawn) -> Event | None:
    """Anything that a person may ask at any time, fitting or not."""
    names = sorted(state.hosts)
    held = sorted(name for name, host in state.hosts.items() if host.status is Status.HELD) or names
    host = dice.choice(held if dice.random() < 0.8 else names)
    waves = sorted(drawn.graph.waves)
    may = [
        Event(Kind.PAUSED, "lunch"),
        *[Event(Kind.CONTINUED, "after lunch")] * 2,
        *[Event(Kind.RETRIED, "mended", host)] * 3,
        Event(Kind.RESOLVED, "by hand", host, data={"as": dice.choice(["done", "failed"])}),
        Event(Kind.RETIRED, "scrapped", host),
        Event(Kind.SKIPPED, "not this one", dice.choice(names)),
        Event(Kind.PROMOTED, "long enough", data={"wave": dice.choice(waves)} if waves else {}),
        _approval(dice, drawn),
        Event(Kind.ABORTED, "fire") if dice.random() < 0.2 else None,
    ]
    return dice.choice(may)


def _approval(dice: Random, drawn: Drawn) -> Event | None:
    asked = drawn.graph.approvals
    if not asked:
        return None
    digest = drawn.graph.digest if dice.random() < 0.8 else "of another plan"
    return Event(Kind.APPROVED, "seen", data={"through": dice.choice(asked), "digest": digest, "by": "anna"})


def mended(dice: Random, state: State, drawn: Drawn) -> list[Event]:
    """What a person does about a run that has stopped."""
    found = [Event(Kind.CONTINUED, "looked at")] if state.run.paused else []
    asked = [rung for rung in drawn.graph.approvals if rung not in state.run.approved]
    data = {"digest": drawn.graph.digest, "by": "anna"}
    found += [Event(Kind.APPROVED, "seen", data={"through": rung, **data}) for rung in asked[:1]]
    for name, host in state.hosts.items():
        if host.status is Status.HELD:
            word = dice.choice(["retry", "retry", "retire", "done"])
            if word == "done":
                found.append(Event(Kind.RESOLVED, "by hand", name, data={"as": "done"}))
            else:
                found.append(Event(Kind.RETRIED if word == "retry" else Kind.RETIRED, "mended", name))
    return found


def carried_out(drawn: Drawn) -> Ramped:
    """By as many controllers as it takes. Raises AssertionError as soon as a rule is broken."""
    inbox = _Time(drawn.start)
    graph, dice = drawn.graph, Random(f"people {drawn.seed}")
    fates = Fates(graph, drawn.chances, drawn.seed)
    world = World(inbox.now, fates.duration, ChainMap(dict(drawn.faults), fates))  # type: ignore[arg-type]
    gates = {rule.name: ImaginedGate(world, fates, graph, rule.name) for rule in graph.gates}
    journal, recount = MemoryJournal(inbox.now), Recount(drawn)
    journal.create(RUN, graph, plan_file="", created_by="test")
    bystander = _Bystander(drawn, journal, recount, dice, drawn.crashes)
    looks, number, told = LOOKS, 0, 0
    while True:
        number += 1
        lease = journal.claim(RUN, imagined_owner(number))
        in_haste = number <= HASTY and dice.random() < 0.2
        recount.until = inbox.now() + dice.choice([600.0, 4 * HOUR, 20 * HOUR]) if in_haste else None
        engine = rehearsed_engine(
            journal,
            lease,
            graph,
            world,
            inbox,
            gates=gates,
            listener=bystander.listen,
            until=recount.until,
        )
        try:
            stop = engine.run()
        except Died:
            inbox.forget(dice.choice([1.0, 60.0, 4000.0]))
            continue
        finally:
            told = recounted(recount, journal, told)
        recount.ends(stop, engine.state)
        looks -= recount.until is None
        if stop.exit_code == 0 or not looks:
            return Ramped(stop, list(journal.events(RUN)), engine.state, world, recount, number)
        if dice.random() < 0.4:
            world.faults = {}  # what was wrong with the hosts is mended
        for request in mended(dice, engine.state, drawn):
            bystander.request(request)
        inbox.forget(600.0)


def recounted(recount: Recount, journal: MemoryJournal, told: int) -> int:
    """What was written since, event by event; gives how many there are by now."""
    news: Sequence[Event] = list(journal.events(RUN, after=told))
    for event in news:
        recount.see(event)
    return told + len(news)
