"""The fold: State after an event. The only place where State changes; it applies facts and decides nothing.

A request that no longer fits (a retry of a host that is not held, say) changes nothing: it was true when it was asked.
"""

from collections.abc import Callable

from rollout.model.event import Event, Kind
from rollout.model.ledger import close, close_effect, irreversible, is_untouched, open_effects
from rollout.model.plan import COMMIT, REMEDY
from rollout.model.seams import Answer, Ending
from rollout.model.state import OUT, HostState, State, Status
from rollout.model.suspicion import forget, restore, strand, suspect

REMEMBER = "remember"
"""The moment at which a gate sees a host before its first disruptive step."""

SOAK = "soak"
"""The moment at which a soak ends and the last gates are asked again."""


def apply(state: State, event: Event) -> tuple[str, ...]:
    """Fold one event in; gives the hosts whose values it changed."""
    state.run.seq = max(state.run.seq, event.seq)
    state.run.at = max(state.run.at, event.at)
    if event.host is None:
        return _RUN[event.kind](state, event)
    if event.host not in state.hosts:
        return ()
    with state.changing(event.host) as host:
        _HOST[event.kind](state, host, event)
    return (event.host,)


def _enter(host: HostState, status: Status, event: Event) -> None:
    """Enter a status: since when, and why."""
    host.status, host.since, host.because = status, event.at, event.because


# --- the run -----------------------------------------------------------------------------------------------------------------


def _taken_up(state: State, event: Event) -> tuple[str, ...]:
    state.run.fence = int(event.data.get("fence", state.run.fence))
    if state.run.suspected:
        state.run.suspected_at = event.at  # whoever takes it up asks, and waits, anew
    for name in tuple(state.asking):
        with state.changing(name) as host:
            host.asking, host.reserved = False, False
    return ()


def _round(state: State, event: Event) -> tuple[str, ...]:
    moment, wave = event.data["moment"], event.data.get("wave")
    state.run.rounds.append(round_key(moment, wave))
    names = state.graph.waves[wave].hosts if wave else tuple(state.graph.nodes)
    wanted = Status.VERIFIED if moment == "after wave" else Status.WAITING
    touched = tuple(name for name in names if state.hosts[name].status is wanted)
    for name in touched:
        with state.changing(name) as host:
            host.round = moment
    return touched


def round_key(moment: str, wave: str | None) -> str:
    """How a round is known in `RunState.rounds`."""
    return f"{moment} {wave}" if wave else moment


def _opened(state: State, event: Event) -> tuple[str, ...]:
    state.open_wave(event.data["wave"], event.at)
    return ()


def _passed(state: State, event: Event) -> tuple[str, ...]:
    state.run.passed[event.data["wave"]] = event.at
    return ()


def _tripped(state: State, event: Event) -> tuple[str, ...]:
    state.run.tripped[event.data.get("combo", "")] = event.because
    return ()


def _reset(state: State, event: Event) -> tuple[str, ...]:
    state.run.tripped.pop(event.data.get("combo", ""), None)
    return ()


def _paused(state: State, event: Event) -> tuple[str, ...]:
    state.run.paused, state.run.paused_by = event.because, "person"
    return ()


def _continued(state: State, _: Event) -> tuple[str, ...]:
    """A person went on: what could not be found out is asked anew."""
    state.run.paused, state.run.paused_by = None, ""
    forget(state.run)
    touched = tuple(state.stuck)
    for name in touched:
        with state.changing(name) as host:
            host.stuck, host.suspect, host.ending, host.gate_tries = False, None, None, {}
    return touched


def _aborted(state: State, event: Event) -> tuple[str, ...]:
    """A host on which nothing dangerous was begun walks back; one where it was finishes its chain."""
    state.run.aborted = event.because
    touched = tuple(
        host.name
        for host in state.hosts.values()
        if host.status is Status.RUNNING and host.back is None and is_untouched(state, host)
    )
    for name in touched:
        with state.changing(name) as host:
            host.back = f"the run was aborted: {event.because}"
            host.stuck, host.gate_tries = False, {}
    return touched


def _ended(_state: State, _event: Event) -> tuple[str, ...]:
    return ()


# --- a host ------------------------------------------------------------------------------------------------------------------


def _intended(state: State, host: HostState, event: Event) -> None:
    if host.status is Status.WAITING:
        _enter(host, Status.RUNNING, event)
    if event.step != host.step:
        host.tries, host.deaths, host.lost = 0, 0, False
    host.step, host.attempt, host.open, host.ending = event.step, event.attempt, True, None
    host.because, host.not_before, host.reserved = event.because, 0.0, False
    host.fresh = bool(event.data.get("slots"))
    host.slot = host.slot or state.combo_of(host.name).holds_slot(event.step or "")
    step = state.graph.step_of(host.name, event.step or "")
    if step is not None and step.undo is not None:
        open_effects(state, host, (step.name,))
    if step is not None and step.name.startswith(REMEDY):
        host.remedied[step.name] = host.remedied.get(step.name, 0) + 1
        host.harmed = True


