"""Many seeds of one simulation, on as many processors as are wanted."""

import multiprocessing
import signal
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor

from rollout.engine.simulation import Scenario, simulate
from rollout.model.graph import Graph
from rollout.model.simulated import Simulated

CHUNK = 8
"""Seeds that a process is given at once."""

_given: list[tuple[Graph, Scenario]] = []
"""What a process of the pool simulates: sent once, and not with every seed."""


def simulated(graph: Graph, scenario: Scenario, seeds: Sequence[int], jobs: int = 1) -> Iterator[Simulated]:
    """How each seed came out, in the order of the seeds."""
    if jobs <= 1:
        for seed in seeds:
            yield simulate(graph, scenario, seed).result
        return
    fresh = multiprocessing.get_context("spawn")  # a fork of a process with threads may hang
    with ProcessPoolExecutor(jobs, fresh, _begin, (graph, scenario)) as pool:
        yield from pool.map(_one, seeds, chunksize=CHUNK)


def _begin(graph: Graph, scenario: Scenario) -> None:
    """Ctrl-C is for the process that a person sees; it ends these."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _given.append((graph, scenario))


def _one(seed: int) -> Simulated:
    graph, scenario = _given[-1]
    return simulate(graph, scenario, seed).result
