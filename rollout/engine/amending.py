"""Going on with another plan: what a run knows and the graph that it goes on with change in one transaction, under the run's lease."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from rollout.errors import HALTED, Behind
from rollout.graph.amend import Amended
from rollout.journal import Ended, Journal, Lease, Owner
from rollout.model.amended import leave
from rollout.model.event import Event, Kind
from rollout.model.fold import apply
from rollout.model.graph import Graph
from rollout.model.state import State

TOLD = 200
"""Changes that the event holds in words."""


@dataclass(frozen=True, slots=True)
class Asked:
    """Who amends, why, and what changes, in words."""

    by: str
    reason: str
    changed: Sequence[str]


def standing(journal: Journal, run: str, graph: Graph) -> tuple[State, frozenset[str]]:
    """Where the run stands, requests that no controller has read included; and the hosts that these have changed. Raises errors.Amended."""
    found, hosts, tail = journal.load(run, graph)
    state = State(graph, found, hosts)
    return state, frozenset(name for event in tail for name in apply(state, event))


def amend(
    journal: Journal,
    run: str,
    owner: Owner,
    graph: Graph,
    merged: Callable[[State], tuple[Amended, Asked]],
    *,
    force: bool = False,
) -> Event:
    """Hold the run, write down what `merged` makes of where it stands, and let go of it. `graph`: the one that the run has. Gives the event.

    `force`: as of `Journal.claim`. Raises errors.Amended when another command was quicker, Locked, LeaseLost, JournalError, and what `merged` raises; then
    nothing has changed.
    """
    before = journal.run(run).ended
    lease = journal.claim(run, owner, force=force)
    ended = before or Ended(HALTED, "nobody holds it; `rollout resume` carries it on", 0.0)
    try:
        written = _written(journal, lease, graph, merged)
        ended = Ended(HALTED, f"{written.because}; `rollout resume` carries it on", 0.0)
    finally:
        journal.release(lease, ended.exit_code, ended.because)
    return written


def _written(
    journal: Journal, lease: Lease, graph: Graph, merged: Callable[[State], tuple[Amended, Asked]]
) -> Event:
    while True:
        state, touched = standing(journal, lease.run, graph)
        amended, asked = merged(state)
        try:
            return _write(journal, lease, state, touched, amended, asked)
        except Behind:  # somebody has asked for something meanwhile
            continue


def _write(
    journal: Journal,
    lease: Lease,
    state: State,
    touched: frozenset[str],
    amended: Amended,
    asked: Asked,
) -> Event:
    with journal.writing(lease, state.run.seq) as writing:
        writing.amend(amended.graph)
        written = writing.append(_event(state.graph.digest, amended, asked))
        after = State(amended.graph, state.run, state.hosts)
        changed = {*touched, *apply(after, written)}
        changed.update(
            name for name, host in state.hosts.items() if name not in after.hosts and leave(host, written)
        )
        writing.keep(after.run, [state.hosts[name] for name in sorted(changed)])
    return written


def _event(old: str, amended: Amended, asked: Asked) -> Event:
    because = f"amended by {asked.by}{f': {asked.reason}' if asked.reason else ''}"
    data = {
        "old": old,
        "new": amended.graph.digest,
        "by": asked.by,
        "reason": asked.reason,
        "changed": list(asked.changed[:TOLD]),
        "excluded": dict(amended.excluded),
        "gone": dict(amended.gone),
        "credit": {combo: list(steps) for combo, steps in amended.credit.items()},
        "gates": list(amended.gates),
    }
    return Event(Kind.AMENDED, because, data=data)
