"""The fold: State after an event. The only place where State changes; it applies facts and decides nothing.

A request that no longer fits (a retry of a host that is not held, say) changes nothing: it was true when it was asked.
"""

from collections.abc import Callable

from rollout.model import standing
from rollout.model.again import (
    UNFIT,
    aborted,
    enter,
    resolved,
    retired,
    retried,
    rollback,
    rolled_back,
    stays,
)
from rollout.model.amended import amended
from rollout.model.breaker import key_in
from rollout.model.chain import COMMIT, REMEDY
from rollout.model.event import Event, Kind
from rollout.model.ledger import begun, close, close_effect, forget_remedy, note_begun, open_effects
from rollout.model.people import (
    BEFORE_RUN,
    approved,
    missed_round,
    pause,
    promote,
    promoted,
    round_key,
    skipped,
)
from rollout.model.plan import GateRule
from rollout.model.seams import Answer, Ending
from rollout.model.state import HostState, State, Status
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
        before = host.outcome
        _HOST[event.kind](state, host, event)
        if host.outcome is not before:
            host.judged_at = event.at
        if event.kind is Kind.HELD and "risk" in event.data:
            state.run.risky[host.name] = event.data["risk"]
        elif host.name in state.run.risky and (
            not host.harmed or host.status in {Status.RETIRED, Status.GONE}
        ):
            del state.run.risky[host.name]
    return (event.host,)


# --- the run -----------------------------------------------------------------------------------------------------------------


def _taken_up(state: State, event: Event) -> tuple[str, ...]:
    state.run.fence = int(event.data.get("fence", state.run.fence))
    if not event.data.get("unattended"):
        state.run.attended = state.run.fence
    state.run.began = state.run.began or event.at
    standing.forget(state, passed=True)
    if state.run.suspected:
        state.run.suspected_at = event.at  # whoever takes it up asks, and waits, anew
    for name in tuple(state.asking):
        with state.changing(name) as host:
            host.asking, host.reserved = False, False
    return ()


def _round(state: State, event: Event) -> tuple[str, ...]:
    moment, wave = event.data["moment"], event.data.get("wave")
    state.run.rounds.append(round_key(moment, wave))
    standing.ask_round(state, moment, wave)
    if tuple(moment.split(" ", 1)) not in state.graph.gates_at:
        return ()
    names = state.graph.waves[wave].hosts if wave else tuple(state.graph.nodes)
    wanted = Status.VERIFIED if moment == "after wave" else Status.WAITING
    touched = tuple(name for name in names if state.hosts[name].status is wanted)
    for name in touched:
        with state.changing(name) as host:
            host.round = moment
    return touched


def _opened(state: State, event: Event) -> tuple[str, ...]:
    state.open_wave(event.data["wave"], event.at)
    return ()


def _passed(state: State, event: Event) -> tuple[str, ...]:
    state.pass_wave(event.data["wave"], event.at)
    return ()


def _tripped(state: State, event: Event) -> tuple[str, ...]:
    with state.switching():
        key = key_in(event.data)
        state.run.tripped[key], state.run.trips[key] = event.because, dict(event.data)
    return ()


def _reset(state: State, event: Event) -> tuple[str, ...]:
    with state.switching():
        state.run.tripped.pop(key_in(event.data), None)
        state.run.trips.pop(key_in(event.data), None)
    return ()


def _paused(state: State, event: Event) -> tuple[str, ...]:
    pause(state.run, event.because, event.data.get("by", "person"), event.at)
    return ()


def _continued(state: State, event: Event) -> tuple[str, ...]:
    """A person went on: what could not be found out is asked anew."""
    if state.run.paused is not None:
        state.run.excused_at = event.at  # whatever it was that paused it: a person has seen the failures
    pause(state.run, None, "", event.at)
    forget(state.run)
    standing.forget(state, passed=False)
    touched = tuple(state.stuck)
    for name in touched:
        with state.changing(name) as host:
            host.stuck, host.suspect, host.gate_tries = False, None, {}
            if host.ending in UNFIT:
                host.ending = None
    return touched


def _ended(_state: State, _event: Event) -> tuple[str, ...]:
    return ()


# --- a host ------------------------------------------------------------------------------------------------------------------


