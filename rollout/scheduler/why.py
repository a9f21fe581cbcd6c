"""Where a host is and what it waits for, in one sentence: the words of `rollout why`."""

from rollout.model.graph import Graph
from rollout.model.state import HostState, State, Status
from rollout.scheduler.stops import stopped
from rollout.scheduler.waves import unmet

SHOWN = 3


def explain(graph: Graph, state: State, host: str) -> str:
    """The sentence. Raises KeyError for a host that the graph does not know."""
    if host not in graph.nodes:
        untouched = next((untouched for untouched in graph.untouched if untouched.host == host), None)
        if untouched is None:
            raise KeyError(host)
        return f"{host} is {untouched.word} and not touched by this run: {untouched.because}"
    at = state.hosts[host]
    wave = graph.nodes[host].wave
    match at.status:
        case Status.WAITING:
            return f"{host} (wave {wave}) waits: {_waiting(graph, state, at)}"
        case Status.RUNNING:
            word, open_on = ("walks back", _open_on(at)) if at.back is not None else ("is under way", "")
            return f"{host} (wave {wave}) {word}: {_running(graph, state, at)}{open_on}"
        case Status.SOAKING:
            return f"{host} (wave {wave}) soaks until {_time(at.not_before)}: {at.because}"
        case Status.HELD:
            slots = ", ".join(graph.nodes[host].slots)
            keeps = (
                f"; it keeps its place in {slots} until a person releases it"
                if at.slot
                else "; a person must release it"
            )
            return f"{host} (wave {wave}) is held: {at.because}{keeps}{_open_on(at)}"
        case _:
            puts_back = (
                f"; `rollout retry {host} --reason WHY` puts it back" if at.status is Status.EXCLUDED else ""
            )
            return f"{host} (wave {wave}) is {at.status}: {at.because}{puts_back}"


def _open_on(at: HostState) -> str:
    return f"; open on it: {', '.join(at.effects)}" if at.effects else ""


def _waiting(graph: Graph, state: State, at: HostState) -> str:
    """The first thing that is in its way, in the order in which `decide` looks."""
    wave = state.wave_of(at.name)
    why = stopped(state, wave.combo)
    if at.stuck:
        return _stuck(at)
    if at.asking:
        return "a gate is asked about it"
    if why:
        return f"nothing may begin: {why}"
    if wave.id not in state.run.opened:
        missing = "; ".join(unmet(graph, state, wave))
        return f"its wave opens later: {missing or 'the gates before it are to be answered, or a controller is to look'}"
    later = f"{at.because} (not before {_time(at.not_before)})"
    return later if at.not_before else _turn(graph, state, at)


def _running(graph: Graph, state: State, at: HostState) -> str:
    if at.open:
        return f"{at.step} is running (attempt {at.attempt}), because {at.because}"
    if at.stuck:
        return _stuck(at)
    if at.not_before:
        return f"{at.because} (not before {_time(at.not_before)})"
    return _between_steps(graph, state, at)


def _between_steps(graph: Graph, state: State, at: HostState) -> str:
    if at.back is not None:
        full = [] if at.slot else state.slots.full(graph.nodes[at.name].slots)
        waits = "".join(f"; limit {slot} is full ({_holders(graph, state, slot)})" for slot in full)
        return f"{at.effects[-1]} is undone next, because {at.back}{waits}" if at.effects else at.back
    step = state.combo_of(at.name).following(at.passed)
    if step is not None and not at.slot and state.combo_of(at.name).holds_slot(step.name):
        why = stopped(state, graph.nodes[at.name].combo)
        return f"{at.passed} is done; {step.name} waits: {why or _turn(graph, state, at)}"
    if at.asking or step is None:
        return f"{at.passed} is done; its gates are asked"
    return f"{at.passed or 'nothing'} is done; {step.name} is next"


def _stuck(at: HostState) -> str:
    if at.suspect:
        return f"it is not counted, and waits until this is mended: {at.because}"
    return f"a gate could not find out: {at.because}"


def _turn(graph: Graph, state: State, at: HostState) -> str:
    full = state.slots.full(graph.nodes[at.name].slots)
    if full:
        return "; ".join(f"limit {slot} is full ({_holders(graph, state, slot)})" for slot in full)
    return "it is its turn as soon as the controller looks, and those before it in its wave have begun"


def _holders(graph: Graph, state: State, slot: str) -> str:
    names = sorted(
        f"{host.name} {host.status}"
        for host in state.hosts.values()
        if (host.slot or host.reserved) and slot in graph.nodes[host.name].slots
    )
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return f"{state.slots.taken[slot]} of {graph.caps[slot]}: {', '.join(names[:SHOWN])}{more}"


def _time(at: float) -> str:
    """Seconds since the epoch as a time of day, UTC. Nothing here reaches for a clock."""
    seconds = int(at) % 86400
    return f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}Z"
