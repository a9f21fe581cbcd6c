"""What a sender has written down of one address, added up: losses, the longest gap, and when nobody watched."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

BUCKETS = 60
"""How many numbers over time are kept."""

ASIDE = 1.0
"""Seconds by which two questions may be further apart than they should, on a busy machine, before nobody has watched between them."""


@dataclass(slots=True)
class Seen:
    """Times are seconds since the epoch. `gap`: the longest time without an answer, beginning at `gap_at`; `series`: losses in percent."""

    since: float
    until: float
    sent: int = 0
    lost: int = 0
    gap: float = 0.0
    gap_at: float = 0.0
    unwatched: float = 0.0
    first: float = 0.0
    last: float = 0.0
    _answered: float = 0.0
    _missed: int = 0
    _buckets: list[list[int]] = field(default_factory=lambda: [[0, 0] for _ in range(BUCKETS)])

    @property
    def loss(self) -> float:
        """0..1."""
        return self.lost / self.sent if self.sent else 0.0

    @property
    def series(self) -> list[float]:
        """Of equal stretches of time; those in which nothing was sent are left out."""
        return [round(100 * lost / sent, 1) for sent, lost in self._buckets if sent]

    def add(self, at: float, interval: float, *, answered: bool) -> None:
        """One question, later than those before."""
        if not self.sent:
            self.first, self._answered = at, at - interval
            self.unwatched += max(0.0, at - self.since - ASIDE)
        elif at - self.last > interval + ASIDE:
            self.unwatched += at - self.last - interval
        self.sent, self.last = self.sent + 1, at
        share = (at - self.since) / max(self.until - self.since, 0.001)
        bucket = self._buckets[min(BUCKETS - 1, max(0, int(share * BUCKETS)))]
        bucket[0] += 1
        if answered:
            self._close(at - interval)
            self._answered, self._missed = at, 0
        else:
            bucket[1] += 1
            self.lost += 1
            self._missed += 1

    def close(self, lag: float) -> None:
        """Nothing more was sent. `lag`: seconds before `until` of which a living sender need not have written yet."""
        self._close(self.last)
        since = self.last if self.sent else self.since
        self.unwatched += max(0.0, self.until - since - lag)

    def _close(self, at: float) -> None:
        if self._missed and at - self._answered > self.gap:
            self.gap, self.gap_at = at - self._answered, self._answered


def read(lines: Iterable[str], count: int, since: float, until: float, lag: float) -> list[Seen]:
    """One for each of `count` addresses. A line that is no line of the log counts for nothing."""
    seen = [Seen(since, until) for _ in range(count)]
    for number, at, interval, bits in _rows(lines):
        if number < count:
            for index, bit in enumerate(bits):
                if since <= (when := at + index * interval) <= until:
                    seen[number].add(when, interval, answered=bit == "1")
    for one in seen:
        one.close(lag)
    return seen


def _rows(lines: Iterable[str]) -> Iterator[tuple[int, float, float, str]]:
    epoch, interval = 0.0, 0.0
    for line in lines:
        words = line.split()
        try:
            if words[:1] == ["start"] and len(words) == 4:
                epoch, interval = float(words[1]) - int(words[2]) / 1000, int(words[3]) / 1000
            elif len(words) == 3 and interval and line.endswith("\n") and not words[2].strip("01"):
                yield int(words[1]), epoch + int(words[0]) / 1000, interval, words[2]
        except ValueError:
            continue
