"""How long a plan takes and what its canaries prove."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from math import ceil

from rollout.model.graph import Combo, Graph, Node, Wave

CONFIDENCE = 0.95


def bound(healthy: int) -> float:
    """The failure rate (0..1) above which `healthy` hosts without a failure would be a surprise: 1 - 0.05^(1/n), at 95 %."""
    return 1.0 - float((1.0 - CONFIDENCE) ** (1.0 / healthy))


def seconds_of_wave(graph: Graph, wave: Wave) -> float:
    """Rounds that its fullest limit needs, times what a host's chain is expected to take, and the soak."""
    taken: Counter[str] = Counter(slot for name in wave.hosts for slot in graph.nodes[name].slots)
    rounds = max((ceil(count / graph.caps[slot]) for slot, count in taken.items()), default=1)
    chain = sum(step.expect for step in graph.combos[wave.combo].chain)
    return rounds * chain + wave.soak


def seconds_of_run(graph: Graph) -> float:
    """A lower bound: the longest path through the waves, or all the work of the busiest limit. Nothing fails in it."""
    return max(_longest_path(graph), _busiest_limit(graph))


def _longest_path(graph: Graph) -> float:
    """Waves stand in the order of what they wait for. A share of a combo is taken as the whole of it."""
    ends: dict[str, float] = {}
    for wave in graph.waves.values():
        before = [need.wave for need in wave.needs if need.wave is not None]
        combos = [graph.waves_of[need.combo] for need in wave.needs if need.combo]
        before += [waves[-1].id for waves in combos if waves]
        before += [one.id for need in wave.needs if need.rung for one in graph.rungs[need.rung]]
        begins = max((ends[identity] for identity in before), default=0.0)
        ends[wave.id] = begins + seconds_of_wave(graph, wave)
    return max(ends.values(), default=0.0)


@dataclass(frozen=True, slots=True)
class Disruption:
    """How long hosts are out of service if nothing fails, in host-seconds; how long guests are, in guest-seconds, and of how many hosts the guests are known."""

    hosts: float
    guests: float
    known: int


def disruption(graph: Graph, nodes: Iterable[Node]) -> Disruption:
    """Out of service is a host in the steps in which it holds its slot. `simulate` counts guests the same way, with what fails."""
    held = {name: seconds_held(combo) for name, combo in graph.combos.items()}
    hosts = guests = 0.0
    known = 0
    for node in nodes:
        hosts += held[node.combo]
        if node.guests is not None:
            guests += held[node.combo] * node.guests
            known += 1
    return Disruption(hosts, guests, known)


def seconds_held(combo: Combo) -> float:
    """What the steps in which a host holds its slot are expected to take."""
    return sum(step.expect for step in combo.chain if combo.holds_slot(step.name))


def _busiest_limit(graph: Graph) -> float:
    """Of each host only the steps in which it takes its place count."""
    held = {combo.name: seconds_held(combo) for combo in graph.combos.values()}
    work: Counter[str] = Counter()
    for node in graph.nodes.values():
        for slot in node.slots:
            work[slot] += round(held[node.combo])
    return max((seconds / graph.caps[slot] for slot, seconds in work.items()), default=0.0)
