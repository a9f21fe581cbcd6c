"""What has changed between a compiled plan and the files and hosts as they are now."""

from collections.abc import Mapping
from dataclasses import dataclass

from rollout.model.fleet import Fleet
from rollout.model.graph import Graph
from rollout.report import comparison, diff
from rollout.report.plain import plain


@dataclass(frozen=True, slots=True)
class HostChanges:
    """How the inventory differs from a graph, host by host. `gone` says why of each host that must not be begun."""

    gone: Mapping[str, str]
    new: tuple[str, ...] = ()


def parts(before: Mapping[str, str], now: Mapping[str, str]) -> list[str]:
    """One sentence for each file that is not what it was; hosts are judged one by one, and a run keeps the limits that it began with."""
    return [diff.sentence(one) for one in comparison.files(before, now)]


def hosts(graph: Graph, fleet: Fleet) -> HostChanges:
    """Hosts that have left, that are not what they were when the waves were cut, and that came after it."""
    found = {host.name: host for host in fleet.hosts}
    gone = {}
    for name, node in graph.nodes.items():
        host = found.get(name)
        if host is None:
            gone[name] = "the plan's host pattern no longer selects it from the inventory"
        elif dict(host.factors) != dict(node.factors):
            gone[name] = f"it is no longer what it was planned as: {_factors(node.factors, host.factors)}"
    known = {*graph.nodes, *(untouched.host for untouched in graph.untouched)}
    return HostChanges(gone, tuple(name for name in found if name not in known))


def graphs(before: Graph, now: Graph) -> list[str]:
    """One sentence for each difference between two compilations of a plan."""
    return diff.sentences(comparison.compare(before, now))


def _factors(before: Mapping[str, str], now: Mapping[str, str]) -> str:
    differing = [name for name in before if before[name] != now.get(name)]
    return ", ".join(
        f"{plain(name)} was {plain(before[name])}, is {plain(now.get(name, 'absent'))}" for name in differing
    )
