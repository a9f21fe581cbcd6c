"""What has changed between a compiled plan and the files and hosts as they are now."""

from collections.abc import Mapping
from dataclasses import dataclass

from rollout.model.fleet import Fleet
from rollout.model.graph import Graph
from rollout.report.plain import listed, plain

NO_FILES = frozenset({"hosts", "limits", "waves"})
"""The parts of a graph's digest that stand for its hosts, for how many of them may be disrupted at once, and for who is in which wave."""


@dataclass(frozen=True, slots=True)
class HostChanges:
    """How the inventory differs from a graph, host by host. `gone` says why of each host that must not be begun."""

    gone: Mapping[str, str]
    new: tuple[str, ...] = ()


def parts(before: Mapping[str, str], now: Mapping[str, str]) -> list[str]:
    """One sentence for each file that is not what it was; hosts are judged one by one, and a run keeps the limits that it began with."""
    said = []
    for name in sorted({*before, *now} - NO_FILES):
        if name not in now:
            said.append(f"{plain(name)} is gone")
        elif name not in before:
            said.append(f"{plain(name)} is new")
        elif before[name] != now[name]:
            said.append(f"{'the plan file' if name == 'plan' else plain(name)} has changed")
    return said


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
    said = parts(before.parts, now.parts)
    old, new = _all_hosts(before), _all_hosts(now)
    groups = {
        "no longer selected": [name for name in old if name not in new],
        "newly selected": [name for name in new if name not in old],
        "with other factors or variables": [name for name in old if name in new and old[name] != new[name]],
    }
    said += [f"hosts {word}: {listed(names, 10)}" for word, names in groups.items() if names]
    said += [
        f"limit {plain(slot)} was {cap}, is {now.caps[slot]}"
        for slot, cap in before.caps.items()
        if now.caps.get(slot, cap) != cap
    ]
    if not said and before.parts.get("waves") != now.parts.get("waves"):
        said.append(
            "the hosts are cut into other waves: their order in the inventory has changed, or what they carry"
        )
    if not said and before.digest != now.digest:
        said.append("hosts that are not touched have changed, or their order in the inventory")
    return said


def _all_hosts(graph: Graph) -> dict[str, tuple[str, ...]]:
    """Of hosts in waves also what they are; of the others whether they are there, and why they are not touched."""
    known = {untouched.host: (untouched.word, untouched.because) for untouched in graph.untouched}
    factors = {
        node.name: (node.digest, *(f"{factor}={value}" for factor, value in sorted(node.factors.items())))
        for node in graph.nodes.values()
    }
    return {**known, **factors}


def _factors(before: Mapping[str, str], now: Mapping[str, str]) -> str:
    differing = [name for name in before if before[name] != now.get(name)]
    return ", ".join(
        f"{plain(name)} was {plain(before[name])}, is {plain(now.get(name, 'absent'))}" for name in differing
    )
