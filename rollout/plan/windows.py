"""The plan's `windows` and its `deadline`: what is written there, and what is wrong with it."""

import re
from dataclasses import dataclass, field
from pathlib import Path

from rollout.errors import Problem
from rollout.model.windows import Dates, Weekly, When, Window
from rollout.model.zones import DAY, UTC, WEEKDAYS, date, days
from rollout.plan import schema, zones
from rollout.plan.ics import CalendarInvalid, occurrences
from rollout.plan.scalars import positive, spoken
from rollout.plan.shape import validate
from rollout.plan.text import Node
from rollout.plan.words import LONGEST, meant, shown

_CLOCK = r"(\d{1,2}):(\d\d)"
_WEEKLY = re.compile(rf"(?P<days>.*?)\s*{_CLOCK}\s*\+\s*(?P<length>\S+)", re.ASCII)
_FROM_TO = re.compile(rf"(?P<days>.*?)\s*{_CLOCK}\s*(?:-|\.\.|to)\s*{_CLOCK}", re.ASCII)
_DATE = re.compile(rf"(\d{{4}})-(\d\d)-(\d\d)(?:[ T]+{_CLOCK})?", re.ASCII)
_FORMS = "days, a time and a length (Mon-Fri 01:00 + 4h), dates (2026-12-20 .. 2027-01-05), or a calendar file (freezes.ics)"
_SAID = {
    **dict.fromkeys(("weekday", "weekdays", "workdays"), "Mon-Fri"),
    **dict.fromkeys(("weekend", "weekends"), "Sat,Sun"),
    **dict.fromkeys(("everyday", "nightly", "always"), "daily"),
}
"""Words that are often used for days."""

_WEEK = 7 * DAY
_FIRST_YEAR, _LAST_YEAR = zones.FIRST.year, zones.LAST.year - 1


@dataclass(slots=True)
class Times:
    """What the plan says of time; `deadline` is an instant. `defaults` are sentences, one for each default used."""

    windows: list[Window] = field(default_factory=list)
    deadline: float | None = None
    defaults: list[str] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)


def read(root: Node, folder: Path) -> Times:
    """Every window whose shape is right, the deadline, and every mistake of meaning in them."""
    times = Times()
    listed = root.get("windows")
    for node in listed.items if listed else ():
        written, _ = validate(schema.Window, node)
        if written is not None:
            _window(written, node, folder, times)
    deadline = root.get("deadline")
    if deadline is not None:
        _deadline(deadline, times)
    return times


def _window(written: schema.Window, node: Node, folder: Path, times: Times) -> None:
    text = written.allow or written.deny
    if text is None or (written.allow and written.deny):
        message = "a window has either `allow` or `deny`, with the time that it is about"
        times.problems.append(Problem(node.key or node.place, message))
        return
    allow = written.allow is not None
    place = node.find("allow" if allow else "deny").at
    zone = _zone(written.zone, node.find("zone"), times)
    if written.zone is None:
        times.defaults.append(f"windows: zone {UTC} for {shown(text)}")
    file = text if text.lower().endswith(".ics") else ""
    try:
        when = occurrences(folder, file, allow=allow) if file else (_when(text, allow=allow),)
    except (ValueError, CalendarInvalid) as error:
        times.problems.append(Problem(place, str(error)))
    else:
        times.windows.append(Window(allow, tuple(when), zone, text, written.reason or "", file))


def _zone(name: str | None, node: Node, times: Times) -> str:
    """The name; a template is written in one way."""
    wrong = zones.mistake(name or UTC)
    if wrong:
        times.problems.append(Problem(node.at, wrong))
    template = zones.TEMPLATE.fullmatch(name or "")
    return f"{{{{ {template[1]} }}}}" if template else name or UTC


def _deadline(node: Node, times: Times) -> None:
    """Of an hour that the clocks show twice it is the first."""
    whole = node if node.kind == "map" else Node("map", node.place, entries={"at": node})
    written = validate(schema.Deadline, whole)[0]
    if written is None:
        return
    at = node.find("at") if node.kind == "map" else node
    wrong = zones.mistake(written.zone)
    if zones.TEMPLATE.fullmatch(written.zone):
        wrong = "a deadline has one zone for all hosts, not a variable"
    if wrong:
        times.problems.append(Problem(node.find("zone").at, wrong))
    try:
        wall = _wall(written.at)
    except ValueError as error:
        times.problems.append(Problem(at.at, str(error)))
        return
    if ":" not in written.at:
        times.problems.append(Problem(at.at, f"{shown(written.at)} has no time of day, such as 06:00"))
    elif not wrong:
        times.deadline = zones.zone(written.zone).first(wall)
    if "zone" not in written.model_fields_set:
        times.defaults.append(f"deadline: zone {UTC}")


