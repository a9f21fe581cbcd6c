"""Calendar files as other programs write them: what they deny, and what cannot be relied upon."""

import re
from datetime import UTC, datetime
from pathlib import Path

import pytest

from rollout.model.plan import Plan
from rollout.model.windows import Calendar, Dates, Span, When, Window
from rollout.model.zones import DAY, days
from rollout.plan import read, zones
from rollout.plan.ics import CalendarInvalid, occurrences

NOW = datetime(2026, 11, 22, tzinfo=UTC)
HOUR = 3600.0
GUIDE = (Path(__file__).parents[2] / "docs" / "guides" / "windows.md").read_text()


def a_file(folder: Path, *events: str, before: str = "") -> Path:
    """Each event in its lines; a UID and a stamp are added."""
    lines = ["BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//example//EN", *before.strip().splitlines()]
    for number, event in enumerate(events):
        own = [line.strip() for line in event.strip().splitlines()]
        uid = [] if any(line.startswith("UID:") for line in own) else [f"UID:{number}@example.com"]
        lines += ["BEGIN:VEVENT", *uid, "DTSTAMP:20260101T000000Z", *own, "END:VEVENT"]
    path = folder / "freezes.ics"
    path.write_text("\r\n".join([*lines, "END:VCALENDAR", ""]), newline="")
    return path


def denied(folder: Path, *events: str, before: str = "") -> list[When]:
    """Without what is denied because the file was not read that far."""
    a_file(folder, *events, before=before)
    found = occurrences(folder, "freezes.ics", allow=False, now=NOW)
    assert found[-1].begin > NOW.timestamp() + 2 * 365 * DAY  # type: ignore[union-attr]  # a span
    return found[:-1]


def utc(*when: int) -> float:
    return datetime(*when, tzinfo=UTC).timestamp()  # type: ignore[arg-type, misc]  # year, month ... as given


def test_whole_days_are_those_of_each_hosts_clocks(tmp_path: Path) -> None:
    event = "SUMMARY:Year-end freeze\nDTSTART;VALUE=DATE:20261220\nDTEND;VALUE=DATE:20270106"
    assert denied(tmp_path, event) == [Dates(days(2026, 12, 20) * DAY, days(2027, 1, 6) * DAY, late=True)]
    assert denied(tmp_path, "DTSTART;VALUE=DATE:20261224") == [
        Dates(days(2026, 12, 24) * DAY, days(2026, 12, 25) * DAY, late=True)
    ]


def test_times_are_instants_or_those_of_each_hosts_clocks(tmp_path: Path) -> None:
    assert denied(tmp_path, "DTSTART:20261220T180000Z\nDTEND:20261221T060000Z") == [
        Span(utc(2026, 12, 20, 18), utc(2026, 12, 21, 6))
    ]
    zoned = "DTSTART;TZID=Europe/Berlin:20261220T180000\nDURATION:PT12H"
    assert denied(tmp_path, zoned) == [Span(utc(2026, 12, 20, 17), utc(2026, 12, 21, 5))]
    floating = "DTSTART:20261220T180000\nDTEND:20261220T190000"
    begin = days(2026, 12, 20) * DAY + 18 * HOUR
    assert denied(tmp_path, floating) == [Dates(begin, begin + HOUR, late=True)]
    outlook = 'DTSTART;TZID="W. Europe Standard Time":20261220T180000\nDURATION:PT1H'
    assert denied(tmp_path, outlook) == [Span(utc(2026, 12, 20, 17), utc(2026, 12, 20, 18))]


def test_rules_follow_the_clocks(tmp_path: Path) -> None:
    weekly = (
        "DTSTART;TZID=Europe/Berlin:20261002T120000\nDTEND;TZID=Europe/Berlin:20261002T130000\n"
        "RRULE:FREQ=WEEKLY;BYDAY=FR;UNTIL=20261115T000000Z\nEXDATE;TZID=Europe/Berlin:20261106T120000"
    )
    assert [one.begin for one in denied(tmp_path, weekly) if isinstance(one, Span)] == [
        utc(2026, 10, 23, 10),
        utc(2026, 10, 30, 11),  # winter
        utc(2026, 11, 13, 11),  # but not the 6th
    ]


