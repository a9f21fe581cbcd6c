"""How much faster than real time a run is simulated, in processor time: one of 1,000 hosts on the default ladder, and many of 20 to 50 hosts with everything that goes wrong.

`times_real` is the whole run, its canaries' soaks of a day included, by which the clock merely jumps; `event_us` is what an event costs, which no soak makes look better.
`ten_thousand_small_s` is what the 10,000 seeded runs of the test suite would take on one processor.
"""

import sys

from benchmarks import best, conclude, cpu, quick
from benchmarks.estates import a_fleet, a_graph, a_plan
from rollout.engine.simulation import Scenario, simulate
from rollout.executors.imagined import Chances, Defect
from rollout.model.plan import Soak

LARGE = 300 if quick() else 1_000
SMALL = 40 if quick() else 400
ROUGH = Chances(stragglers=0.02, base=0.02, gaps=0.01, defects=(Defect("os", {"os": "os-12"}, q=0.3),))


def main() -> int:
    """Measure and print."""
    graph = a_graph(a_fleet(LARGE))
    run = simulate(graph, Scenario(), 1).result
    if run.stop.exit_code:
        raise SystemExit(f"a healthy run did not come to its end: {run.stop}")
    spent = best(lambda: cpu(lambda: simulate(graph, Scenario(), 1))[0])
    figures = {
        f"cpu_s_{LARGE}": spent,
        f"hours_{LARGE}": run.took / 3600,
        f"events_{LARGE}": run.events,
        "event_us": spent / run.events * 1e6,
        "times_real": run.took / spent,
        "ten_thousand_small_s": small() * 10_000,
    }
    return conclude("simulate_speed", figures, {"times_real": ">= 100000", "ten_thousand_small_s": "<= 300"})


def small() -> float:
    """Seconds for one of them."""
    fleets = [a_fleet(size, seed=size) for size in range(20, 51, 5)]
    graphs = [a_graph(fleet, a_plan(fleet, soak=Soak(3600, 600))) for fleet in fleets]
    scenario = Scenario(ROUGH, crashes=1)

    def runs() -> None:
        for seed in range(SMALL):
            simulate(graphs[seed % len(graphs)], scenario, seed)

    return cpu(runs)[0] / SMALL


if __name__ == "__main__":
    sys.exit(main())