def _done(state: State, host: HostState, event: Event) -> None:
    host.open, host.tries, host.deaths, host.lost = False, 0, 0, False
    step = state.graph.step_of(host.name, event.step or "")
    if step is not None and step.of is not None:
        close_effect(state, host, step)
    elif step is None or not step.name.startswith(REMEDY):
        host.passed, host.answered, host.gate_tries = event.step, {}, {}
        for name in step.closes if step is not None else ():
            close(host, name)
    if event.data.get("found"):
        host.found[event.step or ""] = dict(event.data["found"])


def _failed(_state: State, host: HostState, event: Event) -> None:
    host.open, host.ending, host.because = False, str(event.data["ending"]), event.because
    host.tries, host.lost = host.tries + 1, False
    host.answered = {key: at for key, at in host.answered.items() if not key.startswith("before ")}


def _void(_state: State, host: HostState, event: Event) -> None:
    """A host that was never touched gives back what it took: whether it may begin is decided anew."""
    host.open, host.because = False, event.because
    host.deaths += event.data.get("ending") == Ending.RESUMABLE
    if host.fresh and event.data.get("ending") == Ending.NEVER_BEGAN:
        host.slot = False


def _retrying(_state: State, host: HostState, event: Event) -> None:
    host.ending, host.not_before, host.because = None, float(event.data["not_before"]), event.because
    host.harmed = host.harmed or host.slot


def _asked(_state: State, host: HostState, event: Event) -> None:
    host.asking = True
    host.reserved = host.reserved or bool(event.data.get("reserves"))


def _yielded(_state: State, host: HostState, _event: Event) -> None:
    host.reserved = False


def _answered(state: State, host: HostState, event: Event) -> None:
    gate, moment, value = event.data["gate"], event.data["moment"], event.data["value"]
    key = f"{moment}/{gate}"
    host.asking = False
    if value == Answer.PASS:
        host.answered[key] = event.at
        host.gate_tries.pop(key, None)
        if moment == REMEMBER:
            host.remembered[gate] = dict(event.data.get("samples", {}))
    else:
        host.gate_tries[key] = host.gate_tries.get(key, 0) + 1
        host.ending, host.because, host.reserved = str(value), event.because, False
    if host.round == moment and _all_answered(state, host, moment):
        host.round, host.not_before = None, 0.0


def _all_answered(state: State, host: HostState, moment: str) -> bool:
    edge, what = moment.split(" ", 1)
    return all(f"{moment}/{rule.name}" in host.answered for rule in state.graph.gates_at[edge, what])


def _stuck(state: State, host: HostState, event: Event) -> None:
    host.stuck, host.because = True, event.because
    state.run.paused, state.run.paused_by = event.because, "gate"


def _ask_again(_state: State, host: HostState, event: Event) -> None:
    host.ending, host.not_before = None, float(event.data["not_before"])


def _soaking(_state: State, host: HostState, event: Event) -> None:
    _enter(host, Status.SOAKING, event)
    host.not_before, host.slot = float(event.data["until"]), False
    host.step, host.ending = None, None
    host.answered, host.gate_tries = {}, {}


def _verified(_state: State, host: HostState, event: Event) -> None:
    _enter(host, Status.VERIFIED, event)
    host.not_before, host.slot, host.uncertain = 0.0, False, False
    host.step, host.ending = None, None
    host.answered, host.gate_tries = {}, {}


def _held(state: State, host: HostState, event: Event) -> None:
    """A host that was disrupted keeps, or takes back, its slot; one that was not touched takes none.

    A round that it still has to answer waits for it: letting it try again is no answer.
    """
    combo = state.combo_of(host.name)
    disrupted = host.slot or (host.passed is not None and combo.holds_slot(host.passed))
    _enter(host, Status.HELD, event)
    if (host.step or "").startswith(COMMIT):
        disrupted = host.slot  # it is healthy on the target; what is left behind does no harm
    host.slot, host.harmed, host.reserved = disrupted, True, False
    host.uncertain = bool(event.data.get("uncertain"))
    host.not_before = 0.0
    if event.data.get("stays"):
        host.back = None


def _gone(_state: State, host: HostState, event: Event) -> None:
    if host.status is Status.WAITING and not host.open:
        _enter(host, Status.GONE, event)
        host.round, host.not_before = None, 0.0


