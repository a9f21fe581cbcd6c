"""Waivers: what a plan rests on, and what has come to its end."""

from collections import Counter
from collections.abc import Mapping

from rollout.model.graph import Graph
from rollout.model.verdict import Waiver
from rollout.model.zones import DAY, days
from rollout.report.plain import counted, plain, table


def expired(graph: Graph, today: str) -> Mapping[str, str]:
    """Hosts that are touched on the word of a person only, whose day is over by `today` (ISO 8601), and why."""
    over = {waiver.name: waiver for waiver in graph.waivers if waiver.expires < today}
    found = {}
    for node in graph.nodes.values() if over else ():
        ended = [over[name] for name in node.waivers if name in over]
        if ended:
            first = ended[0]
            found[node.name] = (
                f"waiver {plain(first.name)} of {plain(first.owner)} expired on {first.expires}"
            )
    return found


def lines(graph: Graph, now: float) -> list[str]:
    """Those on which hosts are touched: what each lets pass, for how many hosts, who vouches and until when."""
    resting = Counter(name for node in graph.nodes.values() for name in node.waivers)
    rows = [
        [
            plain(waiver.name),
            f"lets {plain(' and '.join(waiver.waives))} pass",
            counted(resting[waiver.name], "host"),
            f"{plain(waiver.owner)}, until {waiver.expires} ({left(waiver, now)})",
            plain(waiver.reason),
        ]
        for waiver in graph.waivers
    ]
    return ["waivers used", *table(rows)] if rows else []


def left(waiver: Waiver, now: float) -> str:
    """How long it still holds; `now` in seconds since the epoch, and its last day ends with that day in UTC."""
    year, month, day = (int(part) for part in waiver.expires.split("-"))
    number = days(year, month, day) - int(now // DAY)
    if number < 0:
        return "expired"
    return f"{counted(number, 'day')} left" if number else "today is its last day"
