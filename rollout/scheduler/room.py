"""Who may begin, or be disrupted, next: places in its domains, credit, time."""

from collections.abc import Iterator

from rollout.model.decision import Record
from rollout.model.event import Event, Kind
from rollout.model.graph import Graph
from rollout.model.learned import LATE
from rollout.model.state import WALKING, HostState, State, Status
from rollout.scheduler.stops import host_stopped, stopped
from rollout.scheduler.windows import Closed, has_time, may_begin


def slot_takers(state: State) -> Iterator[str]:
    """Hosts whose turn it is to take their slot, as far as places and credit go. Who walks back needs no credit."""
    if state.slots.fleet_full:
        return iter(())
    kins = {WALKING: 0.0}
    if state.credit.left() > 0:
        for kin in state.ready.kins():
            if kin != WALKING and state.credit.left(kin[0]) > 0:
                kins[kin] = state.credit.weight(kin[0])
    return state.ready.candidates(kins)


def beginners(state: State) -> Iterator[str]:
    """Hosts whose turn it is to begin with what needs no slot; none whose place a held host keeps."""
    kins = (kin for kin in state.waiting.kins() if state.may_prepare(kin) and not stopped(state, kin[0]))
    names = state.waiting.candidates({kin: state.credit.weight(kin[0]) for kin in kins})
    return (name for name in names if not state.kept(name))


def timely(
    graph: Graph, state: State, names: Iterator[str], now: float, until: float | None
) -> Iterator[str]:
    """Those that have time left, each kind of host judged once. Who walks back needs none."""
    known: dict[tuple[object, ...], bool] = {}
    for name in names:
        host, node = state.hosts[name], graph.nodes[name]
        kind = (node.zones, node.combo, host.passed)
        if host.back is None and kind not in known:
            known[kind] = has_time(graph, name, seconds_left(state, host), now, until)
        if host.back is not None or known[kind]:
            yield name


def shut(graph: Graph, state: State, now: float, until: float | None) -> Iterator[tuple[str, Closed]]:
    """One of each kind of hosts whose turn it is, and that time keeps from beginning."""
    alike: dict[tuple[object, ...], HostState] = {}
    between = (name for name in state.idle if _is_between(state.hosts[name]))
    for name in (*slot_takers(state), *beginners(state), *between):
        host, node = state.hosts[name], graph.nodes[name]
        if not host_stopped(state, name):
            alike.setdefault((node.zones, node.combo, host.passed), host)
    for host in alike.values():
        closed = may_begin(graph, host.name, seconds_left(state, host), now, until)
        if closed is not None:
            yield host.name, closed


def _is_between(host: HostState) -> bool:
    """Whether it waits between two steps that need no slot."""
    return host.status is Status.RUNNING and host.back is None and host.ending is None and not host.slot


def opening(graph: Graph, state: State, now: float, until: float | None) -> float | None:
    """When the first of them may begin that time alone holds up; None if time holds up none."""
    if graph.calendar is None:
        return None
    closed = (closed for _, closed in shut(graph, state, now, until))
    return min((found.opens for found in closed if found.opens is not None), default=None)


def in_its_way(
    graph: Graph, state: State, host: HostState, *, takes: bool, now: float, until: float | None
) -> str | None:
    """Why a host without a slot may not go on at `now`; None if it may. `takes`: its next step takes the slot.

    A whole sentence only for one that gives back its place: the others are asked again and again.
    """
    node = graph.nodes[host.name]
    need = seconds_left(state, host)
    if not has_time(graph, host.name, need, now, until):
        closed = may_begin(graph, host.name, need, now, until) if host.reserved else None
        return closed.because if closed is not None else "it has no time"
    if not takes:
        return None
    if host.reserved:
        if state.slots.over(node.slots):
            return "a host that regressed has taken its slot back, and none is left"
        return "a late failure has taken credit back" if state.credit.left(node.combo) < 0 else None
    full = state.slots.full(node.slots)
    if full:
        return f"limit {full[0]} is full"
    return "it has no credit" if state.credit.left(node.combo) <= 0 else None


def seconds_left(state: State, host: HostState) -> float:
    """How long the host takes to the end of its chain, at p90 of what its combo has taught."""
    combo = state.combo_of(host.name)
    done = len(combo.reached(host.passed))
    return state.learned.of_steps(combo, combo.chain[done:], LATE)


def yielded(host: HostState, because: str) -> Record | None:
    """The place that was kept free for it while gates were asked is given back."""
    return Record(Event(Kind.YIELDED, because, host.name)) if host.reserved else None
