"""A whole run, rehearsed: 1,000 and 10,000 hosts with gates, soak, racks and sites, and one host in 500 that fails for good.

What must not happen is that an event costs more the larger the fleet: the growth of the cost of one event is the figure. The peer
is the smaller fleet in the same call. `event_growth` has the garbage collector in it, whose share is nothing in the smaller run and
a constant one from then on; `event_growth_uncollected` is ours alone. `times_real` is how much faster than the real run the rehearsal is, in processor time.
"""

import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from benchmarks import conclude, cpu, cpu_uncollected, quick
from benchmarks.fleets import a_graph
from rollout import journal
from rollout.engine import Engine
from rollout.engine.inbox import VirtualInbox
from rollout.engine.loop import Listener
from rollout.engine.rehearsal import rehearsed_engine
from rollout.executors.rehearsal import Fault, World
from rollout.journal import Journal, Owner
from rollout.journal.memory import MemoryJournal
from rollout.model.chain import Step
from rollout.model.decision import Stop
from rollout.model.graph import Graph
from rollout.model.seams import Ending
from rollout.model.state import Status

SIZES = (500, 2_000) if quick() else (1_000, 10_000)
FAILING = 500


class Rehearsed(NamedTuple):
    """Seconds of processor time, events written, virtual seconds, and how the hosts ended."""

    cpu: float
    events: int
    took: float
    verified: int
    held: int


def main() -> int:
    """Measure and print."""
    figures: dict[str, float] = {}
    small, large = (measured(size) for size in SIZES)
    bare = [measured(size, meter=cpu_uncollected) for size in SIZES]
    for size, told in zip(SIZES, (small, large), strict=True):
        figures[f"cpu_s_{size}"] = told.cpu
        figures[f"events_{size}"] = told.events
        figures[f"event_us_{size}"] = told.cpu / told.events * 1e6
        figures[f"hours_{size}"] = told.took / 3600
        figures[f"held_{size}"] = told.held
        figures[f"times_real_{size}"] = told.took / told.cpu
    figures["event_growth"] = figures[f"event_us_{SIZES[1]}"] / figures[f"event_us_{SIZES[0]}"]
    figures["event_growth_uncollected"] = bare[1].cpu / bare[1].events / (bare[0].cpu / bare[0].events)
    figures["lost"] = sum(SIZES) - sum(told.verified + told.held for told in (small, large))
    with tempfile.TemporaryDirectory() as folder:
        on_disk = measured(SIZES[0], lambda clock: journal.open(str(Path(folder, "journal.sqlite3")), clock))
    figures[f"event_us_{SIZES[0]}_on_disk"] = on_disk.cpu / on_disk.events * 1e6
    goals = {
        "event_growth": "<= 1.6",
        "event_growth_uncollected": "<= 1.25",
        "lost": "<= 0",
        f"times_real_{SIZES[1]}": ">= 100",
    }
    return conclude("rehearse", figures, goals)


def measured(
    size: int,
    book: Callable[[Callable[[], float]], Journal] = MemoryJournal,
    meter: Callable[[Callable[[], Stop]], tuple[float, Stop]] = cpu,
) -> Rehearsed:
    """One run from its first event to its last."""
    graph = a_graph(size)
    inbox = VirtualInbox(0.0)
    engine = an_engine(graph, book(inbox.now), inbox)
    spent, stop = meter(engine.run)
    statuses = [host.status for host in engine.state.hosts.values()]
    if stop.exit_code != 4:
        raise SystemExit(f"the rehearsal did not come to its end: {stop}")
    return Rehearsed(
        spent,
        engine.state.run.seq,
        inbox.now(),
        statuses.count(Status.VERIFIED),
        statuses.count(Status.HELD),
    )


def an_engine(
    graph: Graph, book: Journal, inbox: VirtualInbox, listener: Listener = lambda _event, _state: None
) -> Engine:
    """A controller of an imagined fleet. Every 500th host fails its precheck, but for the canaries."""
    canaries = {name for wave in graph.waves.values() if wave.canary for name in wave.hosts}
    failing = [name for name in list(graph.nodes)[FAILING // 2 :: FAILING] if name not in canaries]
    faults = {(name, "precheck"): Fault(Ending.FAILED, 99) for name in failing}
    world = World(inbox.now, _duration, faults)
    book.create("run", graph, plan_file="plan.yml", created_by="benchmark")
    lease = book.claim("run", Owner.current())
    return rehearsed_engine(book, lease, graph, world, inbox, listener=listener)


def _duration(host: str, step: Step) -> float:
    """No two hosts alike, and always the same: from two thirds to four thirds of what is expected."""
    return step.expect * (2 + int(host[-5:]) * 7919 % 101 / 50) / 3


if __name__ == "__main__":
    sys.exit(main())