def _when(text: str, *, allow: bool) -> When:
    """Raises ValueError, with what was expected."""
    if len(text) > LONGEST:
        raise ValueError(f"{shown(text)} is none of: {_FORMS}")
    if re.match(r"\d{4}-", text):
        return _dates(text, allow=allow)
    found = _WEEKLY.fullmatch(text)
    if found is None:
        raise ValueError(f"{shown(text)} is none of: {_FORMS}{_instead(text)}")
    if not found["days"]:
        raise ValueError(f"{shown(text)} names no days: daily {text}, or Mon-Fri {text}")
    start = _clock(found[2], found[3])
    length = positive(found["length"])
    if length > _WEEK:
        raise ValueError(f"{found['length']} is longer than a week, so the window would never end")
    return Weekly(_days(found["days"]), start, length)


def _instead(text: str) -> str:
    """For `Mon-Fri 01:00-05:00`."""
    found = _FROM_TO.fullmatch(text)
    if found is None:
        return ""
    begin, end = (int(found[n]) * 3600 + int(found[n + 1]) * 60 for n in (2, 4))
    named = found["days"] or "daily"
    return f"; give its length: {named} {found[2]}:{found[3]} + {spoken((end - begin) % DAY or DAY)}"


def _days(text: str) -> tuple[int, ...]:
    if text == "daily":
        return tuple(range(7))
    found: set[int] = set()
    for part in text.split(","):
        first, dash, last = (word.strip() for word in part.partition("-"))
        begin, end = _day(first), _day(last if dash else first)
        found |= {(begin + number) % 7 for number in range((end - begin) % 7 + 1)}
    return tuple(sorted(found))


def _day(word: str) -> int:
    if word not in WEEKDAYS:
        said = _SAID.get(word.lower(), "")
        near = f"; did you mean {said}?" if said else meant(word.capitalize(), (*WEEKDAYS, "daily"))
        raise ValueError(f"{shown(word)} is no day, expected daily or one of {', '.join(WEEKDAYS)}{near}")
    return WEEKDAYS.index(word)


def _dates(text: str, *, allow: bool) -> Dates:
    """One day, days from one to another, or the time between two times; a day at the end counts whole."""
    first, dots, last = (part.strip() for part in text.partition(".."))
    if (dots and not last) or (not dots and _DATE.fullmatch(first) and ":" in first):
        raise ValueError(f"{shown(text)} has no end, such as .. 2027-01-05")
    last = last or first
    begin, end = _wall(first), _wall(last) + (0 if ":" in last else DAY)
    if end <= begin:
        raise ValueError(f"{shown(text)} ends before it begins")
    return Dates(begin, end, late=not allow)


def _wall(text: str) -> float:
    """A date, perhaps with a time, as a wall time. Raises ValueError."""
    found = _DATE.fullmatch(text)
    if found is None:
        raise ValueError(
            f"{shown(text)} is not a date such as 2026-12-20, one with a time such as 2026-12-20 18:00, or two with .. between"
        )
    year, month, day = int(found[1]), int(found[2]), int(found[3])
    number = days(year, month, day)
    if date(number) != (year, month, day):
        raise ValueError(f"there is no {found[1]}-{found[2]}-{found[3]}")
    if not _FIRST_YEAR <= year <= _LAST_YEAR:
        raise ValueError(f"the year {year} is not possible; it is {_FIRST_YEAR} to {_LAST_YEAR}")
    return float(number * DAY + (_clock(found[4], found[5]) if found[4] else 0))


def _clock(hours: str, minutes: str) -> int:
    """Seconds after midnight. Raises ValueError."""
    if int(hours) > 23 or int(minutes) > 59:
        raise ValueError(f"{hours}:{minutes} is no time of day, expected 00:00 to 23:59")
    return int(hours) * 3600 + int(minutes) * 60
