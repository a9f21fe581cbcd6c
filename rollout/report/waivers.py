"""Waivers: what a plan rests on, and what has come to its end."""

from collections.abc import Mapping

from rollout.model.graph import Graph
from rollout.report.plain import plain


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