def test_a_rule_without_an_end_is_read_for_two_years_and_then_all_is_denied(tmp_path: Path) -> None:
    found = denied(tmp_path, "DTSTART:20200101T000000Z\nDURATION:PT1H\nRRULE:FREQ=MONTHLY")
    assert len(found) == 25
    a_file(tmp_path, "DTSTART:20200101T000000Z\nDURATION:PT1H\nRRULE:FREQ=MONTHLY")
    window = Window(allow=False, when=tuple(occurrences(tmp_path, "freezes.ics", allow=False, now=NOW)))
    calendar = Calendar((window,), {"UTC": zones.zone("UTC")})
    assert calendar.is_open((), utc(2028, 6, 15))
    assert not calendar.is_open((), utc(2029, 6, 15))
    assert not calendar.is_open((), utc(2060, 6, 15))


def test_what_is_cancelled_is_left_out(tmp_path: Path) -> None:
    rule = "UID:a\nDTSTART:20261201T100000Z\nDTEND:20261201T110000Z\nRRULE:FREQ=WEEKLY;COUNT=3"
    one = "UID:a\nRECURRENCE-ID:20261208T100000Z\nSTATUS:CANCELLED\nDTSTART:20261208T100000Z\nDTEND:20261208T110000Z"
    assert [found.begin for found in denied(tmp_path, rule, one) if isinstance(found, Span)] == [
        utc(2026, 12, 1, 10),
        utc(2026, 12, 15, 10),
    ]
    assert denied(tmp_path, f"{rule}\nSTATUS:CANCELLED") == []


def test_one_that_was_moved_is_where_it_was_moved_to(tmp_path: Path) -> None:
    rule = "UID:a\nDTSTART:20261201T100000Z\nDTEND:20261201T110000Z\nRRULE:FREQ=WEEKLY;COUNT=2"
    moved = "UID:a\nRECURRENCE-ID:20261208T100000Z\nDTSTART:20261209T150000Z\nDTEND:20261209T180000Z"
    assert Span(utc(2026, 12, 9, 15), utc(2026, 12, 9, 18)) in denied(tmp_path, rule, moved)
    assert len(denied(tmp_path, rule, moved)) == 2


def test_a_zone_that_the_file_itself_defines_is_known(tmp_path: Path) -> None:
    own = """
BEGIN:VTIMEZONE
TZID:Our Site
BEGIN:STANDARD
DTSTART:19700101T000000
TZOFFSETFROM:+0500
TZOFFSETTO:+0500
END:STANDARD
END:VTIMEZONE
"""
    event = "DTSTART;TZID=Our Site:20261220T180000\nDURATION:PT1H"
    assert denied(tmp_path, event, before=own) == [Span(utc(2026, 12, 20, 13), utc(2026, 12, 20, 14))]


@pytest.mark.parametrize(
    ("event", "said"),
    [
        (
            "SUMMARY:Freeze\nDTSTART;TZID=Mars/Olympus:20261220T180000\nDURATION:PT1H",
            'event "Freeze" is in a time zone that nobody knows: "Mars/Olympus"',
        ),
        ("SUMMARY:Freeze\nDTSTART:20261220T180000Z", 'event "Freeze" has no end'),
        ("SUMMARY:Freeze", 'event "Freeze" has no begin (DTSTART)'),
        (
            "DTSTART:20261220T180000Z\nDTEND:20261219T180000Z",
            'event "without a summary" ends before it begins, or has no length',
        ),
        (
            "DTSTART:20261220T180000Z\nDURATION:PT1H\nRRULE:FREQ=MINUTELY",
            'event "without a summary" repeats more than once a day, which no window does',
        ),
        (
            "DTSTART:20261220T180000Z\nDURATION:PT1H\nRRULE:FREQ=DAILY;INTERVAL=0",
            'event "without a summary" repeats by an INTERVAL or COUNT of less than 1',
        ),
        (
            "DTSTART:20261220T180000Z\nDURATION:PT1H\nRRULE:FREQ=DAILY\nEXRULE:FREQ=WEEKLY",
            'event "without a summary" has an EXRULE, which RFC 5545 no longer knows; list its dates as EXDATE',
        ),
        (
            "DTSTART:20261220T180000Z\nDURATION:PT1S\nRRULE:FREQ=DAILY;BYSECOND=1,2,3",
            'event "without a summary" repeats more than once a day, which no window does',
        ),
    ],
)
def test_what_cannot_be_relied_upon_is_a_mistake(tmp_path: Path, event: str, said: str) -> None:
    a_file(tmp_path, event)
    with pytest.raises(CalendarInvalid) as caught:
        occurrences(tmp_path, "freezes.ics", allow=False, now=NOW)
    assert str(caught.value) == f'calendar "freezes.ics": {said}'


