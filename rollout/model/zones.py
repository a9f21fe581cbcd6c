"""Time zones as data: what the clocks of a place show at an instant, and when they show a given time. Whole numbers of days and seconds.

An instant is seconds since the epoch. A wall time is what the clocks show, counted the same way as if they stood in UTC.
"""

from bisect import bisect_right
from dataclasses import dataclass
from math import inf

DAY = 86400
WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
UTC = "UTC"


@dataclass(frozen=True, slots=True)
class Zone:
    """The seconds that a zone is ahead of UTC, from each instant on; the first holds for all time before it, too."""

    name: str
    transitions: tuple[tuple[float, int], ...] = ((0.0, 0),)

    def wall(self, at: float) -> float:
        """What the clocks show at an instant."""
        return at + self.transitions[max(0, self._segment(at))][1]

    def first(self, wall: float) -> float:
        """The first instant at which the clocks show that or more.

        Of an hour that they show twice it is the first; of one that they leave out it is the end, when they jump.
        """
        numbers = range(max(0, self._segment(wall - DAY)), len(self.transitions))
        found = ((max(begin, wall - offset), end) for begin, end, offset in map(self._segment_at, numbers))
        return next(at for at, end in found if at < end)

    def last(self, wall: float) -> float:
        """The instant after which the clocks never show less than that again: differs from `first` in an hour that they show twice."""
        numbers = range(max(0, self._segment(wall + DAY)), -1, -1)
        found = ((begin, min(wall - offset, end)) for begin, end, offset in map(self._segment_at, numbers))
        return next(at for begin, at in found if at > begin)

    def _segment(self, at: float) -> int:
        return bisect_right(self.transitions, (at, inf)) - 1

    def _segment_at(self, number: int) -> tuple[float, float, int]:
        """From when, until when, how far ahead."""
        begin, offset = self.transitions[number]
        end = self.transitions[number + 1][0] if number + 1 < len(self.transitions) else inf
        return begin if number else -inf, end, offset


def weekday(day: int) -> int:
    """Monday is 0. Days count from 1970-01-01, a Thursday."""
    return (day + 3) % 7


def days(year: int, month: int, day: int) -> int:
    """Days from 1970-01-01 to a date of the Gregorian calendar (Howard Hinnant, "chrono-compatible low-level date algorithms")."""
    year -= month <= 2
    era, of_era = divmod(year, 400)
    of_year = (153 * (month + (-3 if month > 2 else 9)) + 2) // 5 + day - 1
    return era * 146097 + of_era * 365 + of_era // 4 - of_era // 100 + of_year - 719468


def date(day: int) -> tuple[int, int, int]:
    """Year, month and day: the inverse of `days`."""
    era, of_era = divmod(day + 719468, 146097)
    year_of_era = (of_era - of_era // 1460 + of_era // 36524 - of_era // 146096) // 365
    of_year = of_era - (365 * year_of_era + year_of_era // 4 - year_of_era // 100)
    shifted = (5 * of_year + 2) // 153
    month = shifted + (3 if shifted < 10 else -9)
    return year_of_era + era * 400 + (month <= 2), month, of_year - (153 * shifted + 2) // 5 + 1


def told(zone: Zone, at: float, now: float) -> str:
    """An instant as the clocks of the zone show it: with the weekday if it is not today, with the date if it is not this week."""
    day, second = divmod(int(zone.wall(at)), DAY)
    away = day - int(zone.wall(now) // DAY)
    clock = f"{second // 3600:02}:{second // 60 % 60:02}"
    if away == 0:
        return clock
    if 0 < away < 7:
        return f"{WEEKDAYS[weekday(day)]} {clock}"
    year, month, number = date(day)
    return f"{WEEKDAYS[weekday(day)]} {year:04}-{month:02}-{number:02} {clock}"
