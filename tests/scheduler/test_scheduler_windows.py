"""Time holds hosts up: windows, the plan's deadline, and the end of the controller; with the words that are said then."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from rollout.model.decision import Wait
from rollout.model.event import Kind
from rollout.model.graph import Graph
from rollout.model.plan import Amount, Failures, Limits
from rollout.model.windows import Calendar, Dates, Key, Weekly, Window
from rollout.plan import zones
from rollout.scheduler.windows import may_begin, spoken
from tests.fleet import CHAIN, a_combo, a_graph, a_plan
from tests.scheduler.given import Given

HOUR, DAY = 3600.0, 86400.0
NIGHTS = Weekly((0, 1, 2, 3, 4), 3600, 4 * HOUR)
"""Mon-Fri 01:00 + 4h."""

OWN = "{{ site_timezone }}"


def at(*when: int, zone: str = "Europe/Berlin") -> float:
    moment = datetime(*when, tzinfo=UTC)  # type: ignore[arg-type, misc]  # year, month ... as given
    return zones.zone(zone).first(moment.timestamp())


def freeze(begin: float, end: float, reason: str = "year-end freeze") -> Window:
    first, last = (datetime.fromtimestamp(one, UTC).date() for one in (begin, end - DAY))
    return Window(
        allow=False, when=(Dates(begin, end, late=True),), zone=OWN, text=f"{first} .. {last}", reason=reason
    )


def a_windowed(
    *windows: Window, deadline: float | None = None, key: Key = ("Europe/Berlin",), counts: int = 3
) -> Graph:
    """Hosts in one zone."""
    plan = a_plan(a_combo("r650-kvm"), limits=Limits(at_once=Amount(9)), waves=[Amount(9)])
    graph = a_graph({"r650-kvm": counts}, plan)
    names = {"UTC", "Europe/Berlin", "America/Santiago"}
    calendar = Calendar(windows, {name: zones.zone(name) for name in names}) if windows else None
    nodes = {name: replace(node, zones=key) for name, node in graph.nodes.items()}
    return replace(graph, nodes=nodes, calendar=calendar, deadline=deadline)


NIGHTLY = Window(allow=True, when=(NIGHTS,), zone=OWN, text="Mon-Fri 01:00 + 4h")


def said(graph: Graph, need: float, now: float, until: float | None = None) -> str:
    closed = may_begin(graph, "r650-kvm1", need, now, until)
    assert closed is not None
    return closed.because


# --- the words ---------------------------------------------------------------------------------------------------------------

MONDAY = (2026, 11, 23)
CASES = {
    "it may": (4 * HOUR, at(*MONDAY, 1), None),
    "about to close": (
        70 * 60,
        at(*MONDAY, 4, 20),
        "its window closes at 05:00 (Europe/Berlin), in 40 min, and a host of r650-kvm takes up to 1 h 10 min (p90); the next opens Tue 01:00, in 20 h 40 min",
    ),
    "closed": (
        70 * 60,
        at(*MONDAY, 5),
        "it is outside its windows; the next opens Tue 01:00 (Europe/Berlin), in 20 h",
    ),
    "closed until later today": (
        70 * 60,
        at(*MONDAY, 0, 30),
        "it is outside its windows; the next opens at 01:00 (Europe/Berlin), in 30 min",
    ),
    "fits nowhere": (
        4 * HOUR + 1,
        at(*MONDAY, 1),
        "its window closes at 05:00 (Europe/Berlin), in 4 h, and a host of r650-kvm takes up to 4 h 1 min (p90); no window is long enough: it needs 4 h 1 min, the longest is 4 h",
    ),
    "a freeze": (
        HOUR,
        at(2026, 12, 21, 1),
        "closed by year-end freeze (2026-12-20 .. 2027-01-05); the next opens Wed 2027-01-06 01:00 (Europe/Berlin), in 16 d",
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_the_words_of_a_window(name: str) -> None:
    need, now, words = CASES[name]
    graph = a_windowed(NIGHTLY, freeze(at(2026, 12, 20, zone="UTC"), at(2027, 1, 6, zone="UTC")))
    closed = may_begin(graph, "r650-kvm1", need, now)
    assert (closed and closed.because) == words
    if closed is not None and closed.opens is not None:
        assert may_begin(graph, "r650-kvm1", need, closed.opens) is None
        assert may_begin(graph, "r650-kvm1", need, closed.opens - 60) is not None


def test_a_window_that_a_freeze_cuts_off_says_so() -> None:
    graph = a_windowed(freeze(at(2026, 12, 20, zone="UTC"), at(2027, 1, 6, zone="UTC")))
    assert said(graph, 2 * HOUR, at(2026, 12, 19, 23)) == (
        "its window closes Sun 00:00 (Europe/Berlin), in 1 h, for year-end freeze (2026-12-20 .. 2027-01-05), "
        "and a host of r650-kvm takes up to 2 h (p90); the next opens Wed 2027-01-06 00:00, in 17 d 1 h"
    )


def test_of_windows_that_differ_the_next_that_is_long_enough_is_named() -> None:
    weekend = Window(allow=True, when=(Weekly((5,), 0, 20 * HOUR),), zone=OWN, text="Sat 00:00 + 20h")
    closed = may_begin(a_windowed(NIGHTLY, weekend), "r650-kvm1", 6 * HOUR, at(*MONDAY, 12))
    assert closed is not None
    assert closed.because == (
        "it is outside its windows; the next that is long enough opens Sat 00:00 (Europe/Berlin), in 4 d 12 h"
    )
    assert closed.opens == at(2026, 11, 28)


def test_nothing_is_in_sight() -> None:
    past = Window(allow=True, when=(Dates(0, DAY),), zone=OWN, text="1970-01-01")
    assert said(a_windowed(past), HOUR, at(*MONDAY)) == (
        "it is outside its windows; no window opens within 400 days"
    )
    last = Window(allow=True, when=(Dates(at(*MONDAY, 1, zone="UTC"), at(*MONDAY, 5, zone="UTC")),), zone=OWN)
    assert said(a_windowed(last), HOUR, at(*MONDAY, 4, 30)).endswith(
        "; no other window that is long enough opens within 400 days"
    )


def test_the_deadline_holds_back_what_would_not_end_before_it() -> None:
    graph = a_windowed(NIGHTLY, deadline=at(*MONDAY, 3))
    assert may_begin(graph, "r650-kvm1", HOUR, at(*MONDAY, 2)) is None
    assert said(graph, HOUR, at(*MONDAY, 2, 1)) == (
        "the plan's deadline, 03:00 (Europe/Berlin), is in 59 min, and a host of r650-kvm takes up to 1 h (p90)"
    )
    assert said(graph, HOUR, at(*MONDAY, 3)) == (
        "the plan's deadline, 03:00 (Europe/Berlin), has passed: nothing more begins"
    )
    closed = may_begin(graph, "r650-kvm1", 3 * HOUR, at(2026, 11, 22, 12))
    assert closed is not None
    assert closed.opens is None
    assert closed.because.endswith(
        "the next opens Mon 01:00 (Europe/Berlin), too late for the plan's deadline"
    )
    assert "(UTC)" in said(a_windowed(deadline=at(*MONDAY, 3)), HOUR, at(*MONDAY, 2, 30))


def test_the_end_of_the_controller_holds_back_what_would_not_end_before_it() -> None:
    graph, now = a_windowed(NIGHTLY, deadline=at(*MONDAY, 3)), at(*MONDAY, 1)
    assert may_begin(graph, "r650-kvm1", HOUR, now, now + HOUR) is None
    assert said(graph, HOUR, now, now + HOUR - 1) == (
        "this controller ends in 59 min, and a host of r650-kvm takes up to 1 h (p90)"
    )
    closed = may_begin(graph, "r650-kvm1", HOUR, now - 2 * HOUR, now + 1)
    assert closed is not None
    assert closed.because.endswith("too late for this controller")
    assert closed.opens is None


def test_each_host_is_held_to_its_own_clocks() -> None:
    now = at(*MONDAY, 3, zone="America/Santiago")
    assert may_begin(a_windowed(NIGHTLY, key=("America/Santiago",)), "r650-kvm1", HOUR, now) is None
    assert "(Europe/Berlin)" in said(a_windowed(NIGHTLY), HOUR, now)


def test_what_is_left_is_rounded_down_and_what_is_needed_up() -> None:
    assert [spoken(seconds) for seconds in (0, 59.9, 119, 3659, 2 * DAY + 7199)] == [
        *("0 s", "59 s", "1 min 59 s", "1 h", "2 d 1 h")
    ]
    assert [spoken(seconds, up=True) for seconds in (59.1, 3601, DAY + 1)] == [
        "1 min",
        "1 h 1 min",
        "1 d 1 h",
    ]


# --- in the whole of deciding ------------------------------------------------------------------------------------------------


def in_the_night(now: float) -> Given:
    given = Given(a_windowed(NIGHTLY)).opened("r650-kvm/1")
    given.now = now
    return given


def test_no_host_begins_outside_its_window_and_the_controller_waits_for_it() -> None:
    given = in_the_night(at(*MONDAY, 0, 30))
    assert given.decides() == [f"wait until {at(*MONDAY, 1):g}"]
    assert given.decides(1800) == ["start r650-kvm1 precheck #1"]


def test_a_host_that_would_not_end_in_its_window_does_not_begin() -> None:
    given = in_the_night(at(*MONDAY, 4, 57))  # the chain is thought to take 3 min
    assert given.decides() == ["start r650-kvm1 precheck #1"]
    assert given.decides(1) == [f"wait until {at(2026, 11, 24, 1):g}"]


def test_what_holds_a_slot_goes_on_to_its_end_when_the_window_closes() -> None:
    given = in_the_night(at(*MONDAY, 4, 50)).did("r650-kvm1", "precheck").began("r650-kvm1", "upgrade")
    given.did("r650-kvm2", "precheck")
    given.now = at(*MONDAY, 5, 30)
    given.tell(Kind.DONE, "r650-kvm1", "upgrade")
    assert given.decides() == ["start r650-kvm1 reboot #3"]


def test_a_host_that_is_ready_does_not_take_its_slot_when_the_window_has_closed() -> None:
    given = in_the_night(at(*MONDAY, 4, 50)).did("r650-kvm1", "precheck")
    assert given.decides(3600) == [f"wait until {at(2026, 11, 24, 1):g}"]


def in_two_zones(*, harm: float | None) -> Graph:
    """Hosts of one rack and one kind: the odd ones in Berlin, the even ones in Santiago; 01:00 + 4h in each."""
    plan = a_plan(waves=[Amount(100, percent=True)], limits=Limits(Amount(50)), failures=Failures(9, 9))
    graph = a_graph({"a": 6}, plan, racks=1)
    calendar = Calendar(
        (NIGHTLY,), {name: zones.zone(name) for name in ("UTC", "Europe/Berlin", "America/Santiago")}
    )
    nodes = {
        name: replace(node, zones=("Europe/Berlin" if int(name[1:]) % 2 else "America/Santiago",))
        for name, node in graph.nodes.items()
    }
    return replace(graph, harm=harm, calendar=calendar, nodes=nodes)


@pytest.mark.parametrize("harm", [None, 3.0])
def test_a_host_whose_window_is_closed_stands_in_no_others_way(harm: float | None) -> None:
    given = Given(in_two_zones(harm=harm))
    given.now = at(*MONDAY, 1)
    given.opened("a/1").did("a1", "precheck")
    given.now = at(*MONDAY, 5, 30)
    assert given.decides() == ["start a2 precheck #1"]


def test_between_two_steps_without_a_slot_time_counts_too() -> None:
    """And a retry later is a new start; the controller waits for the window of a host that is between two steps."""
    steps = (CHAIN[0], replace(CHAIN[0], name="stage"), *CHAIN[1:])
    graph = in_two_zones(harm=None)
    combo = replace(graph.combos["a"], chain=steps)
    nodes = {"a1": graph.nodes["a1"]}
    wave = replace(graph.waves["a/1"], hosts=("a1",))
    given = Given(replace(graph, combos={"a": combo}, nodes=nodes, waves={"a/1": wave}))
    given.now = at(*MONDAY, 1)
    given.opened("a/1").did("a1", "precheck")
    given.now = at(*MONDAY, 9)
    (decision,) = given.decide()
    assert isinstance(decision, Wait)
    assert decision.until == at(*MONDAY, 1) + 86400
    given.now = decision.until
    assert given.decides() == ["start a1 stage #2"]
