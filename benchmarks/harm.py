"""How many hosts a defect harms before nothing more that has it begins: the default ladder and ramp, and three policies of peers on the same fleet and luck.

The defects are of four kinds: one value of a factor, a pair of values, one combo, the whole fleet; each breaks all (q = 1) or three tenths (q = 0.3) of
the hosts that have it, in the `once` step. Which value it is is drawn, rare ones as often as common ones. A run is cut short as soon as nothing that is concerned can begin
any more. `seeds_N` is how many runs there are of each kind and q at that size: few at 10,000 hosts, each of which takes as long as hundreds of the small ones.
"""

import random
import sys
from collections.abc import Callable
from statistics import fmean

from benchmarks import conclude, peers, quick
from benchmarks.estates import a_fleet, a_graph, pairs, singles
from rollout.engine.simulation import Scenario, simulate
from rollout.executors.imagined import Chances, Defect, Fates
from rollout.model.event import Event, Kind
from rollout.model.fleet import Fleet
from rollout.model.graph import Graph
from rollout.model.state import State, Status

SEEDS = {100: 6, 300: 3} if quick() else {300: 40, 1_000: 12, 10_000: 2}
KINDS = ("factor", "pair", "combo", "fleet")
SHARES = (1.0, 0.3)
GOALS = {"mean": "<= 2", "p95": "<= 7"}
JUDGING = frozenset({Kind.TRIPPED, Kind.HELD, Kind.PAUSED, Kind.FAILED, Kind.ABORTED})


def main() -> int:
    """Measure and print."""
    figures: dict[str, float] = {}
    all_of_ours: list[int] = []
    for size, seeds in SEEDS.items():
        fleet = a_fleet(size)
        graph = a_graph(fleet)
        found: dict[str, list[int]] = {}
        for kind in KINDS:
            for share in SHARES:
                name = f"{kind}_q{share:g}"
                for seed in range(1, seeds + 1):
                    for policy, harmed in measured(fleet, graph, kind, share, seed).items():
                        found.setdefault(f"{policy}/{name}", []).append(harmed)
        ours = [number for key, numbers in found.items() if key.startswith("rollout/") for number in numbers]
        all_of_ours += ours
        figures |= {f"mean_{size}": fmean(ours), f"p95_{size}": p95(ours), f"seeds_{size}": seeds}
        for name in (f"{kind}_q{share:g}" for kind in KINDS for share in SHARES):
            figures |= {
                f"{name}_{size}": fmean(found[f"rollout/{name}"]),
                f"{name}_{size}_max": max(found[f"rollout/{name}"]),
            }
        for policy in {key.partition("/")[0] for key in found} - {"rollout"}:
            figures[f"{policy}_mean_{size}"] = fmean(
                number for key, numbers in found.items() if key.startswith(policy) for number in numbers
            )
    figures |= {"mean": fmean(all_of_ours), "p95": p95(all_of_ours), "max": max(all_of_ours)}
    goals = {f"{figure}_{size}": goal for size in SEEDS for figure, goal in GOALS.items()}
    return conclude("harm", figures, goals)


def measured(fleet: Fleet, graph: Graph, kind: str, share: float, seed: int) -> dict[str, int]:
    """Hosts harmed under each policy."""
    defect = drawn(fleet, graph, kind, share, seed)
    scenario = Scenario(Chances(defects=(defect,)))
    run = simulate(graph, scenario, seed, settled(graph, defect))
    fates = Fates(graph, scenario.chances, seed)
    hosts = [host.name for host in fleet.hosts]
    others = peers.policies(hosts, graph.caps["fleet"], seed)
    return {
        "rollout": len(run.result.harmed),
        **{name: peers.harmed(batches, lambda host: bool(fates.broken(host))) for name, batches in others},
    }


def drawn(fleet: Fleet, graph: Graph, kind: str, share: float, seed: int) -> Defect:
    """A defect of that kind; the same for every policy."""
    chance = random.Random(f"{kind}/{seed}")
    if kind == "factor":
        return Defect(kind, chance.choice(singles(fleet)), q=share)
    if kind == "pair":
        return Defect(kind, chance.choice(pairs(fleet)), q=share)
    if kind == "combo":
        return Defect(kind, combo=chance.choice(sorted(graph.combos)), q=share)
    return Defect(kind, q=share)


def settled(graph: Graph, defect: Defect) -> Callable[[Event, State], bool]:
    """Whether no host that is concerned is under way, or can begin."""
    concerned = [name for name, node in graph.nodes.items() if defect.concerns(node)]

    def look(event: Event, state: State) -> bool:
        if event.kind not in JUDGING or not (state.run.tripped or state.run.paused):
            return False
        return all(_is_over(state, name) for name in concerned)

    return look


def _is_over(state: State, name: str) -> bool:
    host = state.hosts[name]
    if host.status in {Status.RUNNING, Status.SOAKING}:
        return host.passed is not None and state.combo_of(name).step("upgrade") in state.combo_of(
            name
        ).reached(host.passed)
    return host.status is not Status.WAITING or bool(state.run.paused or state.broken(name))


def p95(numbers: list[int]) -> float:
    """The least number that 95 of 100 are at most."""
    return sorted(numbers)[max(0, -(-len(numbers) * 95 // 100) - 1)]


if __name__ == "__main__":
    sys.exit(main())
