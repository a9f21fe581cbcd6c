"""Whether a host may begin at this time: its windows, the plan's deadline, and the end of this controller."""

from dataclasses import dataclass
from math import ceil, inf

from rollout.model.graph import Graph
from rollout.model.windows import HORIZON, Calendar, Key
from rollout.model.zones import DAY, UTC, Zone, told


@dataclass(frozen=True, slots=True)
class Closed:
    """The host may not begin now: why, and from when on it may (None: never, as far as this controller can see)."""

    because: str
    opens: float | None = None


def may_begin(graph: Graph, host: str, need: float, now: float, until: float | None = None) -> Closed | None:
    """Why the host may not begin at `now`; None if it may.

    `need`: the seconds that it takes to the end of its chain, at p90. `until`: when this controller has to end.
    """
    if has_time(graph, host, need, now, until):
        return None
    node, end = graph.nodes[host], _end(graph, until)
    takes = f"a host of {node.combo} takes up to {spoken(need, up=True)} (p90)"
    if now + need > end:
        return Closed(_ends(graph, node.zones, takes, now, until))
    return _closed(graph, node.zones, takes, need, now, until)


def has_time(graph: Graph, host: str, need: float, now: float, until: float | None = None) -> bool:
    """Whether the host may begin at `now`, as `may_begin` has it."""
    if now + need > _end(graph, until):
        return False
    return graph.calendar is None or _fits(graph.calendar.open_until(graph.nodes[host].zones, now), now, need)


def _end(graph: Graph, until: float | None) -> float:
    ends = (end for end in (until, graph.deadline) if end is not None)
    return min(ends, default=inf)


def _fits(end: float | None, now: float, need: float) -> bool:
    return end is not None and now + need <= end


def _ends(graph: Graph, key: Key, takes: str, now: float, until: float | None) -> str:
    """Of the controller's end and the deadline, whichever comes first."""
    if graph.deadline is None or (until is not None and until < graph.deadline):
        return f"this controller ends in {spoken((until or now) - now)}, and {takes}"
    zone = graph.calendar.zone(key) if graph.calendar else Zone(UTC)
    at = f"the plan's deadline, {told(zone, graph.deadline, now)} ({zone.name}),"
    if graph.deadline <= now:
        return f"{at} has passed: nothing more begins"
    return f"{at} is in {spoken(graph.deadline - now)}, and {takes}"


def _closed(graph: Graph, key: Key, takes: str, need: float, now: float, until: float | None) -> Closed:
    calendar = graph.calendar or Calendar((), {})
    zone = calendar.zone(key)
    end = calendar.open_until(key, now)
    at = calendar.next_opening(key, now, need)
    state = _state(calendar, key, takes, now)
    if at is None:
        return Closed(f"{state}; {_never(calendar, key, need, now)}")
    opening = f"{_at(told(zone, at, now))}{'' if end is not None else f' ({zone.name})'}"
    which = "the next" if at == calendar.next_opening(key, end or now) else "the next that is long enough"
    if at + need > _end(graph, until):
        return Closed(f"{state}; {which} opens {opening}, too late {_for_what(graph, until)}")
    return Closed(f"{state}; {which} opens {opening}, in {spoken(at - now)}", at)


def _state(calendar: Calendar, key: Key, takes: str, now: float) -> str:
    """Closed, or about to close; and what denies it, if anything does."""
    end = calendar.open_until(key, now)
    denying = calendar.denying(key, now if end is None else end)
    if end is None:
        return f"closed by {denying}" if denying else "it is outside its windows"
    zone = calendar.zone(key)
    why = f", for {denying}" if denying else ""
    closes = f"closes {_at(told(zone, end, now))} ({zone.name}), in {spoken(end - now)}"
    return f"its window {closes}{why}, and {takes}"


def _at(time: str) -> str:
    """`at 05:00`, but `Tue 05:00`."""
    return f"at {time}" if time[0].isdigit() else time


def _never(calendar: Calendar, key: Key, need: float, now: float) -> str:
    longest = calendar.longest(key, now)
    if not longest:
        return f"no window opens within {HORIZON // DAY} days"
    if longest >= need:
        return f"no other window that is long enough opens within {HORIZON // DAY} days"
    return f"no window is long enough: it needs {spoken(need, up=True)}, the longest is {spoken(longest)}"


def _for_what(graph: Graph, until: float | None) -> str:
    by_controller = graph.deadline is None or (until is not None and until < graph.deadline)
    return "for this controller" if by_controller else "for the plan's deadline"


def spoken(seconds: float, *, up: bool = False) -> str:
    """The two largest units, such as `1 h 10 min`: rounded down, or `up`, so that what does not fit never looks as if it did."""
    step = 1 if seconds < 120 else 60 if seconds < DAY else 3600
    left = (ceil(seconds / step) if up else int(seconds / step)) * step
    words = []
    for unit, size in (("d", DAY), ("h", 3600), ("min", 60), ("s", 1)):
        number, left = divmod(left, size)
        if number:
            words.append(f"{number} {unit}")
    return " ".join(words) or "0 s"
