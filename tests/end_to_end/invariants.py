"""What must be true of a run whatever was done to it: asked of its journal, and of what the hosts themselves have noted."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Self

from rollout.model.event import Event, Kind
from rollout.model.seams import Ending
from tests.end_to_end.besieged import Effect

REPEATED, DOUBLE, LOST, LIMIT = "repeated steps", "double once", "lost", "limit exceeded"
COLUMNS = ("planted", "recovered by itself", "held rightly", REPEATED, DOUBLE, LOST, LIMIT)


@dataclass(frozen=True, slots=True)
class Planted:
    """A fault that did strike. `hosts`: those whose unit, connection or power it struck; none for one of controllers or journals."""

    kind: str
    at: float
    hosts: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Violation:
    """`what` is a column of the table."""

    what: str
    host: str
    says: str


@dataclass(frozen=True, slots=True)
class Record:
    """Of a round, when it is over. `upgrades` counts what dpkg did to the release's base package, where the shipped upgrade ran."""

    planted: Sequence[Planted]
    events: Sequence[Event]
    statuses: Mapping[str, str]
    effects: Mapping[str, Sequence[Effect]]
    upgrades: Mapping[str, int]
    at_once: int

    def violations(self) -> list[Violation]:
        return [*repeated(self), *doubled(self), *lost(self), *over_limit(self)]

    def blamed(self, host: str, at: float) -> int | None:
        """Which of `planted` most likely is the cause: the last before that moment that struck the host, or else none in particular."""
        before = [index for index, fault in enumerate(self.planted) if fault.at <= at]
        own = [index for index in before if host in self.planted[index].hosts]
        common = [index for index in before if not self.planted[index].hosts]
        return own[-1] if own else common[-1] if common else None

    def own_fault(self, host: str, at: float) -> bool:
        return any(host in fault.hosts and fault.at <= at for fault in self.planted)


def repeated(record: Record) -> Iterable[Violation]:
    """Steps that were begun or finished again after they were finished."""
    finished: set[tuple[str | None, str | None]] = set()
    for event in record.events:
        key = (event.host, event.step)
        if event.kind in {Kind.DONE, Kind.INTENDED} and key in finished:
            yield Violation(REPEATED, event.host or "", f"{event.kind} of {event.step} after it was done")
        if event.kind is Kind.DONE:
            finished.add(key)


def doubled(record: Record) -> Iterable[Violation]:
    """Commands of a `once` step that ran twice without a person's word, and anything that ran beside another thing."""
    retried = Counter(event.host for event in record.events if event.kind is Kind.RETRIED)
    for host, told in record.effects.items():
        begun = Counter(effect.order for effect in told if effect.word == "begin")
        for order, times in begun.items():
            if times > 1:
                yield Violation(DOUBLE, host, f"{order} began {times} times")
        tries = sum(order.rsplit("/", 1)[1].startswith("try-") for order in begun)
        tries = max(tries, record.upgrades.get(host, 0))
        if tries > 1 + retried[host]:
            yield Violation(DOUBLE, host, f"{tries} tries of upgrade, {retried[host]} asked for by a person")
        for text in overlaps(told):
            yield Violation(DOUBLE, host, text)


def overlaps(told: Iterable[Effect]) -> Iterable[str]:
    """What began in a boot in which something else had begun and not ended."""
    at_work: dict[str, str] = {}
    for effect in told:
        if effect.word == "end":
            at_work.pop(effect.order, None)
            continue
        for other, boot in at_work.items():
            if boot == effect.boot and other != effect.order:
                yield f"{effect.word} of {effect.order} during {other}"
        if effect.word == "begin":
            at_work[effect.order] = effect.boot


def lost(record: Record) -> Iterable[Violation]:
    """Hosts that came to no end, and those that were held although nothing had been done to them."""
    for host, status in record.statuses.items():
        if status != "verified":
            yield Violation(LOST, host, f"it ended {status}")
    for event in record.events:
        if event.kind is Kind.HELD and event.host:
            if not event.because:
                yield Violation(LOST, event.host, "held without a reason")
            if not record.own_fault(event.host, event.at):
                yield Violation(LOST, event.host, f"held, and nothing had struck it: {event.because}")


def over_limit(record: Record) -> Iterable[Violation]:
    """Counted twice: slots by the journal's events, and hosts at work by their own notes."""
    holders: set[str] = set()
    fresh: dict[str, int] = {}
    for event in record.events:
        host = event.host or ""
        if event.kind is Kind.INTENDED and event.data.get("slots"):
            holders.add(host)
            fresh[host] = event.attempt
            if len(holders) > record.at_once:
                yield Violation(LIMIT, host, f"{len(holders)} hosts hold a slot at event {event.seq}")
        never = event.kind is Kind.VOID and event.data.get("ending") == Ending.NEVER_BEGAN
        if event.kind in {Kind.SOAKING, Kind.VERIFIED, Kind.RETIRED} or (
            never and fresh.get(host) == event.attempt
        ):
            holders.discard(host)
    spans = [(told[0].at, told[-1].at) for told in record.effects.values() if told]
    for host, told in record.effects.items():
        if told and (at := sum(begin <= told[0].at <= end for begin, end in spans)) > record.at_once:
            yield Violation(LIMIT, host, f"{at} hosts were at work when it began")


@dataclass(slots=True)
class Tally:
    """The table. Rows are kinds of faults."""

    rows: dict[str, dict[str, int]] = field(default_factory=dict)
    rounds: int = 0

    def add(self, record: Record, violations: Iterable[Violation]) -> None:
        self.rounds += 1
        held = {
            record.blamed(event.host, event.at)
            for event in record.events
            if event.kind is Kind.HELD and event.host
        }
        for index, fault in enumerate(record.planted):
            self._count(fault.kind, "planted")
            self._count(fault.kind, "held rightly" if index in held else "recovered by itself")
        for violation in violations:
            cause = record.blamed(violation.host, float("inf"))
            self._count("nothing" if cause is None else record.planted[cause].kind, violation.what)

    def _count(self, kind: str, column: str) -> None:
        row = self.rows.setdefault(kind, dict.fromkeys(COLUMNS, 0))
        row[column] += 1

    @property
    def planted(self) -> int:
        return sum(row["planted"] for row in self.rows.values())

    def merge(self, other: "Tally") -> None:
        self.rounds += other.rounds
        for kind, row in other.rows.items():
            mine = self.rows.setdefault(kind, dict.fromkeys(COLUMNS, 0))
            for column, count in row.items():
                mine[column] += count

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> Self:
        return cls(**value)

    def text(self) -> str:
        """For a terminal."""
        whole = {column: sum(row[column] for row in self.rows.values()) for column in COLUMNS}
        width = max(map(len, [*self.rows, "fault"]))
        lines = [" | ".join([f"{'fault':{width}}", *COLUMNS])]
        for kind, row in [*sorted(self.rows.items()), (f"all, {self.rounds} rounds", whole)]:
            numbers = [f"{row[column]:{len(column)}}" for column in COLUMNS]
            lines.append(" | ".join([f"{kind:{width}}", *numbers]))
        return "\n".join(lines)
