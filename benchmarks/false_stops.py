"""Stops that nothing deserved, and whether the guilty factor is named when something did.

`false_stops`: of runs in which five hosts of a thousand break by themselves, and nothing is common to them, the share in which evidence or the suspicion of a common cause
stopped anything. A canary that breaks by itself stops its own combo, as `canary: 0` demands: such runs are `canary_stops`, and no goal. Defects of one value or a pair of values are
planted where they touch `LEAST` hosts or more, of several combos. Many are stopped with one or two hosts harmed, by which nothing can be told: those are `too_few`, and the rest, with three
or more, must be `named`: evidence stops a set of hosts of which a guilty value is part; `exactly`: that and nothing else. Where values go together (a NIC with its hardware) the one stands for the
other. The peers stop for good at the first host that breaks, whatever the cause, and name nothing.
"""

import random
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from benchmarks import conclude, peers, quick
from benchmarks.estates import a_fleet, a_graph, a_plan, pairs, singles
from rollout.engine.simulation import Scenario, simulate
from rollout.executors.imagined import Chances, Defect, Fates
from rollout.model.event import Event, Kind
from rollout.model.fleet import Fleet
from rollout.model.graph import Graph

SIZES = (100,) if quick() else (300, 1_000)
HEALTHY = {100: 10} if quick() else {300: 60, 1_000: 15}
PLANTED = {100: 4} if quick() else {300: 10, 1_000: 5}
BASE = 0.005
LEAST, TELLING = 20, 3
SHARES = (1.0, 0.3)


@dataclass
class Counted:
    """Of how many runs, in how many."""

    runs: int = 0
    hits: int = 0

    def add(self, hit: bool) -> None:
        self.runs, self.hits = self.runs + 1, self.hits + hit

    @property
    def share(self) -> float:
        return self.hits / self.runs if self.runs else 0.0


def main() -> int:
    """Measure and print."""
    figures: dict[str, float] = {}
    stops, canaries = Counted(), Counted()
    too_few, named, exactly = Counted(), Counted(), Counted()
    others = {name: Counted() for name, _ in peers.policies(["h"], 1, 0)}
    for size in SIZES:
        fleet = a_fleet(size)
        graph = a_graph(fleet, a_plan(fleet))
        for seed in range(1, HEALTHY[size] + 1):
            events = simulate(graph, Scenario(Chances(base=BASE)), seed).result.stopped
            stops.add(any(_is_by_evidence(event) for event in events))
            canaries.add(any(event.data.get("by") == "count" for event in events))
            fates = Fates(graph, Chances(base=BASE), seed)
            broken = {host for host in graph.nodes if fates.broken(host)}
            for name, batches in peers.policies(list(graph.nodes), graph.caps["fleet"], seed):
                others[name].add(peers.harmed(batches, broken.__contains__) > 0)
        for what in ("single", "pair"):
            for seed in range(1, PLANTED[size] + 1):
                for share in SHARES:
                    run = planted(fleet, graph, what, share, seed)
                    too_few.add(run.harmed < TELLING)
                    if run.harmed >= TELLING:
                        named.add(run.named)
                        exactly.add(run.exactly)
    figures |= {"false_stops": stops.share, "healthy_runs": stops.runs, "canary_stops": canaries.share}
    figures |= {f"{name}_stops": counted.share for name, counted in others.items()}
    figures |= {
        "planted": too_few.runs,
        "too_few": too_few.share,
        "named": named.share,
        "exactly": exactly.share,
    }
    return conclude("false_stops", figures, {"false_stops": "<= 0.05", "named": ">= 0.9"})


class Told(NamedTuple):
    """What became of a planted defect: hosts harmed, and whether evidence named a guilty value, or exactly the guilty ones."""

    harmed: int
    named: bool
    exactly: bool


def planted(fleet: Fleet, graph: Graph, what: str, share: float, seed: int) -> Told:
    """A run with a defect of a single value, or of a pair."""
    known = singles(fleet) if what == "single" else pairs(fleet)
    factors = random.Random(f"{what}/{seed}").choice([one for one in known if _is_common(graph, one)])
    scenario = Scenario(Chances(defects=(Defect(what, factors, q=share),)))
    result = simulate(graph, scenario, seed).result
    found = [event.data["factors"] for event in result.stopped if "factors" in event.data]
    named = any(factors.items() & values.items() for values in found)
    return Told(len(result.harmed), named, factors in found)


def _is_common(graph: Graph, factors: Mapping[str, str]) -> bool:
    defect = Defect("", factors)
    concerned = [node for node in graph.nodes.values() if defect.concerns(node)]
    return len(concerned) >= LEAST and len({node.combo for node in concerned}) > 1


def _is_by_evidence(event: Event) -> bool:
    return event.kind is Kind.PAUSED or event.data.get("by") == "evidence"


if __name__ == "__main__":
    sys.exit(main())