def _retried(state: State, host: HostState, event: Event) -> None:
    """A person answers for it: the failure no longer counts, until it fails again; also of a host that has healed since."""
    if host.status is Status.HELD:
        _back_to_work(state, host, event)
    elif host.status is Status.ROLLED_BACK:
        _enter(host, Status.WAITING, event)
    if host.status not in OUT:
        host.harmed = False


def _resolved(state: State, host: HostState, event: Event) -> None:
    """`done`: the step counts as done, `verify` and its gates are run again; the failure still counts (design, section 12)."""
    if host.status is not Status.HELD:
        return
    if event.data["as"] != "done":
        host.because, host.uncertain = event.because, False
        return
    side = state.combo_of(host.name).step(host.step or "")
    if side is not None and side.of is not None:
        close_effect(state, host, side)
        _back_to_work(state, host, event)
        return
    names = [step.name for step in state.combo_of(host.name).chain]
    reached = names.index(host.step) if host.step in names else -1
    if host.passed in names:
        reached = max(reached, names.index(host.passed))
    if "verify" in names:
        reached = min(reached, names.index("verify") - 1)
    host.passed = names[reached] if reached >= 0 else None
    _back_to_work(state, host, event)


def _back_to_work(state: State, host: HostState, event: Event) -> None:
    """A host for which no step was ever begun waits for its wave, as before."""
    _enter(host, Status.RUNNING if host.attempt else Status.WAITING, event)
    host.ending, host.not_before, host.tries, host.deaths, host.uncertain = None, 0.0, 0, 0, False
    host.answered, host.gate_tries, host.stuck, host.lost = {}, {}, False, False
    if state.run.aborted and is_untouched(state, host):
        host.back = host.back or f"the run was aborted: {state.run.aborted}"


def _rollback(state: State, host: HostState, event: Event) -> None:
    """A step in flight ends first. A host on which something has begun that nothing takes back is left as it is."""
    gone = host.status in {Status.RETIRED, Status.GONE, Status.ROLLED_BACK}
    if gone or irreversible(state, host) is not None or not host.attempt:
        return
    host.back = event.because
    if not host.open:
        _back_to_work(state, host, event)


def _rolled_back(_state: State, host: HostState, event: Event) -> None:
    """It is as it was found, and stays out of the run unless a person lets it try again."""
    _enter(host, Status.ROLLED_BACK, event)
    host.back, host.passed, host.step, host.ending, host.round = None, None, None, None, None
    host.slot, host.reserved, host.uncertain = False, False, False
    host.answered, host.gate_tries, host.found = {}, {}, {}


def _found(_state: State, host: HostState, event: Event) -> None:
    """The first look counts: a later one would see our own doing."""
    host.found.setdefault(event.step or "", dict(event.data["found"]))


def _retired(_state: State, host: HostState, event: Event) -> None:
    if host.open or host.status in {Status.RETIRED, Status.GONE}:
        return
    _enter(host, Status.RETIRED, event)
    host.slot, host.reserved, host.stuck, host.round, host.not_before = False, False, False, None, 0.0


_RUN: dict[Kind, Callable[[State, Event], tuple[str, ...]]] = {
    Kind.TAKEN_UP: _taken_up,
    Kind.ROUND: _round,
    Kind.OPENED: _opened,
    Kind.PASSED: _passed,
    Kind.TRIPPED: _tripped,
    Kind.RESET: _reset,
    Kind.PAUSED: _paused,
    Kind.CONTINUED: _continued,
    Kind.ABORTED: _aborted,
    Kind.SUSPECTED: suspect,
    Kind.RESTORED: restore,
    Kind.ENDED: _ended,
}

_HOST: dict[Kind, Callable[[State, HostState, Event], None]] = {
    Kind.INTENDED: _intended,
    Kind.DONE: _done,
    Kind.FAILED: _failed,
    Kind.VOID: _void,
    Kind.RETRYING: _retrying,
    Kind.ASKED: _asked,
    Kind.ANSWERED: _answered,
    Kind.YIELDED: _yielded,
    Kind.ASK_AGAIN: _ask_again,
    Kind.STUCK: _stuck,
    Kind.STRANDED: strand,
    Kind.SOAKING: _soaking,
    Kind.VERIFIED: _verified,
    Kind.HELD: _held,
    Kind.GONE: _gone,
    Kind.RETRIED: _retried,
    Kind.RESOLVED: _resolved,
    Kind.RETIRED: _retired,
    Kind.ROLLBACK: _rollback,
    Kind.ROLLED_BACK: _rolled_back,
    Kind.FOUND: _found,
}
