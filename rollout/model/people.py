"""What people decide about hosts that have not begun, or that wait: to let a rung begin, to end a soak, to leave a host out, to pause."""

from rollout.model.event import Event
from rollout.model.graph import Graph
from rollout.model.state import HostState, RunState, State, Status

BEFORE_RUN, BEFORE_WAVE = "before run", "before wave"
"""The rounds that a host has to answer before it begins."""

AFTER_WAVE = "after wave"
"""The round that the verified hosts of a wave have to answer before it passes."""


def round_key(moment: str, wave: str | None) -> str:
    """How a round is known in `RunState.rounds`."""
    return f"{moment} {wave}" if wave else moment


def approved(state: State, event: Event) -> tuple[str, ...]:
    """An approval of another plan is none."""
    if event.data.get("digest") == state.graph.digest:
        approve(state.graph, state.run, event)
    return ()


def approve(graph: Graph, run: RunState, event: Event) -> None:
    """The rung, and all before it after which a person is asked too. Who was first stays."""
    asked, through = graph.approvals, event.data.get("through")
    for rung in asked[: asked.index(through) + 1] if through in asked else ():
        run.approved.setdefault(rung, event.because)


def approvals_before(graph: Graph, wave: str) -> tuple[str, ...]:
    """The rungs after which a person is asked before that wave can open, in order."""
    found, seen, left = set(), {wave}, [wave]
    while left:
        for need in graph.waves[left.pop()].needs:
            found.add(need.approved)
            before = [need.wave] if need.wave is not None else []
            before += [one.id for one in graph.rungs.get(need.rung or "", ())] if need.rung else []
            before += [one.id for one in graph.waves_of.get(need.combo or "", ())] if need.combo else []
            left += [one for one in before if one not in seen]
            seen.update(before)
    return tuple(rung for rung in graph.approvals if rung in found)


def pause(run: RunState, because: str | None, by: str, at: float) -> None:
    """Since when it stands still is when it began to, whoever gives another reason later."""
    run.paused_at = 0.0 if because is None else run.paused_at if run.paused is not None else at
    run.paused, run.paused_by = because, by


def promoted(state: State, event: Event) -> tuple[str, ...]:
    """Those of a wave, or of the whole run, that soak now; one that begins to soak later soaks as planned."""
    touched = tuple(name for name in named(state, event) if soaks(state.hosts[name], event.at))
    for name in touched:
        with state.changing(name) as host:
            promote(state, host, event)
    return touched


def named(state: State, event: Event) -> tuple[str, ...]:
    """The hosts that such a request is about: one, those of a wave, or all."""
    if event.host is not None:
        return (event.host,)
    wave = event.data.get("wave")
    if wave is None:
        return tuple(state.hosts)
    return state.graph.waves[wave].hosts if wave in state.graph.waves else ()


def soaks(host: HostState, at: float) -> bool:
    """Whether its soak lasts: it is not being asked how it came through, and does not walk back."""
    waits = at < host.not_before and not (host.gate_tries or host.passes or host.ending)
    return host.status is Status.SOAKING and host.back is None and waits


def promote(_state: State, host: HostState, event: Event) -> None:
    """Its soak is over: its gates are asked at once."""
    if soaks(host, event.at):
        host.not_before, host.promoted = 0.0, True


def skipped(_state: State, host: HostState, event: Event) -> None:
    """Never touched, without a slot; a question about it that is in flight changes nothing any more."""
    if host.status is not Status.WAITING or host.attempt:
        return
    host.status, host.since, host.because = Status.EXCLUDED, event.at, event.because
    host.round, host.ending, host.not_before, host.reserved = None, None, 0.0, False
    host.stuck, host.suspect, host.answered, host.gate_tries = False, None, {}, {}


def put_back(state: State, host: HostState, event: Event) -> None:
    """It waits for its wave again, and has to answer what the others were asked meanwhile."""
    host.status, host.since, host.because = Status.WAITING, event.at, event.because
    host.ending, host.answered, host.gate_tries = None, {}, {}
    host.round = missed_round(state, host)


def missed_round(state: State, host: HostState) -> str | None:
    """The first round of gates that was asked for and that a host which has not begun did not answer."""
    wave = state.graph.nodes[host.name].wave
    for moment, key in ((BEFORE_RUN, BEFORE_RUN), (BEFORE_WAVE, round_key(BEFORE_WAVE, wave))):
        gates = state.graph.gates_at.get(("before", moment.removeprefix("before ")), ())
        if key in state.run.rounds and any(f"{moment}/{gate.name}" not in host.answered for gate in gates):
            return moment
    return None
