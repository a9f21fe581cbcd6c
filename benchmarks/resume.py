"""Taking up a run of 10,000 hosts that is half way: read the journal, build the state with its indexes, and decide for the first time.

The journal is the one on disk, written by the engine itself: a rehearsed run whose controller stopped when half of the hosts were
verified. The peer is the replay: the same state folded from the first event on, as an engine without a kept fold would have to.
"""

import sys
import tempfile
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from benchmarks import best, conclude, cpu, cpu_uncollected, quick
from benchmarks.fleets import a_graph
from benchmarks.rehearse import an_engine
from rollout import journal
from rollout.engine.inbox import VirtualInbox
from rollout.journal import Journal, Owner
from rollout.journal.memory import MemoryJournal
from rollout.model.event import Event
from rollout.model.fold import apply
from rollout.model.graph import Graph
from rollout.model.state import State, Status
from rollout.scheduler import decide

SIZES = (200, 1_000) if quick() else (1_000, 10_000)
RUN = "run"


class HalfWay(BaseException):
    """The controller is killed here: nothing may catch it."""


def main() -> int:
    """Measure and print."""
    figures: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as folder:
        for size in SIZES:
            figures |= {f"{name}_{size}": value for name, value in _measured(folder, size).items()}
    small, large = SIZES
    for which in ("", "_uncollected"):
        growth = figures[f"resume_s{which}_{large}"] / figures[f"resume_s{which}_{small}"]
        figures[f"growth_per_host{which}"] = growth / (large / small)
    goals = {
        f"resume_s_{large}": "<= 1.5",
        "growth_per_host_uncollected": "<= 1.5",
        f"lost_{large}": "<= 0",
        f"differs_{large}": "<= 0",
    }
    return conclude("resume", figures, goals)


def _measured(folder: str, size: int) -> dict[str, float]:
    graph = a_graph(size)
    path = str(Path(folder, f"{size}.sqlite3"))
    events = _half_a_run(graph)
    with journal.open(path) as book:
        written = _write(book, graph, events)
        taken = best(lambda: cpu(lambda: _take_up(book))[0], 5)
        bare = best(lambda: cpu_uncollected(lambda: _take_up(book))[0], 5)
        state = _take_up(book)
        replaying, replayed = cpu(lambda: _replay(graph, book.events(RUN)))
    return {
        "events": len(events),
        "verified": sum(1 for host in state.hosts.values() if host.status is Status.VERIFIED),
        "write_event_ms": written / len(events) * 1e3,
        "resume_s": taken,
        "resume_s_uncollected": bare,
        "replay_s": replaying,
        "times_replay": replaying / taken,
        "lost": len(events) - state.run.seq,
        "differs": sum(state.hosts[name].to_json() != replayed.hosts[name].to_json() for name in graph.nodes),
    }


def _half_a_run(graph: Graph) -> list[Event]:
    """The events until half of the hosts are verified."""

    def until_half(_event: Event, state: State) -> None:
        if sum(state.verified.values()) >= len(graph.nodes) / 2:
            raise HalfWay

    inbox = VirtualInbox(0.0)
    book = MemoryJournal(inbox.now)
    try:
        stop = an_engine(graph, book, inbox, until_half).run()
    except HalfWay:
        return list(book.events(RUN))
    raise SystemExit(f"the run came to its end before half of it was done: {stop}")


def _write(book: Journal, graph: Graph, events: list[Event]) -> float:
    """Write the events as an engine does, a few hundred to a transaction: the commits are another benchmark."""
    book.create(RUN, graph, plan_file="plan.yml", created_by="benchmark")
    lease = book.claim(RUN, Owner.current())
    state = State(graph)

    def write() -> None:
        for begin in range(0, len(events), 300):
            with book.writing(lease, state.run.seq) as writing:
                touched: dict[str, None] = {}
                for event in events[begin : begin + 300]:
                    written = writing.append(replace(event, seq=0))
                    touched.update(dict.fromkeys(apply(state, written)))
                writing.keep(state.run, [state.hosts[name] for name in touched])

    return cpu(write)[0]


def _take_up(book: Journal) -> State:
    """What `rollout resume` does before it acts."""
    graph = book.graph(RUN)
    run, hosts, tail = book.load(RUN, graph)
    state = State(graph, run, hosts)
    for event in tail:
        apply(state, event)
    decide(graph, state, state.run.at)
    return state


def _replay(graph: Graph, events: Iterable[Event]) -> State:
    state = State(graph)
    for event in events:
        apply(state, event)
    decide(graph, state, state.run.at)
    return state


if __name__ == "__main__":
    sys.exit(main())
