"""When hosts may begin, as `rollout plan` shows it."""

import time
from collections.abc import Iterator, Sequence
from math import inf

from rollout.model.graph import Graph, Node
from rollout.model.windows import Calendar, Key
from rollout.model.zones import UTC, Zone, told
from rollout.report.estimate import seconds_of_run
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
        found.append(deadline(graph, graph.deadline, at))
    return found


def deadline(graph: Graph, ends: float, now: float) -> str:
    """When nothing begins any more, and whether that is too soon."""
    said = f"deadline: {told(Zone(UTC), ends, now)} ({UTC})"
    if ends <= now:
        return f"{said} has passed: nothing begins; write a later `deadline`, and plan again"
    needed = seconds_of_run(graph)
    late = (
        f"; it is in {spoken(ends - now)}, and the plan takes at least {spoken(needed)}: what is left then is not begun"
        if now + needed > ends
        else ""
    )
    return f"{said}; nothing begins that would not end before it{late}"


def warnings(graph: Graph, now: float) -> list[str]:
    """What stands in the way of every host, whatever else is well with the plan."""
    if graph.deadline is None or now + seconds_of_run(graph) <= graph.deadline:
        return []
    return [deadline(graph, graph.deadline, now)]


def of_hosts(graph: Graph, nodes: Sequence[Node], now: float) -> list[str]:
    """One line: from when on how many of them may begin, by their own windows; none if the plan has no windows."""
    if graph.calendar is None:
        return []
    found: dict[str, int] = {}
    for node in nodes:
        opens = graph.calendar.next_opening(node.zones, now, node.expect)
        zone = graph.calendar.zone(node.zones)
        when = (
            "never" if opens is None else "now" if opens <= now else f"{told(zone, opens, now)} ({zone.name})"
        )
        found[when] = found.get(when, 0) + 1
    shown = [f"{when}: {counted(number, 'host')}" for when, number in list(found.items())[:SHOWN]]
    more = [f"and {len(found) - SHOWN} more times"] if len(found) > SHOWN else []
    return [f"  may begin {'; '.join([*shown, *more])}"] if found else []


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
