"""What gates about the fleet answered last: a part of the fold.

Those `during` the run are asked again and again; of one at a wave's or the run's moment nothing is kept once it has passed.
"""

from collections.abc import Collection
from dataclasses import replace

from rollout.model.event import Event
from rollout.model.people import AFTER_WAVE, BEFORE_WAVE
from rollout.model.plan import DURING, NO_GUESTS, GateRule
from rollout.model.progress import Standing
from rollout.model.question import key
from rollout.model.seams import Answer
from rollout.model.state import State


def ask_round(state: State, moment: str, wave: str | None) -> None:
    """The gates about the fleet are to be asked too."""
    for rule in state.graph.fleet_gates.get(moment, ()):
        about = wave or ""
        state.run.standing[key(moment, rule.name, about)] = Standing(rule.name, moment, about)


def is_answered(state: State, moment: str, wave: str | None) -> bool:
    """Whether every gate about the fleet that was asked for then has passed."""
    asked = (key(moment, rule.name, wave or "") for rule in state.graph.fleet_gates.get(moment, ()))
    return not any(one in state.run.standing for one in asked)


def asked(state: State, event: Event) -> tuple[str, ...]:
    """It is in flight."""
    state.asked_fleet.add(_key_in(event))
    return ()


def still(state: State, event: Event) -> tuple[str, ...]:
    """The same answer once more."""
    name = _key_in(event)
    state.asked_fleet.discard(name)
    state.heard[name] = event.at
    return ()


def answered(state: State, event: Event) -> tuple[str, ...]:
    """Passes in a row, or tries that were none."""
    still(state, event)
    name, gate = _key_in(event), event.data["gate"]
    rule = state.graph.rule(gate)
    if rule is None:
        return ()
    old = state.run.standing.get(name) or Standing(gate, event.data["moment"], event.data.get("about", ""))
    value = event.data["value"]
    since = old.since if old.value == value else event.at
    new = replace(
        old,
        value=value,
        because=event.because,
        since=since,
        seq=event.seq,
        shadow=rule.shadow,
        told=event.at,
    )
    if value == Answer.PASS:
        count, first, _ = passes([old.count, old.first, old.last], rule, event.at)
        settled = old.passed or is_enough(count, first, rule, event.at)
        new = replace(new, tries=0, count=int(count), first=first, last=event.at, passed=settled)
    else:
        new = replace(new, tries=old.tries + 1, count=0, first=0.0, last=0.0, passed=False)
    state.run.standing[name] = new
    if old.moment != DURING and (new.passed or decides_nothing(state, rule)):
        del state.run.standing[name]
    return ()


def passes(before: list[float], rule: GateRule, at: float) -> list[float]:
    """How many passes in a row there are with this one, when the first and the last of them were. A gap in between begins anew."""
    count, first, last = before or (0, 0.0, 0.0)
    if not count or at - last > patience(rule):
        return [1, at, at]
    return [int(count) + 1, first, at]


def is_enough(count: float, first: float, rule: GateRule, at: float) -> bool:
    """Whether the gate has passed with this answer."""
    return count >= rule.samples and at - first >= rule.lasts


def patience(rule: GateRule) -> float:
    """Seconds after which an answer says nothing about now."""
    return 2 * rule.interval + rule.timeout + 30.0


def decides_nothing(state: State, rule: GateRule) -> bool:
    """A shadow, or waived by a person."""
    return rule.shadow or rule.name in state.run.waived


def forget(state: State, *, passed: bool) -> None:
    """Who takes a run up, or goes on, asks anew. `passed`: passes are forgotten too."""
    state.asked_fleet.clear()
    if passed:
        state.heard.clear()
    for name, standing in tuple(state.run.standing.items()):
        if passed or not standing.passed:
            state.heard.pop(name, None)
            del state.run.standing[name]
            if standing.moment != DURING and state.graph.rule(standing.gate) is not None:
                state.run.standing[name] = Standing(standing.gate, standing.moment, standing.about)


def keep_of(state: State, changed: Collection[str]) -> None:
    """After an amendment: what gates said that are others now, or of waves that are no more, is forgotten."""
    waves = state.graph.waves
    for name, standing in tuple(state.run.standing.items()):
        gone = standing.about not in waves and standing.moment in {BEFORE_WAVE, AFTER_WAVE}
        if gone or state.graph.rule(standing.gate) is None:
            del state.run.standing[name]
        elif standing.gate in changed:
            state.heard.pop(name, None)
            state.run.standing[name] = Standing(standing.gate, standing.moment, standing.about)
    state.run.waived = {gate: why for gate, why in state.run.waived.items() if gate not in changed}


def waived(state: State, event: Event) -> tuple[str, ...]:
    """From here on it decides nothing in this run. Guests are no matter of a waiver."""
    gate = event.data.get("gate", "")
    if gate == NO_GUESTS or state.graph.rule(gate) is None:
        return ()
    state.run.waived.setdefault(gate, event.because)
    for name, standing in tuple(state.run.standing.items()):
        if standing.gate == gate and standing.moment != DURING:
            del state.run.standing[name]
    return ()


def _key_in(event: Event) -> str:
    return key(event.data["moment"], event.data["gate"], event.data.get("about", ""))
