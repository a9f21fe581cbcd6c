"""When hosts may begin, as `rollout plan` shows it."""

import time
from collections.abc import Iterator
from math import inf

from rollout.model.graph import Graph, Node
from rollout.model.windows import Calendar, Key
from rollout.model.zones import UTC, Zone, told
from rollout.report.plain import counted, listed, plain, spoken, table

SHOWN = 8


def lines(graph: Graph, now: float | None = None) -> list[str]:
    """The windows, what they mean for the hosts from `now` on, and the deadline; nothing if the plan has neither."""
    at = time.time() if now is None else now
    found = []
    if graph.calendar is not None:
        found = [
            "windows: when hosts may begin",
            *_written(graph.calendar),
            *_meant(graph, graph.calendar, at),
        ]
    if graph.deadline is not None:
        found.append(
            f"deadline: {told(Zone(UTC), graph.deadline, at)} ({UTC}); nothing begins that would not end before it"
        )
    return found


def _written(calendar: Calendar) -> list[str]:
    return table(
        [
            [
                "allow" if window.allow else "deny",
                plain(window.text),
                plain(window.zone),
                plain(window.reason),
            ]
            for window in calendar.windows
        ]
    )


def _meant(graph: Graph, calendar: Calendar, now: float) -> Iterator[str]:
    """One line for all hosts that live by the same clocks; one for those of a combo that fit into no window."""
    keys: dict[Key, list[Node]] = {}
    for node in graph.nodes.values():
        keys.setdefault(node.zones, []).append(node)
    for key, nodes in list(keys.items())[:SHOWN]:
        yield f"  {counted(len(nodes), 'host')} ({', '.join(key) or calendar.zone(key).name}): {_next(calendar, key, now)}"
    if len(keys) > SHOWN:
        yield f"  and {counted(len(keys) - SHOWN, 'more set of zones', 'more sets of zones')}"
    misfits: dict[tuple[Key, str, float], list[str]] = {}
    for key, nodes in keys.items():
        for node in nodes:
            if calendar.next_opening(key, now, node.expect) is None:
                misfits.setdefault((key, node.combo, node.expect), []).append(node.name)
    for (key, combo, need), names in misfits.items():
        who = f"{counted(len(names), 'host')} of {combo} ({listed(names, 3)})"
        longest = spoken(calendar.longest(key, now))
        yield f"  no window is long enough for {who}: {spoken(need)} as `expect` says, the longest is {longest}"


def _next(calendar: Calendar, key: Key, now: float) -> str:
    zone = calendar.zone(key)
    opens = calendar.next_opening(key, now)
    if opens is None:
        return "no window opens within 400 days"
    end = calendar.open_until(key, opens)
    until = "with no end in sight" if end in {None, inf} else f"until {told(zone, end or opens, now)}"
    return (
        f"open now, {until}"
        if opens == now
        else f"next opens {told(zone, opens, now)}, {until} ({zone.name})"
    )
