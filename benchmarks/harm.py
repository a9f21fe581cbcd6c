"""How many hosts a defect harms before nothing more that has it begins: the default ladder and ramp, and three policies of peers on the same fleet and luck.

The defects are of four kinds: one value of a factor, a pair of values, one combo, the whole fleet; each breaks all (q = 1) or three tenths (q = 0.3) of
the hosts that have it, in the `once` step. Which value it is is drawn, rare ones as often as common ones. A run is cut short as soon as nothing that is concerned can begin
any more. `seeds_N` is how many runs there are of each kind and q at that size: few at 10,000 hosts, each of which takes as long as hundreds of the small ones.
"""

import random
import sys
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from functools import cache
from multiprocessing import get_context
from statistics import fmean

from benchmarks import conclude, peers, quick
from benchmarks.estates import a_fleet, a_graph, pairs, singles
from rollout.engine.simulation import Scenario, simulate
from rollout.executors.imagined import Chances, Defect, Fates
from rollout.model.event import Event, Kind
from rollout.model.fleet import Fleet
from rollout.model.graph import Graph
from rollout.model.state import State, Status

SEEDS = {100: 6, 300: 3} if quick() else {300: 20, 1_000: 8, 10_000: 2}
PROCESSES = 2
KINDS = ("factor", "pair", "combo", "fleet")
SHARES = (1.0, 0.3)
GOALS = {"mean": "<= 2", "p95": "<= 7"}
JUDGING = frozenset({Kind.TRIPPED, Kind.HELD, Kind.PAUSED, Kind.FAILED, Kind.ABORTED})


def main() -> int:
    """Measure and print."""
    figures: dict[str, float] = {}
    for size, seeds in SEEDS.items():
        luck = [
            (size, kind, share, seed) for kind in KINDS for share in SHARES for seed in range(1, seeds + 1)
        ]
        with ProcessPoolExecutor(PROCESSES, get_context("spawn")) as pool:
            found = list(zip(luck, pool.map(measured, luck), strict=True))
        ours = [harmed["rollout"] for _, harmed in found]
        figures |= {
            f"mean_{size}": fmean(ours),
            f"p95_{size}": p95(ours),
            f"max_{size}": max(ours),
            f"seeds_{size}": seeds,
        }
        for kind in KINDS:
            for share in SHARES:
                name = f"{kind}_q{share:g}_{size}"
                figures[name] = fmean(
                    harmed["rollout"] for what, harmed in found if what[1:3] == (kind, share)
                )
        print(f"{size} hosts: mean {fmean(ours):.2f}, p95 {p95(ours):g}, of {len(ours)} runs", flush=True)
        for policy in found[0][1].keys() - {"rollout"}:
            figures[f"{policy}_mean_{size}"] = fmean(harmed[policy] for _, harmed in found)
    goals = {f"{figure}_{size}": goal for size in SEEDS for figure, goal in GOALS.items()}
    return conclude("harm", figures, goals)


@cache
def estate(size: int) -> tuple[Fleet, Graph]:
    """The fleet of that size, and its plan."""
    fleet = a_fleet(size)
    return fleet, a_graph(fleet)


def measured(luck: tuple[int, str, float, int]) -> dict[str, int]:
    """Hosts harmed under each policy, at a size, by a defect of that kind and share, under that seed."""
    size, kind, share, seed = luck
    fleet, graph = estate(size)
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
    """Nothing is begun on the host any more that the defect could show in."""
    host = state.hosts[name]
    if host.status is Status.WAITING or (host.status is Status.RUNNING and not (host.slot or host.reserved)):
        return bool(state.run.paused or state.broken(name))
    combo = state.combo_of(name)
    return host.status is not Status.RUNNING or combo.step("upgrade") in combo.reached(host.passed)


def p95(numbers: list[int]) -> float:
    """The least number that 95 of 100 are at most."""
    return sorted(numbers)[max(0, -(-len(numbers) * 95 // 100) - 1)]


if __name__ == "__main__":
    sys.exit(main())
