"""How long a plan takes and what its canaries prove."""

from collections import Counter
from math import ceil

from rollout.model.graph import Graph, Wave

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
    """The longest path through the waves; a share of a combo is taken as the whole of it. Nothing fails in it."""
    ends: dict[str, float] = {}

    def end(wave: Wave) -> float:
        if wave.id not in ends:
            before = [graph.waves[need.wave] for need in wave.needs if need.wave is not None]
            before += [
                graph.waves_of[need.combo][-1]
                for need in wave.needs
                if need.combo and graph.waves_of[need.combo]
            ]
            ends[wave.id] = max((end(other) for other in before), default=0.0) + seconds_of_wave(graph, wave)
        return ends[wave.id]

    return max((end(wave) for wave in graph.waves.values()), default=0.0)
