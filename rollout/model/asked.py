"""Which gates are asked of a host."""

from collections.abc import Iterable

from rollout.model.graph import Graph
from rollout.model.plan import GateRule


def asked_of(graph: Graph, host: str, rules: Iterable[GateRule]) -> tuple[GateRule, ...]:
    """Those of the rules that are not for canaries alone, if it is none."""
    canary = graph.waves[graph.nodes[host].wave].canary
    return tuple(rule for rule in rules if canary or not rule.canaries)
