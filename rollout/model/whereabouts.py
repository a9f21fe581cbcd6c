"""Where a host is to be looked for: which queue of State holds it."""

from rollout.model.asked import asked_of
from rollout.model.graph import Graph
from rollout.model.ledger import next_side
from rollout.model.progress import OUT, HostState, RunState, Status

Place = tuple[str, float]
"""Idle, ready, waiting or nowhere; or ("timer", when), in seconds since the epoch."""

NOWHERE: Place = ("nowhere", 0.0)
IDLE: Place = ("idle", 0.0)


def place_of(graph: Graph, run: RunState, host: HostState) -> Place:
    """A function of the host's value and of whether its wave is open; nothing else."""
    place = NOWHERE
    if host.open or host.asking or host.stuck or host.status in OUT:
        pass
    elif host.ending is not None:
        place = IDLE
    elif host.not_before and (host.back is None or host.status is not Status.SOAKING):
        place = ("timer", host.not_before)
    elif host.round is not None or host.reserved:
        place = IDLE
    elif host.back is not None:
        place = ("ready", 0.0) if _wants_slot(graph, host) else IDLE
    elif host.status is Status.WAITING:
        if graph.nodes[host.name].wave in run.opened:
            place = ("ready" if _wants_slot(graph, host) else "waiting", 0.0)
    elif host.status is Status.RUNNING:
        place = ("ready", 0.0) if _wants_slot(graph, host) else IDLE
    elif host.status is Status.SOAKING:
        place = IDLE  # its soak is over
    return place


def _wants_slot(graph: Graph, host: HostState) -> bool:
    """Whether all that is left to do before its next step is to take the slot."""
    combo = graph.chain_of(host.name)
    if host.back is not None:
        side = next_side(combo, host)
        return side is not None and not host.slot and not host.lost and combo.holds_slot(side.name)
    step = combo.following(host.passed)
    if host.slot or step is None or not combo.holds_slot(step.name):
        return False
    after = graph.gates_at.get(("after", host.passed or ""), ())
    asked = asked_of(graph, host.name, after)
    return all(f"after {host.passed}/{gate.name}" in host.answered for gate in asked)