@pytest.mark.parametrize(
    "event",
    [
        "DTSTART:soon\nDURATION:PT1H",
        "DTSTART:20261220T180000Z\nDTEND:20261220T190000",
        "DTSTART:20261220T180000Z\nDURATION:PT1H\nRRULE:FREQ=NEVER",
        "DTSTART:20261220T180000Z\nDURATION:an hour",
        "DTSTART:20261220T180000Z\nDURATION:PT1H\nthis is no line\x1b[2J",
        "DTSTART:99991231T180000Z\nDURATION:P99999999W",
    ],
)
def test_what_is_broken_is_one_sentence(tmp_path: Path, event: str) -> None:
    a_file(tmp_path, event)
    with pytest.raises(CalendarInvalid) as caught:
        occurrences(tmp_path, "freezes.ics", allow=False, now=NOW)
    assert str(caught.value).startswith('calendar "freezes.ics"')
    assert str(caught.value).isprintable()


@pytest.mark.parametrize("content", [b"", b"\xff\xfe", b"hello", b"BEGIN:VEVENT\nEND:VEVENT\n", b"\0" * 100])
def test_what_is_no_calendar_is_one_sentence(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "freezes.ics").write_bytes(content)
    with pytest.raises(CalendarInvalid) as caught:
        occurrences(tmp_path, "freezes.ics", allow=False, now=NOW)
    assert str(caught.value).isprintable()


def test_a_calendar_of_allowed_times_must_hold_one(tmp_path: Path) -> None:
    a_file(tmp_path, "DTSTART:20201220T180000Z\nDURATION:PT1H")
    with pytest.raises(CalendarInvalid, match="holds no event of the next 2 years"):
        occurrences(tmp_path, "freezes.ics", allow=True, now=NOW)
    a_file(tmp_path, "DTSTART:20261220T180000Z\nDURATION:PT1H")
    assert occurrences(tmp_path, "freezes.ics", allow=True, now=NOW) == [
        Span(utc(2026, 12, 20, 18), utc(2026, 12, 20, 19))
    ]


PLAN = """\
rollout: p
inventory: hosts
hosts: all
factors: {os: os}
combos: [{name: c, match: {os: old}, to: {os: new}}]
steps: [{name: stage, playbook: stage.yml}]
"""


def a_plan(folder: Path, more: str) -> Plan:
    for name in ("hosts", "stage.yml"):
        (folder / name).touch()
    a_file(folder, "DTSTART;VALUE=DATE:20261220\nDTEND;VALUE=DATE:20270106")
    (folder / "plan.yml").write_text(PLAN + more)
    return read(folder / "plan.yml")


def test_a_plan_reads_it(tmp_path: Path) -> None:
    written = "windows: [{deny: freezes.ics, reason: customers said no, zone: Europe/Berlin}]"
    (window,) = a_plan(tmp_path, written).windows
    assert window.file == "freezes.ics"
    assert str(window) == "customers said no (freezes.ics)"
    assert len(window.when) == 2


def test_the_guides_windows_are_understood(tmp_path: Path) -> None:
    block = GUIDE.split("```yaml\n")[1].split("```")[0]
    plan = a_plan(tmp_path, block)
    assert [window.allow for window in plan.windows] == [True, True, False, False, False]
    assert plan.deadline == utc(2027, 3, 31, 4)


def test_every_form_in_the_guide_is_one(tmp_path: Path) -> None:
    forms = re.findall(r"^\| `([^`]+)` \|", GUIDE, re.MULTILINE)
    assert len(forms) == 5
    listed = "".join(f'  - {{deny: "{form}"}}\n' for form in forms)
    assert len(a_plan(tmp_path, f"windows:\n{listed}").windows) == 5