def _intended(state: State, host: HostState, event: Event) -> None:
    combo, step = state.combo_of(host.name), state.graph.step_of(host.name, event.step or "")
    if host.status is Status.WAITING or host.back is not None:
        enter(host, Status.RUNNING, event)
    if step is not None and step.name.startswith(REMEDY):
        host.remedied[step.name] = host.remedied.get(step.name, 0) + 1
        host.harmed, host.failure = True, [host.step or "", host.because]
    if event.step != host.step:
        host.tries, host.deaths, host.lost = 0, 0, False
    host.step, host.attempt, host.open, host.ending = event.step, event.attempt, True, None
    host.because, host.not_before, host.reserved, host.started = event.because, 0.0, False, event.at
    host.fresh = bool(event.data.get("slots"))
    host.disrupted_at = host.disrupted_at or (event.at if host.fresh else 0.0)
    host.slot = host.slot or combo.holds_slot(event.step or "")
    if step is not None and step.undo is not None:
        open_effects(combo, host, (step.name,))
    if host.back is not None and step is not None and step.once:
        host.harmed = True  # a person takes back what was an upgrade: that is no success


def _done(state: State, host: HostState, event: Event) -> None:
    host.open, host.tries, host.deaths, host.lost, host.failure = False, 0, 0, False, []
    host.silent = False
    step = state.graph.step_of(host.name, event.step or "")
    if step is not None and step.of is not None:
        close_effect(state.combo_of(host.name), host, step)
    elif step is None or not step.name.startswith(REMEDY):
        host.passed, host.answered, host.gate_tries = event.step, {}, {}
        _learn(state, host, event)
        for name in step.closes if step is not None else ():
            close(host, name)
    if event.data.get("found"):
        looked = host.found.get(event.step or "", {}) if step is not None and step.drain else {}
        host.found[event.step or ""] = {**event.data["found"], **looked}  # how it was before the drain acted


def _learn(state: State, host: HostState, event: Event) -> None:
    """How long the step took; a later time counts instead of an earlier one."""
    combo, step = state.graph.nodes[host.name].combo, event.step or ""
    if step in host.spent:
        state.learned.remove(combo, step, host.spent[step])
    host.spent[step] = max(0.0, event.at - host.started)
    state.learned.add(combo, step, host.spent[step])


def _failed(state: State, host: HostState, event: Event) -> None:
    if event.data.get("begun", True):
        note_begun(state.combo_of(host.name), host)
    host.failure = []
    host.open, host.ending, host.because = False, str(event.data["ending"]), event.because
    host.tries, host.lost = host.tries + 1, False
    host.silent = host.ending == Ending.UNREACHABLE
    host.answered = {key: at for key, at in host.answered.items() if not key.startswith("before ")}


def _void(state: State, host: HostState, event: Event) -> None:
    """A host that was never touched gives back what it took: whether it may begin is decided anew."""
    combo, untouched = state.combo_of(host.name), event.data.get("ending") == Ending.NEVER_BEGAN
    host.open, host.because = False, event.because
    host.deaths += event.data.get("ending") == Ending.RESUMABLE and not event.data.get("taken_up")
    if not untouched:
        note_begun(combo, host)
    elif host.step not in {step.name for step in begun(combo, host)}:
        close(host, host.step or "")
    if host.fresh and untouched:
        host.slot = False
    forget_remedy(host)


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
    rule = state.graph.rule(gate)
    host.asking = False
    host.silent = value == Answer.FAIL and event.data.get("samples", {}).get("reached") is False
    if rule is not None and standing.decides_nothing(state, rule):
        host.answered[key], host.silent = event.at, False
        host.gate_tries.pop(key, None)
    elif value == Answer.PASS and _needs_more(host, key, rule, event.at):
        host.not_before = event.at + (rule.interval if rule is not None else 0.0)
    elif value == Answer.PASS:
        host.answered[key] = event.at
        host.gate_tries.pop(key, None)
    else:
        host.passes.pop(key, None)
        spent = rule.retries if rule is not None and _is_security_stop(event) else 0
        host.gate_tries[key] = max(host.gate_tries.get(key, 0), spent) + 1
        host.ending, host.because, host.reserved = str(value), event.because, False
    if value == Answer.PASS and moment == REMEMBER:
        host.remembered[gate] = event.seq
    if host.round == moment and _all_answered(state, host, moment):
        host.round, host.not_before = missed_round(state, host) if moment == BEFORE_RUN else None, 0.0


