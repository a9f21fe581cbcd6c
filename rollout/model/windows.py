"""When hosts may begin: windows that allow, windows that deny, each in a time zone. Pure: the zones' clocks are data, `now` is an argument.

A window belongs to the day on which it begins: `Fri 22:00 + 6h` ends on Saturday. Its length is time that passes, whatever the clocks do meanwhile.
A begin that the clocks leave out is when they jump; one that they show twice is the first. What is denied is closed, whatever allows it.
"""

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from itertools import islice
from math import inf
from typing import Any

from rollout.model.zones import DAY, UTC, Zone, weekday

Stretch = tuple[float, float]
"""From one instant up to, not including, another."""

Key = tuple[str, ...]
"""A host's own zones: one name for each of `Calendar.templates`, in that order."""

TEMPLATE = "{{"
"""How the zone of a window begins that is a variable of each host."""

HORIZON = 400 * DAY
"""How far ahead an opening is looked for; what is open longer has no end."""

_MOST_TOLD = 10_000
"""Answers that are kept."""

_CHUNK = 32 * DAY
"""Stretches are worked out once for so long a time."""


@dataclass(frozen=True, slots=True)
class Weekly:
    """On these days (Monday is 0), from `start` seconds after midnight, for `length` seconds."""

    days: tuple[int, ...]
    start: int
    length: float

    def stretches(self, zone: Zone, begin: float, end: float) -> Iterator[Stretch]:
        """Those that overlap the time from `begin` to `end`."""
        for day in range(int((begin - self.length) // DAY) - 2, int(end // DAY) + 3):
            if weekday(day) in self.days:
                opens = zone.first(day * DAY + self.start)
                if opens < end and opens + self.length > begin:
                    yield opens, opens + self.length


@dataclass(frozen=True, slots=True)
class Dates:
    """Once, between two wall times. In an hour that the clocks show twice, it ends in the first, or in the second (`late`: of what denies)."""

    begin: float
    end: float
    late: bool = False

    def stretches(self, zone: Zone, begin: float, end: float) -> Iterator[Stretch]:
        """At most one."""
        opens, closes = zone.first(self.begin), (zone.last if self.late else zone.first)(self.end)
        if opens < min(end, closes) and closes > begin:
            yield opens, closes


@dataclass(frozen=True, slots=True)
class Span:
    """Once, between two instants: the same everywhere."""

    begin: float
    end: float

    def stretches(self, _zone: Zone, begin: float, end: float) -> Iterator[Stretch]:
        """At most one."""
        if self.begin < end and self.end > begin:
            yield self.begin, self.end


When = Weekly | Dates | Span
_KINDS: dict[str, type[When]] = {"weekly": Weekly, "dates": Dates, "span": Span}


@dataclass(frozen=True, slots=True)
class Window:
    """One item of the plan's `windows`. `zone` is a name, or `{{ variable }}` of each host; `text` is what was written.

    `file`: the calendar file that `when` was read from, relative to the plan's folder.
    """

    allow: bool
    when: tuple[When, ...]
    zone: str = UTC
    text: str = ""
    reason: str = ""
    file: str = ""

    @property
    def is_templated(self) -> bool:
        """Whether each host has its own zone for it."""
        return self.zone.startswith(TEMPLATE)

    def __str__(self) -> str:
        """What it is, for a person: the reason, if one was given, and the words of the plan."""
        return f"{self.reason} ({self.text})" if self.reason else self.text

    def to_json(self) -> Any:
        """A value for json.dumps."""
        names = {kind: name for name, kind in _KINDS.items()}
        when = [[names[type(one)], *_values(one)] for one in self.when]
        return [self.allow, when, self.zone, self.text, self.reason, self.file]

    @classmethod
    def from_json(cls, value: Any) -> "Window":
        """The window that `to_json` wrote."""
        when = tuple(_when(kind, values) for kind, *values in value[1])
        return cls(value[0], when, *value[2:])


def _values(when: When) -> list[Any]:
    if isinstance(when, Weekly):
        return [list(when.days), when.start, when.length]
    return [when.begin, when.end, when.late] if isinstance(when, Dates) else [when.begin, when.end]


def _when(kind: str, values: list[Any]) -> When:
    if kind == "weekly":
        return Weekly(tuple(values[0]), values[1], values[2])
    return Span(*values) if kind == "span" else Dates(*values)


@dataclass(frozen=True)
class Calendar:
    """All windows of a plan, and the zones that they and the hosts name.

    Without a window that allows, everything is open that is not denied. A host is asked about by its `Key`.
    """

    windows: tuple[Window, ...]
    zones: Mapping[str, Zone]
    _told: dict[tuple[Key, float], tuple[float, float | None]] = field(
        default_factory=dict, init=False, compare=False, repr=False
    )
    _known: dict[tuple[Key, int], tuple[Stretch, ...]] = field(
        default_factory=dict, init=False, compare=False, repr=False
    )

    @cached_property
    def templates(self) -> tuple[str, ...]:
        """The zones that are variables of hosts, in the order of the windows."""
        return tuple(dict.fromkeys(window.zone for window in self.windows if window.is_templated))

    def is_open(self, key: Key, now: float) -> bool:
        """Whether a host may begin."""
        return self.open_until(key, now) is not None

    def open_until(self, key: Key, now: float) -> float | None:
        """The end of the present open stretch; infinity if it has none in sight; None if it is closed now."""
        stretches = self._stretches(key, now)
        number = bisect_right(stretches, (now, inf)) - 1
        return stretches[number][1] if number >= 0 and now < stretches[number][1] else None

    def next_opening(self, key: Key, now: float, need: float = 0.0) -> float | None:
        """The first instant, `now` or later, from which `need` seconds fit into one open stretch; None if there is none in 400 days."""
        asked, known = self._told.get((key, need), (inf, None))
        if asked == now or (known is not None and asked <= now <= known):
            return known  # nothing before it was long enough
        found = (max(begin, now) for begin, end in self._from(key, now) if end - max(begin, now) >= need)
        opens = next(found, None)
        if len(self._told) >= _MOST_TOLD:
            self._told.clear()
        self._told[key, need] = now, opens
        return opens

    def longest(self, key: Key, now: float) -> float:
        """The length of the longest open stretch in sight, in seconds: the present one counts from its begin."""
        return max((end - begin for begin, end in self._from(key, now)), default=0.0)

    def denying(self, key: Key, at: float) -> Window | None:
        """The first window that denies an instant."""
        for window in self.windows:
            if not window.allow and any(True for _ in self._of(window, key, at, at + 1)):
                return window
        return None

    @cached_property
    def _foremost(self) -> Window | None:
        return next((window for window in self.windows if window.allow), next(iter(self.windows), None))

    def zone(self, key: Key) -> Zone:
        """The zone in which a time is told to people: that of the first window that allows, or else of the first."""
        return self._zone(self._foremost, key) if self._foremost else Zone(UTC)

    def to_json(self) -> Any:
        """A value for json.dumps; `from_json` gives the same calendar back."""
        zones = {zone.name: [list(pair) for pair in zone.transitions] for zone in self.zones.values()}
        return {"windows": [window.to_json() for window in self.windows], "zones": zones}

    @classmethod
    def from_json(cls, value: Any) -> "Calendar":
        """The calendar that `to_json` wrote."""
        zones = {
            name: Zone(name, tuple((at, offset) for at, offset in pairs))
            for name, pairs in value["zones"].items()
        }
        return cls(tuple(Window.from_json(window) for window in value["windows"]), zones)

    def _from(self, key: Key, now: float) -> Iterator[Stretch]:
        """What is open now or opens within the horizon."""
        stretches = self._stretches(key, now)
        number = max(0, bisect_right(stretches, (now, inf)) - 1)
        for begin, end in islice(stretches, number, None):
            if begin > now + HORIZON:
                break
            if end > now:
                yield begin, end

    def _stretches(self, key: Key, now: float) -> tuple[Stretch, ...]:
        """The open stretches around `now` and for more than the horizon ahead: worked out once, then remembered."""
        number = int(now // _CHUNK)
        found = self._known.get((key, number))
        if found is None:
            begin, end = (number - 1) * _CHUNK, (number + 2) * _CHUNK + HORIZON
            found = self._known[key, number] = tuple(self._open(key, begin, end))
        return found

    def _open(self, key: Key, begin: float, end: float) -> Iterator[Stretch]:
        """Allowed, less denied. What opens within the horizon and is still open at the end is so for good, as far as anyone can see."""
        allowed = [self._of(window, key, begin, end) for window in self.windows if window.allow]
        denied = [self._of(window, key, begin, end) for window in self.windows if not window.allow]
        is_open = _joined(one for some in allowed for one in some) if allowed else [(begin, end)]
        for opens, closes in _cut(is_open, _joined(one for some in denied for one in some)):
            yield opens, inf if closes >= end else closes

    def _of(self, window: Window, key: Key, begin: float, end: float) -> Iterator[Stretch]:
        zone = self._zone(window, key)
        for when in window.when:
            yield from when.stretches(zone, begin, end)

    def _zone(self, window: Window, key: Key) -> Zone:
        return self.zones[key[self.templates.index(window.zone)] if window.is_templated else window.zone]


def _joined(stretches: Iterable[Stretch]) -> list[Stretch]:
    """In order; those that overlap or touch are one."""
    found: list[Stretch] = []
    for begin, end in sorted(stretches):
        if found and begin <= found[-1][1]:
            found[-1] = found[-1][0], max(found[-1][1], end)
        else:
            found.append((begin, end))
    return found


def _cut(stretches: list[Stretch], out: list[Stretch]) -> Iterator[Stretch]:
    """The stretches without what is to be cut out; both are in order and joined."""
    number = 0
    for begin, end in stretches:
        opens = begin
        while number < len(out) and out[number][0] < end:
            if out[number][0] > opens:
                yield opens, out[number][0]
            opens = max(opens, out[number][1])
            if opens >= end:
                break  # it may reach into the next stretch, too
            number += 1
        if opens < end:
            yield opens, end
