"""Zones and windows, beside what Python's own zoneinfo says of the same clocks."""

import json
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from math import inf
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rollout.model.windows import Calendar, Dates, Span, Weekly, When, Window
from rollout.model.zones import DAY, Zone, days, told, weekday
from rollout.model.zones import date as date_of
from rollout.plan import zones

HOUR = 3600.0
NAMES = (
    "Europe/Berlin",
    "America/New_York",
    "America/Sao_Paulo",  # no summer time any more
    "America/Santiago",  # southern, changes at midnight
    "America/Havana",  # shows midnight twice
    "Asia/Beirut",  # leaves midnight out
    "Africa/Casablanca",  # goes back for Ramadan
    "Australia/Lord_Howe",  # half an hour
    "Pacific/Chatham",  # 12:45
    "Asia/Kathmandu",
    "Antarctica/Troll",  # two hours
    "UTC",
)
DAILY = tuple(range(7))


def local(*when: int) -> datetime:
    """What clocks show: year, month, day and as much more as is given."""
    return datetime(*when)  # type: ignore[arg-type]  # noqa: DTZ001  a wall time has no zone


EPOCH = local(1970, 1, 1)


def instants() -> st.SearchStrategy[float]:
    """Ten years, in quarters of an hour, often near a change of the clocks."""
    first, last = zones.FIRST.timestamp(), datetime(2036, 1, 1, tzinfo=UTC).timestamp()
    changes = sorted({at for name in NAMES for at, _ in zones.zone(name).transitions if first < at < last})
    anywhere = st.integers(int(first), int(last) - 1).map(lambda at: at // 900 * 900.0)
    near = st.builds(
        lambda at, quarters: at + quarters * 900.0, st.sampled_from(changes), st.integers(-200, 200)
    )
    return anywhere | near


def a_zone() -> st.SearchStrategy[str]:
    return st.sampled_from(NAMES)


def clocks(name: str, at: float) -> datetime:
    return datetime.fromtimestamp(at, ZoneInfo(name)).replace(tzinfo=None)


def wall(at: datetime) -> float:
    return (at - EPOCH).total_seconds()


def instant(name: str, local: datetime, *, fold: int = 0) -> float:
    """By zoneinfo; for a time that is left out, the second at which the clocks jump."""
    at = local.replace(tzinfo=ZoneInfo(name), fold=fold).timestamp()
    if clocks(name, at) == local:
        return at
    low, high = int(at) - 2 * DAY, int(at) + 2 * DAY
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if clocks(name, middle) < local else (low, middle)
    return float(high)


# --- zones -------------------------------------------------------------------------------------------------------------------


@given(a_zone(), instants())
def test_a_zone_shows_what_zoneinfo_shows(name: str, at: float) -> None:
    assert zones.zone(name).wall(at) == wall(clocks(name, at))


@given(a_zone(), instants())
def test_the_first_instant_of_a_wall_time_is_that_of_zoneinfo(name: str, at: float) -> None:
    assert zones.zone(name).first(at) == instant(name, EPOCH + timedelta(seconds=at))


@given(a_zone(), instants())
def test_after_the_last_instant_of_a_wall_time_the_clocks_never_show_less(name: str, at: float) -> None:
    zone = zones.zone(name)
    last = zone.last(at)
    assert zone.wall(last - 1) < at
    assert all(zone.wall(last + minutes * 60) >= at for minutes in range(0, 3 * 60, 5))


@given(st.dates(date(1600, 1, 1), date(2600, 1, 1)))
def test_days_and_dates_are_those_of_the_calendar(day: date) -> None:
    number = days(day.year, day.month, day.day)
    assert number == (day - date(1970, 1, 1)).days
    assert date_of(number) == (day.year, day.month, day.day)
    assert weekday(number) == day.weekday()


@pytest.mark.parametrize(("name", "changes"), [("UTC", 1), ("Asia/Kathmandu", 1), ("Europe/Berlin", 101)])
def test_a_zone_holds_its_changes_and_nothing_else(name: str, changes: int) -> None:
    assert len(zones.zone(name).transitions) == changes


def test_a_time_is_told_with_as_much_as_is_needed() -> None:
    berlin = zones.zone("Europe/Berlin")
    now = at("Europe/Berlin", 2026, 11, 23, 23, 30)
    assert told(berlin, now + 60, now) == "23:31"
    assert told(berlin, now + HOUR, now) == "Tue 00:30"
    assert told(berlin, now + 8 * DAY, now) == "Tue 2026-12-01 23:30"
    assert told(berlin, now - DAY, now) == "Sun 2026-11-22 23:30"


# --- windows, one by one -----------------------------------------------------------------------------------------------------


def a_calendar(*windows: Window | When) -> Calendar:
    """Bare times allow."""
    return Calendar(
        tuple(one if isinstance(one, Window) else Window(allow=True, when=(one,)) for one in windows),
        {name: zones.zone(name) for name in NAMES},
    )


def allowing(when: When, zone: str = "UTC") -> Window:
    return Window(allow=True, when=(when,), zone=zone)


def denying(when: When, zone: str = "UTC", reason: str = "") -> Window:
    return Window(allow=False, when=(when,), zone=zone, reason=reason)


def at(name: str, *when: int, fold: int = 0) -> float:
    return instant(name, local(*when), fold=fold)


def test_a_window_that_wraps_midnight_does_not_close_at_midnight() -> None:
    calendar = a_calendar(Weekly((4,), 22 * 3600, 6 * HOUR))  # Friday
    friday = at("UTC", 2026, 11, 27, 22)
    assert not calendar.is_open((), friday - 1)
    assert calendar.open_until((), friday) == friday + 6 * HOUR
    assert calendar.open_until((), friday + 5 * HOUR) == friday + 6 * HOUR
    assert not calendar.is_open((), friday + 6 * HOUR)
    assert not calendar.is_open((), friday - 23 * HOUR)  # nor does Thursday night have the tail of it


def test_windows_that_touch_or_overlap_are_one() -> None:
    calendar = a_calendar(
        Weekly(DAILY, 0, 4 * HOUR), Weekly(DAILY, 4 * 3600, HOUR), Weekly((0,), 3600, 9 * HOUR)
    )
    monday = at("UTC", 2026, 11, 23)
    assert calendar.open_until((), monday) == monday + 10 * HOUR
    assert calendar.open_until((), monday + DAY) == monday + DAY + 5 * HOUR
    assert calendar.next_opening((), monday + DAY, 6 * HOUR) == monday + 7 * DAY


def test_what_is_denied_is_closed_whatever_allows_it() -> None:
    freeze = denying(Dates(wall(local(2026, 12, 20)), wall(local(2027, 1, 6))), reason="freeze")
    calendar = a_calendar(Weekly(DAILY, 22 * 3600, 8 * HOUR), freeze)
    begin = at("UTC", 2026, 12, 20)
    assert calendar.open_until((), begin - HOUR) == begin
    assert calendar.denying((), begin) == freeze
    assert calendar.denying((), begin - HOUR) is None
    assert calendar.next_opening((), begin) == at(
        "UTC", 2027, 1, 6
    )  # the night has begun, the freeze is over
    assert calendar.next_opening((), begin, 7 * HOUR) == at("UTC", 2027, 1, 6, 22)


def test_without_a_window_that_allows_all_is_open_but_what_is_denied() -> None:
    calendar = a_calendar(denying(Weekly((4,), 12 * 3600, 60 * HOUR)))
    friday = at("UTC", 2026, 11, 27, 12)
    assert calendar.open_until((), friday - 1) == friday
    assert not calendar.is_open((), friday)
    assert calendar.next_opening((), friday, HOUR) == friday + 60 * HOUR
    assert a_calendar().open_until((), friday) == inf
    assert a_calendar().next_opening((), friday, 1e9) == friday


def test_nothing_is_in_sight_when_no_window_is_long_enough_or_all_are_over() -> None:
    now = at("UTC", 2026, 11, 23)
    nightly = a_calendar(Weekly(DAILY, 3600, HOUR))
    assert nightly.next_opening((), now, HOUR) == now + HOUR
    assert nightly.next_opening((), now, HOUR + 1) is None
    assert nightly.longest((), now) == HOUR
    over = a_calendar(Span(now - 5 * HOUR, now - HOUR))
    assert over.next_opening((), now) is None
    assert over.longest((), now) == 0
    assert a_calendar(Span(now + 399 * DAY, now + 400 * DAY)).next_opening((), now) == now + 399 * DAY
    assert a_calendar(Span(now + 401 * DAY, now + 402 * DAY)).next_opening((), now) is None


def test_what_is_left_of_a_window_counts_and_not_the_whole_of_it() -> None:
    calendar = a_calendar(Weekly(DAILY, 3600, 4 * HOUR))
    three = at("UTC", 2026, 11, 23, 3)
    assert calendar.next_opening((), three, 2 * HOUR) == three
    assert calendar.next_opening((), three, 2 * HOUR + 1) == three + 22 * HOUR


# --- the clocks change -------------------------------------------------------------------------------------------------------


def test_a_begin_that_the_clocks_leave_out_is_when_they_jump() -> None:
    calendar = a_calendar(allowing(Weekly(DAILY, 2 * 3600 + 1800, HOUR), "Europe/Berlin"))
    jump = at("UTC", 2027, 3, 28, 1)
    assert not calendar.is_open((), jump - 1)
    assert calendar.open_until((), jump) == jump + HOUR


def test_a_begin_that_the_clocks_show_twice_is_the_first() -> None:
    calendar = a_calendar(allowing(Weekly(DAILY, 2 * 3600 + 1800, HOUR), "Europe/Berlin"))
    first = at("UTC", 2026, 10, 25, 0, 30)
    assert calendar.open_until((), first) == first + HOUR
    assert not calendar.is_open((), first + HOUR)  # 02:30 once more
    assert not calendar.is_open((), first - 1)


def test_a_length_is_time_that_passes() -> None:
    calendar = a_calendar(allowing(Weekly(DAILY, 22 * 3600, 8 * HOUR), "Europe/Berlin"))
    for evening in ((2026, 10, 24), (2027, 3, 27), (2026, 7, 1)):
        opens = at("Europe/Berlin", *evening, 22)
        assert calendar.open_until((), opens) == opens + 8 * HOUR


def test_half_an_hour_of_lord_howe() -> None:
    name = "Australia/Lord_Howe"
    calendar = a_calendar(allowing(Weekly(DAILY, 2 * 3600, HOUR), name))
    jump = at("UTC", 2026, 10, 3, 15, 30)  # 02:00 becomes 02:30
    assert calendar.open_until((), jump) == jump + HOUR
    back = at(name, 2027, 4, 4, 1, 30)  # 02:00 becomes 01:30
    assert zones.zone(name).wall(back + HOUR) == wall(local(2027, 4, 4, 2))
    assert calendar.open_until((), back + HOUR) == back + 2 * HOUR


def test_in_an_hour_shown_twice_what_allows_ends_early_and_what_denies_ends_late() -> None:
    begin, end = wall(local(2026, 10, 25)), wall(local(2026, 10, 25, 2, 30))
    first = at("UTC", 2026, 10, 25, 0, 30)
    allowed = a_calendar(allowing(Dates(begin, end), "Europe/Berlin"))
    assert allowed.open_until((), first - 1) == first
    denied = a_calendar(denying(Dates(begin, end, late=True), "Europe/Berlin"))
    assert denied.next_opening((), first) == first + HOUR


def test_a_day_is_as_long_as_its_clocks_say() -> None:
    for name, day, hours in (
        ("Europe/Berlin", (2026, 10, 25), 25),
        ("Europe/Berlin", (2027, 3, 28), 23),
        ("America/Havana", (2026, 11, 1), 25),  # 01:00 becomes 00:00
        ("Asia/Beirut", (2027, 3, 28), 23),  # 00:00 becomes 01:00
        ("Australia/Lord_Howe", (2026, 10, 4), 23.5),
    ):
        begin = wall(local(*day))
        calendar = a_calendar(denying(Dates(begin, begin + DAY, late=True), name))
        opens = calendar.next_opening((), at(name, *day, 12))
        assert opens is not None
        assert (opens - at(name, *day)) / HOUR == hours, name
        assert calendar.open_until((), at(name, *day) - 1) == at(name, *day)


# --- hosts have zones of their own -------------------------------------------------------------------------------------------


def test_each_host_is_asked_about_by_its_own_zones() -> None:
    calendar = a_calendar(
        allowing(Weekly(DAILY, 3600, 4 * HOUR), "{{ site_timezone }}"),
        denying(Weekly((0,), 0, DAY), "{{ owner_timezone }}"),
        denying(Span(0, 1), "Europe/Berlin"),
    )
    assert calendar.templates == ("{{ site_timezone }}", "{{ owner_timezone }}")
    night = at("America/Santiago", 2026, 11, 24, 3)
    assert calendar.is_open(("America/Santiago", "UTC"), night)
    assert not calendar.is_open(("UTC", "UTC"), night)
    monday = at("Pacific/Chatham", 2026, 11, 23, 1)
    assert not calendar.is_open(("Pacific/Chatham", "Pacific/Chatham"), monday)
    assert calendar.is_open(("Pacific/Chatham", "UTC"), monday)
    assert calendar.zone(("Pacific/Chatham", "UTC")).name == "Pacific/Chatham"


# --- in general --------------------------------------------------------------------------------------------------------------

quarters = st.integers(1, 4 * 24 * 2).map(lambda number: number * 900.0)
weeklies = st.builds(
    lambda on, start, length: Weekly(tuple(sorted(on)), start * 900, length),
    st.sets(st.integers(0, 6), min_size=1),
    st.integers(0, 95),
    quarters,
)
dates_near = st.builds(lambda begin, length: (begin, begin + length), instants(), quarters)


@st.composite
def calendars(draw: st.DrawFn) -> Calendar:
    windows = []
    for _ in range(draw(st.integers(0, 4))):
        allow = draw(st.booleans())
        begin, end = draw(dates_near)
        once: list[When] = [Dates(begin, end, late=not allow), Span(begin, end)]
        when = draw(weeklies | st.sampled_from(once))
        windows.append(Window(allow=allow, when=(when,), zone=draw(a_zone())))
    return a_calendar(*windows)


def stretches(window: Window, near: float) -> Iterator[tuple[float, float]]:
    """By zoneinfo alone."""
    for when in window.when:
        if isinstance(when, Weekly):
            today = clocks(window.zone, near).replace(hour=0, minute=0, second=0)
            for away in range(-4, 4):
                day = today + timedelta(days=away)
                if day.weekday() in when.days:
                    begin = instant(window.zone, day + timedelta(seconds=when.start))
                    yield begin, begin + when.length
        elif isinstance(when, Dates):
            first, last = (EPOCH + timedelta(seconds=one) for one in (when.begin, when.end))
            ends = instant(window.zone, last)
            again = instant(window.zone, last, fold=1)
            less_again = clocks(window.zone, again - 1) < last
            yield instant(window.zone, first), again if when.late and less_again else ends
        else:
            yield when.begin, when.end


def open_by_zoneinfo(calendar: Calendar, now: float) -> bool:
    def held(*, allow: bool) -> bool:
        chosen = [window for window in calendar.windows if window.allow is allow]
        return any(begin <= now < end for one in chosen for begin, end in stretches(one, now))

    allows = any(window.allow for window in calendar.windows)
    return (held(allow=True) or not allows) and not held(allow=False)


@given(calendars(), instants())
def test_it_is_open_when_zoneinfo_says_so(calendar: Calendar, now: float) -> None:
    assert calendar.is_open((), now) is open_by_zoneinfo(calendar, now)


@given(calendars(), instants(), st.integers(0, 1000))
def test_it_stays_open_until_its_end_and_not_a_second_longer(
    calendar: Calendar, now: float, share: int
) -> None:
    end = calendar.open_until((), now)
    if end is None:
        assert not open_by_zoneinfo(calendar, now)
    elif end == inf:
        assert open_by_zoneinfo(calendar, now + share * DAY / 3)
    else:
        assert not open_by_zoneinfo(calendar, end)
        assert open_by_zoneinfo(calendar, end - 1)
        assert open_by_zoneinfo(calendar, now + (end - 1 - now) * share / 1000)


@given(calendars(), instants(), quarters, st.integers(0, 999))
def test_the_next_opening_is_the_first_that_is_long_enough(
    calendar: Calendar, now: float, need: float, share: int
) -> None:
    opens = calendar.next_opening((), now, need)
    before = now + ((400 * DAY if opens is None else opens - now) * share / 1000) // 60 * 60
    if opens is None or before < opens:
        end = calendar.open_until((), before)
        assert end is None or end - before < need
    if opens is not None:
        end = calendar.open_until((), opens)
        assert end is not None
        assert end - opens >= need
        assert open_by_zoneinfo(calendar, opens)
        assert open_by_zoneinfo(calendar, opens + need - 1)


@given(calendars(), instants(), instants())
def test_what_was_asked_before_changes_no_answer(calendar: Calendar, now: float, earlier: float) -> None:
    again = Calendar.from_json(json.loads(json.dumps(calendar.to_json())))
    assert again == calendar
    calendar.open_until((), earlier)
    for before in (earlier, now - DAY, now - HOUR):
        calendar.next_opening((), before, HOUR)
    assert calendar.open_until((), now) == again.open_until((), now)
    assert calendar.next_opening((), now, HOUR) == again.next_opening((), now, HOUR)


def test_the_first_and_the_last_zone_hold_for_ever() -> None:
    zone = Zone("X", ((1000.0, 3600), (2000.0, 7200)))
    assert zone.wall(0) == 3600
    assert zone.wall(1e12) == 1e12 + 7200
    assert zone.first(0) == -3600
    assert zone.last(0) == -3600