def _is_security_stop(event: Event) -> bool:
    """Whether the gate failed on a host key that was refused: asking again would knock at whatever stands there now."""
    refused = event.data.get("samples", {}).get("host_key") == "refused"
    return bool(refused and event.data["value"] == Answer.FAIL)


def _needs_more(host: HostState, key: str, rule: GateRule | None, at: float) -> bool:
    """Whether a pass is one of several that it takes. What has passed before, and is only asked whether it still does, needs one."""
    if rule is None or not rule.needs_more or key in host.answered or key.startswith(REMEMBER):
        return False
    host.passes[key] = standing.passes(host.passes.get(key, []), rule, at)
    if not standing.is_enough(host.passes[key][0], host.passes[key][1], rule, at):
        return True
    del host.passes[key]
    return False


def _all_answered(state: State, host: HostState, moment: str) -> bool:
    edge, what = moment.split(" ", 1)
    return all(f"{moment}/{rule.name}" in host.answered for rule in state.graph.gates_at[edge, what])


def _stuck(state: State, host: HostState, event: Event) -> None:
    host.stuck, host.because = True, event.because
    pause(state.run, event.because, "gate", event.at)


def _ask_again(_state: State, host: HostState, event: Event) -> None:
    host.ending, host.not_before = None, float(event.data["not_before"])


def _soaking(_state: State, host: HostState, event: Event) -> None:
    enter(host, Status.SOAKING, event)
    host.healthy_at = host.healthy_at or event.at
    host.not_before, host.slot, host.promoted = float(event.data["until"]), False, False
    host.step, host.ending = None, None
    host.answered, host.gate_tries = {}, {}


def _verified(_state: State, host: HostState, event: Event) -> None:
    enter(host, Status.VERIFIED, event)
    host.healthy_at = host.healthy_at or event.at
    host.not_before, host.slot, host.uncertain = 0.0, False, False
    host.step, host.ending = None, None
    host.answered, host.gate_tries = {}, {}


def _held(state: State, host: HostState, event: Event) -> None:
    """A host that was disrupted keeps, or takes back, its slot; one that was not touched takes none, unless others have broken it.

    A round that it still has to answer waits for it: letting it try again is no answer.
    """
    combo = state.combo_of(host.name)
    host.late = host.late or host.status in {Status.SOAKING, Status.VERIFIED}
    disrupted = host.slot or (host.passed is not None and combo.holds_slot(host.passed))
    enter(host, Status.HELD, event)
    host.healthy_at = 0.0
    if (host.step or "").startswith(COMMIT) and host.ending not in UNFIT:
        disrupted = host.slot  # it is healthy on the target; what is left behind does no harm
    host.away = bool(event.data.get("away")) and not disrupted
    host.slot, host.harmed, host.reserved = disrupted or host.away, True, False
    host.uncertain = bool(event.data.get("uncertain"))
    host.not_before = 0.0


def _gone(_state: State, host: HostState, event: Event) -> None:
    if host.status is Status.WAITING and not host.open:
        enter(host, Status.GONE, event)
        host.round, host.not_before = None, 0.0


def _found(_state: State, host: HostState, event: Event) -> None:
    """The first look counts: a later one would see our own doing."""
    host.found.setdefault(event.step or "", dict(event.data["found"]))


_RUN: dict[Kind, Callable[[State, Event], tuple[str, ...]]] = {
    Kind.TAKEN_UP: _taken_up,
    Kind.ROUND: _round,
    Kind.OPENED: _opened,
    Kind.PASSED: _passed,
    Kind.TRIPPED: _tripped,
    Kind.RESET: _reset,
    Kind.PAUSED: _paused,
    Kind.CONTINUED: _continued,
    Kind.ABORTED: aborted,
    Kind.APPROVED: approved,
    Kind.PROMOTED: promoted,
    Kind.SUSPECTED: suspect,
    Kind.RESTORED: restore,
    Kind.AMENDED: amended,
    Kind.ENDED: _ended,
    Kind.ASKED: standing.asked,
    Kind.STILL: standing.still,
    Kind.ANSWERED: standing.answered,
    Kind.WAIVED: standing.waived,
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
    Kind.RETRIED: retried,
    Kind.RESOLVED: resolved,
    Kind.RETIRED: retired,
    Kind.ROLLBACK: rollback,
    Kind.ROLLED_BACK: rolled_back,
    Kind.FOUND: _found,
    Kind.STAYS: stays,
    Kind.PROMOTED: promote,
    Kind.SKIPPED: skipped,
}
