"""Where a host is and what it waits for, in one sentence: the words of `rollout why`."""

from rollout.model.graph import Graph
from rollout.model.learned import LATE, USUAL
from rollout.model.state import HostState, State, Status
from rollout.scheduler import standing, waits
from rollout.scheduler.out_of_time import ANOTHER_PLAN
from rollout.scheduler.room import seconds_left
from rollout.scheduler.waves import unmet
from rollout.scheduler.windows import may_begin


def explain(graph: Graph, state: State, host: str, now: float) -> str:
    """The sentence at `now` (seconds since the epoch). Raises KeyError for a host that the graph does not know."""
    if host not in graph.nodes:
        untouched = next((untouched for untouched in graph.untouched if untouched.host == host), None)
        if untouched is None:
            raise KeyError(host)
        return f"{host} is {untouched.word} and not touched by this run: {untouched.because}"
    at = state.hosts[host]
    return f"{host} (wave {graph.nodes[host].wave}) {_where(graph, state, at, now)}"


def _where(graph: Graph, state: State, at: HostState, now: float) -> str:
    match at.status:
        case Status.WAITING:
            return f"waits: {_waiting(graph, state, at, now)}"
        case Status.RUNNING:
            word, open_on = ("walks back", _open_on(at)) if at.back is not None else ("is under way", "")
            return f"{word}: {_running(graph, state, at, now)}{open_on}"
        case Status.SOAKING:
            return _soaking(at, now)
        case Status.HELD:
            return _held(graph, state, at, now)
        case Status.EXCLUDED:
            return (
                f"is excluded: {at.because}; `rollout retry {waits.word(at.name)} --reason WHY` puts it back"
            )
        case _:
            return f"is {at.status}: {at.because}"


def _open_on(at: HostState) -> str:
    return f"; open on it: {', '.join(at.effects)}" if at.effects else ""


def _soaking(at: HostState, now: float) -> str:
    if not at.not_before:
        cut = "a person cut its soak short" if at.promoted else "its soak is over"
        return f"soaks no more: {cut}; its gates are asked"
    ends = f"`rollout promote {waits.word(at.name)} --reason WHY` asks its gates now"
    return f"soaks until {waits.at_time(at.not_before, now)}: {at.because}; then its gates are asked again; {ends}"


def _held(graph: Graph, state: State, at: HostState, now: float) -> str:
    since = f" {waits.since(at.since, now)}" if at.since else ""
    said = f"is held{since}: {at.because}"
    if not at.slot:
        return f"{said}; it takes no place in the limits; {waits.frees(at.name, 'takes it out of the run')}{_open_on(at)}"
    slots = graph.nodes[at.name].slots
    full = [slot for slot in slots if state.dead[slot] >= graph.caps[slot]]
    blocks = ""
    if full:
        waiting = sum(
            host.status in {Status.WAITING, Status.RUNNING}
            and not host.slot
            and not set(full).isdisjoint(graph.nodes[host.name].slots)
            for host in state.hosts.values()
        )
        who = f"{waiting} {'host waits' if waiting == 1 else 'hosts wait'}"
        blocks = f", and {who} for {', '.join(full)}" if waiting else ""
    keeps = "it was not touched, but others broke it, so it counts" if at.away else "it keeps its place"
    return f"{said}; {keeps} in {', '.join(slots)} until a person releases it{blocks}; {waits.frees(at.name)}{_open_on(at)}"


def _stopped(state: State, name: str, now: float) -> str | None:
    """Why no host like it may begin, and what a person does about that."""
    if state.run.aborted:
        return f"the run was aborted: {state.run.aborted}; {waits.NEW_RUN}"
    if state.run.paused:
        return waits.paused(state, now)
    why = state.broken(name)
    return waits.breaker(state, why) if why else standing.said_of(state.graph, state, name)


def _waiting(graph: Graph, state: State, at: HostState, now: float) -> str:
    """The first thing that is in its way, in the order in which `decide` looks."""
    wave = state.wave_of(at.name)
    if at.stuck:
        return _stuck(at)
    if at.asking:
        return "a gate is asked about it"
    why = _stopped(state, at.name, now)
    if why:
        return f"nothing may begin: {why}"
    if wave.id not in state.run.opened:
        missing = "; ".join(unmet(graph, state, wave))
        return f"its wave opens later: {missing or 'the gates before it are to be answered, or a controller is to look'}"
    if at.not_before:
        return f"{at.because} (not before {waits.at_time(at.not_before, now)})"
    return _turn(graph, state, at, now)


def _running(graph: Graph, state: State, at: HostState, now: float) -> str:
    if at.open:
        return f"{at.step} is running (attempt {at.attempt}), because {at.because}{_expected(state, at, now)}"
    if at.stuck:
        return _stuck(at)
    if at.not_before:
        return f"{at.because} (not before {waits.at_time(at.not_before, now)})"
    return _between_steps(graph, state, at, now)


def _expected(state: State, at: HostState, now: float) -> str:
    """When it is verified, if nothing fails: p50 and p90 of what its combo has taught."""
    if at.back is not None:
        return ""
    usual, late = (waits.verified_at(state, at, now, quantile) for quantile in (USUAL, LATE))
    if usual is None or late is None:
        return ""
    if late - usual < 1:
        return f"; expected to be verified at {waits.at_time(usual, now)}"
    between = f"between {waits.at_time(usual, now)}, and {waits.at_time(late, now)}"
    return f"; expected to be verified {between} (p50..p90, if nothing fails)"


def _between_steps(graph: Graph, state: State, at: HostState, now: float) -> str:
    if at.back is not None:
        full = [] if at.slot else state.slots.full(graph.nodes[at.name].slots)
        held_up = f"; {waits.limits(graph, state, full, now)}" if full else ""
        return f"{at.effects[-1]} is undone next, because {at.back}{held_up}" if at.effects else at.back
    step = state.combo_of(at.name).following(at.passed)
    if step is not None and not at.slot and state.combo_of(at.name).holds_slot(step.name):
        why = _stopped(state, at.name, now)
        return f"{at.passed} is done; {step.name} waits: {why or _turn(graph, state, at, now)}"
    if at.asking or step is None:
        return f"{at.passed} is done; its gates are asked"
    return f"{at.passed or 'nothing'} is done; {step.name} is next"


def _stuck(at: HostState) -> str:
    if at.suspect:
        return f"it is not counted, and waits until this is mended: {at.because}; once it is, `rollout resume` goes on"
    return (
        f"a gate could not find out: {at.because}; once its cause is mended, `rollout resume` asks it again"
    )


def _turn(graph: Graph, state: State, at: HostState, now: float) -> str:
    """Places, time, credit, the controller's own limit; or nothing but those before it."""
    node = graph.nodes[at.name]
    full = state.slots.full(node.slots)
    if full:
        return waits.limits(graph, state, full, now)
    closed = may_begin(graph, at.name, seconds_left(state, at), now)
    if closed is not None and closed.opens is not None:
        return f"{closed.because}; it begins by itself if a controller holds the run then (`rollout resume`)"
    if closed is not None:
        return f"{closed.because}; {ANOTHER_PLAN}"
    if state.credit.left(node.combo) <= 0:
        return waits.credit(state, node.combo, now)
    if len(state.open) >= graph.controller:
        return f"{len(state.open)} steps are in flight, and limits.controller is {graph.controller}: it begins when one of them ends"
    return "it is its turn as soon as the controller looks, and those before it in its wave have begun"
