"""Whether a host may begin to be disrupted now: places in its domains, credit, time."""

from rollout.model.decision import Record
from rollout.model.event import Event, Kind
from rollout.model.graph import Graph
from rollout.model.learned import LATE
from rollout.model.state import HostState, State


def in_its_way(
    graph: Graph, state: State, host: HostState, *, takes: bool, now: float, until: float | None
) -> str | None:
    """Why the host may not begin, or take its slot, at `now`; None if it may. `takes`: its next step takes the slot."""
    node = graph.nodes[host.name]
    if takes or not host.attempt:
        because = _too_late(state, host, now, until)
        if because:
            return because
    if not takes:
        return None
    if host.reserved:
        if state.slots.over(node.slots):
            return "a host that regressed has taken its slot back, and none is left"
        return "a late failure has taken credit back" if state.credit(node.combo) < 0 else None
    full = state.slots.full(node.slots)
    if full:
        return f"limit {full[0]} is full"
    return no_credit(state, node.combo) if state.credit(node.combo) <= 0 else None


def seconds_left(state: State, host: HostState) -> float:
    """How long the host takes to the end of its chain, at p90 of what its combo has taught."""
    combo = state.combo_of(host.name)
    done = len(combo.reached(host.passed))
    return state.learned.of_steps(combo, combo.chain[done:], LATE)


def _too_late(state: State, host: HostState, now: float, until: float | None) -> str | None:
    if until is None or now + (need := seconds_left(state, host)) <= until:
        return None
    return f"it takes up to {need:g} s (p90), and this controller ends in {until - now:g} s"


def no_credit(state: State, combo: str) -> str:
    """Why one more host of the combo would be one too many."""
    verified, exposed = state.verified[combo], state.exposed[combo]
    return f"credit: {exposed} in flight, {verified} verified"


def yielded(host: HostState, because: str) -> Record | None:
    """The place that was kept free for it while gates were asked is given back."""
    return Record(Event(Kind.YIELDED, because, host.name)) if host.reserved else None
