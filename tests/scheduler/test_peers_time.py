"""Peers whose windows closed too early, or were looked at too seldom."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from rollout.model.event import Event, Kind
from rollout.model.graph import Graph
from rollout.model.plan import Amount, Limits, Soak
from rollout.model.windows import Calendar, Weekly, Window
from rollout.model.zones import DAY, Zone
from rollout.model.zones import UTC as IN_UTC
from rollout.scheduler.windows import may_begin
from tests.fleet import a_combo, a_graph, a_plan
from tests.scheduler.rehearsed import Rehearsed

HOUR = 3600
FRIDAY = datetime(2026, 11, 20, tzinfo=UTC).timestamp()


def windowed(weekly: Weekly, hosts: int = 9, **more: Any) -> Graph:
    """One window, in UTC; hosts take three minutes each, one after the other."""
    plan = a_plan(a_combo("a"), waves=[Amount(100, percent=True)], limits=Limits(at_once=Amount(1)), **more)
    calendar = Calendar(
        (Window(allow=True, when=(weekly,), zone=IN_UTC, text="as given"),), {IN_UTC: Zone(IN_UTC)}
    )
    return replace(a_graph({"a": hosts}, plan), calendar=calendar)


def begun(run: Rehearsed) -> list[Event]:
    """The first order of each host, and the one with which it took its slot."""
    return [
        event
        for event in run.events
        if event.kind is Kind.INTENDED and (event.attempt == 1 or event.data["slots"])
    ]


@pytest.mark.parametrize("minutes", [22 * 60, 23 * 60 + 59, 24 * 60, 24 * 60 + 1, 26 * 60, 27 * 60 + 56])
def test_kured_a_window_that_wraps_midnight_stays_open(minutes: int) -> None:
    """There: a window from 22:00 to 04:00 closed at midnight. Here: it belongs to the day on which it began, until its end on the next."""
    graph = windowed(Weekly((4,), 22 * HOUR, 6 * HOUR))
    assert may_begin(graph, "a1", 180, FRIDAY + minutes * 60) is None


@pytest.mark.parametrize("minutes", [0, 21 * 60 + 59, 27 * 60 + 58, 28 * 60, 24 * 60 + 22 * 60])
def test_kured_and_it_is_open_at_no_other_time(minutes: int) -> None:
    graph = windowed(Weekly((4,), 22 * HOUR, 6 * HOUR))
    assert may_begin(graph, "a1", 180, FRIDAY + minutes * 60) is not None


def test_system_upgrade_controller_the_window_is_checked_for_every_host() -> None:
    """There: the window is looked at when the plan starts; then all its nodes follow, whatever the time. Here: before each host, and again before its slot."""
    graph = windowed(Weekly(tuple(range(7)), 22 * HOUR, 15 * 60), hosts=12)
    run = Rehearsed(graph, start=FRIDAY + 22 * HOUR)
    assert run.go().exit_code == 0
    into = [(event.at - FRIDAY - 22 * HOUR) % DAY for event in begun(run)]
    assert max(into) <= 15 * 60 - 180 + 10, "whoever begins can still end: its precheck may be done already"
    nights = {int((event.at - FRIDAY) // DAY) for event in begun(run)}
    assert len(nights) == 3, "five a night"


def test_system_upgrade_controller_a_soak_that_ends_outside_the_window_begins_nothing() -> None:
    graph = windowed(Weekly(tuple(range(7)), 22 * HOUR, HOUR), hosts=2, soak=Soak(3 * HOUR, 0))
    waves = {"a/1": replace(graph.waves["a/1"], soak=3.0 * HOUR)}
    run = Rehearsed(replace(graph, waves=waves, harm=3.0), start=FRIDAY + 22 * HOUR)
    assert run.go().exit_code == 0
    upgrades = [event for event in begun(run) if event.data["slots"]]
    assert [int((event.at - FRIDAY) // DAY) for event in upgrades] == [0, 1], (
        "proven at one, begun the next night"
    )
