"""How long a simulated run takes: the rolling window over the least that any order could take, and the whole safe run beside serial batches with the same soak.

`window_*`: one wave, no soak, no credit; racks one host at a time, sites a tenth, five hundredths at once. The lower bound is max(work / places, busiest domain,
longest host). `stragglers`: two hosts of a hundred take four times as long, and nothing tells which. The peer there, serial batches as large as the window, is
held up by no rack. `safe_*`: the ladder and the ramp by credit, beside batches of five hundredths with the same soak after each.
"""

import sys
from statistics import fmean

from benchmarks import conclude, peers, quick
from benchmarks.estates import GATES, a_fleet, a_graph, a_plan
from rollout.engine.simulation import Scenario, simulate
from rollout.executors.imagined import Chances, Fates
from rollout.model.graph import Graph
from rollout.model.plan import Amount, Soak
from rollout.model.slots import FLEET

SIZES = (200,) if quick() else (300, 1_000)
SEEDS = 2 if quick() else 5
SOAK = 1800.0
LUCKS = {"even": Chances(), "stragglers": Chances(stragglers=0.02)}
GOALS = {"window_even": "<= 1.10", "window_stragglers": "<= 1.25", "safe_of_serial": "<= 0.45"}


def main() -> int:
    """Measure and print."""
    figures: dict[str, float] = {"seeds": SEEDS}
    for size in SIZES:
        fleet = a_fleet(size)
        window = a_graph(
            fleet, a_plan(fleet, waves=(Amount(100, percent=True),), harm=None, soak=Soak(0, 0), gates=())
        )
        safe = a_graph(fleet, a_plan(fleet, soak=Soak(SOAK, SOAK), gates=GATES))
        for luck, chances in LUCKS.items():
            told = [windows(window, chances, seed) for seed in range(1, SEEDS + 1)]
            for name, ratio in zip(("window", "serial"), map(fmean, zip(*told, strict=True)), strict=True):
                figures[f"{name}_{luck}_{size}"] = ratio
        runs = [safely(safe, LUCKS["stragglers"], seed) for seed in range(1, SEEDS + 1)]
        figures[f"safe_hours_{size}"] = fmean(ours for ours, _ in runs) / 3600
        figures[f"serial_hours_{size}"] = fmean(serial for _, serial in runs) / 3600
        figures[f"safe_of_serial_{size}"] = figures[f"safe_hours_{size}"] / figures[f"serial_hours_{size}"]
    goals = {f"{name}_{size}": goal for size in SIZES for name, goal in GOALS.items()}
    return conclude("makespan", figures, goals)


def windows(graph: Graph, chances: Chances, seed: int) -> tuple[float, float]:
    """Makespan over its lower bound: ours, and that of serial batches."""
    run = simulate(graph, Scenario(chances), seed).result
    if run.stop.exit_code:
        raise SystemExit(f"a healthy run did not come to its end: {run.stop}")
    fates = Fates(graph, chances, seed)
    bound = lower_bound(graph, fates)
    batches = peers.equal(list(graph.nodes), graph.caps[FLEET])
    return run.took / bound, peers.makespan(batches, lambda host: seconds(graph, fates, host), 0.0) / bound


def lower_bound(graph: Graph, fates: Fates) -> float:
    """Seconds in which it could be done at best, whatever the order."""
    work: dict[str, float] = {}
    for node in graph.nodes.values():
        for slot in node.slots:
            work[slot] = work.get(slot, 0.0) + seconds(graph, fates, node.name, disruptive=True)
    domains = (total / graph.caps[slot] for slot, total in work.items())
    return max(*domains, *(seconds(graph, fates, host) for host in graph.nodes))


def seconds(graph: Graph, fates: Fates, host: str, *, disruptive: bool = False) -> float:
    """What the host's chain takes, or that part of it in which it holds a slot."""
    combo = graph.chain_of(host)
    steps = [step for step in combo.chain if combo.holds_slot(step.name) or not disruptive]
    return sum(fates.duration(host, step) for step in steps)


def safely(graph: Graph, chances: Chances, seed: int) -> tuple[float, float]:
    """Seconds of the whole run: ours, and that of serial batches with the same soak."""
    run = simulate(graph, Scenario(chances), seed).result
    if run.stop.exit_code:
        raise SystemExit(f"a healthy run did not come to its end: {run.stop}")
    fates = Fates(graph, chances, seed)
    batches = peers.equal(list(graph.nodes), graph.caps[FLEET])
    return run.took, peers.makespan(batches, lambda host: seconds(graph, fates, host), SOAK)


if __name__ == "__main__":
    sys.exit(main())
