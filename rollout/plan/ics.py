"""Calendar files (iCalendar, RFC 5545): what stands in them for the next two years, as windows.

Events that are cancelled are left out. Whether an event shows its owner as busy does not count: freezes are often entered as free days.
"""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

from rollout.errors import PlanInvalid
from rollout.model.windows import Dates, Span, When
from rollout.model.zones import DAY
from rollout.plan.files import content_of
from rollout.plan.words import meant, plain, shown

YEARS = 2
"""How far ahead a calendar is read. After that a calendar that denies denies everything: nobody has said that it may."""

MOST = 20_000
"""Occurrences of all events of a calendar."""

_TOO_OFTEN = {"SECONDLY", "MINUTELY", "HOURLY"}
_FOREVER = 400 * 365 * DAY
_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001  a wall time
_MONTH = timedelta(days=31)


class CalendarInvalid(Exception):
    """The file cannot be read, or not be relied upon."""


def occurrences(folder: Path, name: str, *, allow: bool, now: datetime | None = None) -> list[When]:
    """When the events of the file take place. Raises CalendarInvalid with one sentence.

    Whole days and times without a zone are wall times; others are instants.
    """
    today = now or datetime.now(UTC)
    begin, end = today - _MONTH, today + timedelta(days=YEARS * 366)
    content = _content(folder, name)
    try:
        found = list(_occurrences(content, begin, end, late=not allow))
    except CalendarInvalid as error:
        raise CalendarInvalid(f"calendar {shown(name)}: {plain(str(error))}") from None
    except Exception as error:  # a foreign file, read by a library with many ways to fail
        raise CalendarInvalid(f"calendar {shown(name)} cannot be read: {shown(str(error))}") from error
    if allow and not found:
        raise CalendarInvalid(f"calendar {shown(name)} holds no event of the next {YEARS} years")
    return found if allow else [*found, Span(end.timestamp(), end.timestamp() + _FOREVER)]


def _content(folder: Path, name: str) -> bytes:
    try:
        return content_of(folder / name, name)
    except PlanInvalid as error:
        beside = [entry.name for entry in folder.glob("*.ics") if entry.is_file()] if "/" not in name else []
        message = f"calendar {shown(name)} {error.problems[0].message}{meant(name, beside)}"
        raise CalendarInvalid(message) from None


def _occurrences(content: bytes, begin: datetime, end: datetime, *, late: bool) -> Iterator[When]:
    import icalendar  # noqa: PLC0415  only plans with a calendar pay for it
    import recurring_ical_events  # noqa: PLC0415

    calendar: Any = icalendar.Calendar.from_ical(content)
    if calendar.name != "VCALENDAR":
        raise CalendarInvalid("it is no calendar: it begins with no BEGIN:VCALENDAR")
    for event in (calendar, *calendar.walk("VEVENT")):
        _check(event)
    found = recurring_ical_events.of(calendar).between(begin, end)
    if len(found) > MOST:
        raise CalendarInvalid(f"it holds more than {MOST} occurrences")
    for event in found:
        if str(event.get("STATUS", "")).upper() != "CANCELLED":
            yield _when(event["DTSTART"].dt, event["DTEND"].dt, late=late)


def _check(event: Any) -> None:
    """What the library would pass over, or guess."""
    called = f"event {shown(event.get('SUMMARY', 'without a summary'))}" if event.name == "VEVENT" else "it"
    for key, error in event.errors:
        raise CalendarInvalid(f"{called} has a line that is not understood: {key or ''} {error}")
    if event.name != "VEVENT":
        return
    start, end = event.get("DTSTART"), event.get("DTEND")
    if start is None:
        raise CalendarInvalid(f"{called} has no begin (DTSTART)")
    for value in (start, end, event.get("RECURRENCE-ID")):
        zone = value.params.get("TZID") if value is not None else None
        if zone and isinstance(value.dt, datetime) and value.dt.tzinfo is None:
            raise CalendarInvalid(f"{called} is in a time zone that nobody knows: {shown(zone)}")
    length = event.get("DURATION")
    if isinstance(start.dt, datetime) and end is None and length is None:
        raise CalendarInvalid(f"{called} has no end")
    if (end is not None and type(end.dt) is type(start.dt) and end.dt <= start.dt) or (
        length is not None and length.dt <= timedelta()
    ):
        raise CalendarInvalid(f"{called} ends before it begins, or has no length")
    if "EXRULE" in event:
        raise CalendarInvalid(
            f"{called} has an EXRULE, which RFC 5545 no longer knows; list its dates as EXDATE"
        )
    rules = event.get("RRULE", [])
    for rule in rules if isinstance(rules, list) else [rules]:
        often = _TOO_OFTEN.intersection(str(word).upper() for word in rule.get("FREQ", ()))
        if often or any(len(rule.get(key, ())) > 1 for key in ("BYHOUR", "BYMINUTE", "BYSECOND")):
            raise CalendarInvalid(f"{called} repeats more than once a day, which no window does")
        if any(number < 1 for key in ("INTERVAL", "COUNT") for number in rule.get(key, ())):
            raise CalendarInvalid(
                f"{called} repeats by an INTERVAL or COUNT of less than 1"
            )  # the library would never end


def _when(start: date, end: date, *, late: bool) -> When:
    if isinstance(start, datetime) and start.tzinfo is not None and isinstance(end, datetime):
        return Span(start.timestamp(), end.timestamp())
    return Dates(_wall(start), _wall(end), late=late)


def _wall(value: date) -> float:
    at = value if isinstance(value, datetime) else datetime(value.year, value.month, value.day)  # noqa: DTZ001  a wall time
    return (at.replace(tzinfo=None) - _EPOCH).total_seconds()
