"""What an amendment does to what is known of a run: the graph is another from here on, and the hosts are where they were.

It is folded on a State over the new graph. What was begun goes on; what was asked and cannot be answered any more is forgotten.
"""

from collections.abc import Collection, Mapping

from rollout.model import standing
from rollout.model.event import Event
from rollout.model.people import BEFORE_RUN, BEFORE_WAVE, missed_round, round_key
from rollout.model.progress import HostState, RunState, Status
from rollout.model.seams import Answer
from rollout.model.state import State

_ANSWERS = frozenset({Answer.FAIL, Answer.ERROR, Answer.INCONCLUSIVE})


def amended(state: State, event: Event) -> tuple[str, ...]:
    """Gives the hosts whose values it changed. Waves that are no more are forgotten; so are answers of gates that are others now."""
    _forget_waves(state.run, state.graph.waves)
    standing.keep_of(state, frozenset(event.data.get("gates", ())))
    credit = event.data.get("credit", {})
    changed = frozenset(event.data.get("gates", ()))
    touched = tuple(name for name, host in state.hosts.items() if _is_concerned(state, host, credit, changed))
    for name in touched:
        with state.changing(name) as host:
            host.discounted = host.discounted or _is_outdated(state, host, credit)
            _forget_answers(state, host, changed)
    return touched


def leave(host: HostState, event: Event) -> bool:
    """A host that no graph holds any more leaves the run; False if it does not by this event. Never touched, it takes no place."""
    for status, told in ((Status.EXCLUDED, "excluded"), (Status.GONE, "gone")):
        because = event.data.get(told, {}).get(host.name)
        if because is not None:
            host.status, host.since, host.because = status, event.at, because
            host.round, host.ending, host.not_before, host.slot = None, None, 0.0, False
            host.stuck, host.suspect, host.away, host.harmed = False, None, False, False
            host.answered, host.gate_tries = {}, {}
            return True
    return False


def _forget_waves(run: RunState, waves: Collection[str]) -> None:
    run.opened = {wave: at for wave, at in run.opened.items() if wave in waves}
    run.passed = {wave: at for wave, at in run.passed.items() if wave in waves}
    known = {round_key(moment, wave) for moment in (BEFORE_WAVE, "after wave") for wave in waves}
    run.rounds = [key for key in run.rounds if key in known or key == BEFORE_RUN]


def _is_concerned(
    state: State, host: HostState, credit: Mapping[str, Collection[str]], changed: Collection[str]
) -> bool:
    asked = host.answered or host.gate_tries or host.round is not None or host.ending in _ANSWERS
    waits = host.status is Status.WAITING and bool(state.run.rounds)
    return bool(asked and (changed or host.round)) or waits or _is_outdated(state, host, credit)


def _is_outdated(state: State, host: HostState, credit: Mapping[str, Collection[str]]) -> bool:
    """Whether it is healthy by, has gone through, or is in the midst of what the plan does not say any more."""
    combo = state.combo_of(host.name)
    steps = credit.get(combo.name)
    if steps is None:
        return False
    is_healthy = host.status is Status.SOAKING or host.status is Status.VERIFIED
    under_way = host.step if host.open or host.lost or host.deaths else None  # and ends as it was begun
    return is_healthy or any(step.name in steps for step in combo.reached(host.passed, under_way))


def _forget_answers(state: State, host: HostState, changed: Collection[str]) -> None:
    """A gate that is another is asked anew; one that is no more has nothing to say. A host that has not begun answers for what it missed."""
    host.answered = {key: at for key, at in host.answered.items() if key.rsplit("/", 1)[1] not in changed}
    host.gate_tries = {key: n for key, n in host.gate_tries.items() if key.rsplit("/", 1)[1] not in changed}
    if host.ending in _ANSWERS and not host.gate_tries and host.status is not Status.HELD:
        host.ending, host.stuck = None, False
    if host.status is Status.WAITING and not host.attempt:
        asked = round_key(BEFORE_WAVE, state.graph.nodes[host.name].wave) in state.run.rounds
        if not asked:  # it is in another wave now, whose round is still to come
            host.answered = {
                key: at for key, at in host.answered.items() if not key.startswith(f"{BEFORE_WAVE}/")
            }
        host.round = missed_round(state, host)
        host.not_before = host.not_before if host.round is not None else 0.0
    elif host.round is not None:
        edge, what = host.round.split(" ", 1)
        rules = state.graph.gates_at.get((edge, what), ())
        if all(f"{host.round}/{rule.name}" in host.answered for rule in rules):
            host.round = None
