"""What `rollout plan` says of time."""

from dataclasses import replace
from datetime import UTC, datetime

from rollout.model.graph import Graph
from rollout.model.windows import Calendar, Dates, Key, Weekly, Window
from rollout.plan import zones
from rollout.report.windows import lines
from tests.fleet import a_graph

HOUR, DAY = 3600.0, 86400.0
MONDAY = datetime(2026, 11, 23, 12, tzinfo=UTC).timestamp()
NIGHTLY = Window(
    allow=True, when=(Weekly((0, 1, 2, 3, 4), 3600, 4 * HOUR),), zone="{{ tz }}", text="Mon-Fri 01:00 + 4h"
)
FREEZE = Window(
    allow=False,
    when=(Dates(MONDAY, MONDAY + 2 * DAY, late=True),),
    zone="{{ tz }}",
    text="2026-11-23 ..\x1b",
    reason="freeze",
)


def a_windowed(*windows: Window, keys: tuple[Key, ...], deadline: float | None = None) -> Graph:
    graph = a_graph({"a": len(keys)})
    names = {name for key in keys for name in key} | {"UTC"}
    calendar = Calendar(windows, {name: zones.zone(name) for name in names})
    nodes = {
        name: replace(node, zones=key) for (name, node), key in zip(graph.nodes.items(), keys, strict=True)
    }
    return replace(graph, nodes=nodes, calendar=calendar if windows else None, deadline=deadline)


def test_a_plan_without_windows_says_nothing() -> None:
    assert lines(a_windowed(keys=((), ())), MONDAY) == []


def test_windows_and_what_they_mean_for_the_hosts() -> None:
    berlin, santiago = ("Europe/Berlin",), ("America/Santiago",)
    graph = a_windowed(NIGHTLY, FREEZE, keys=(berlin, berlin, santiago), deadline=MONDAY + 30 * DAY)
    assert lines(graph, MONDAY) == [
        "windows: when hosts may begin",
        "  allow  Mon-Fri 01:00 + 4h  {{ tz }}",
        "  deny   2026-11-23 ..\\x1b   {{ tz }}  freeze",
        "  2 hosts (Europe/Berlin): next opens Thu 01:00, until Thu 05:00 (Europe/Berlin)",
        "  1 host (America/Santiago): next opens Thu 01:00, until Thu 05:00 (America/Santiago)",
        "deadline: Wed 2026-12-23 12:00 (UTC); nothing begins that would not end before it",
    ]


def test_hosts_that_fit_nowhere_are_named_before_the_run() -> None:
    short = replace(NIGHTLY, when=(Weekly((0,), 0, 60),), text="Mon 00:00 + 1m", zone="UTC")
    assert lines(a_windowed(short, keys=((), ())), MONDAY)[-2:] == [
        "  2 hosts (UTC): next opens Mon 2026-11-30 00:00, until Mon 2026-11-30 00:01 (UTC)",
        "  no window is long enough for 2 hosts of a (a1, a2): 3m as `expect` says, the longest is 1m",
    ]


def test_what_is_open_or_never_opens_is_said() -> None:
    over = replace(NIGHTLY, when=(Dates(0, DAY),), zone="UTC")
    assert "  1 host (UTC): no window opens within 400 days" in lines(a_windowed(over, keys=((),)), MONDAY)
    always = replace(FREEZE, when=(Dates(0, DAY),), zone="UTC")
    assert "  1 host (UTC): open now, with no end in sight" in lines(a_windowed(always, keys=((),)), MONDAY)
