"""Gates about the fleet: when they are asked, what they keep from beginning, and what becomes of one that does not pass."""

from collections.abc import Iterator
from typing import Any

from rollout.model.breaker import COMBO, Subset, data_of, key_of, subset_of
from rollout.model.decision import Ask, Record
from rollout.model.event import Event, Kind
from rollout.model.graph import Graph
from rollout.model.plan import DURING
from rollout.model.progress import Standing
from rollout.model.question import Question, about_of, key
from rollout.model.seams import Answer
from rollout.model.standing import decides_nothing, patience
from rollout.model.state import State

BY_GATE = "gate"
"""In the data of a breaker: a gate about the fleet tripped it."""


def due(graph: Graph, state: State, now: float) -> list[Ask]:
    """The questions to be asked now."""
    return [
        Ask("", question.rule, question.moment, False, _because(question), question.about)
        for question in _wanted(graph, state)
        if _next_ask(state, question) <= now
    ]


def next_time(graph: Graph, state: State) -> float | None:
    """When the next question is to be asked; None if none is."""
    return min((_next_ask(state, question) for question in _wanted(graph, state)), default=None)


def awaited(graph: Graph, state: State, now: float) -> bool:
    """Whether an answer that has yet to come may let something begin, so that it is waited for although nothing is in flight."""
    return any(
        _is_tried(state, question) and not _passes(state, question, now)
        for question in _wanted(graph, state)
        if question.moment != DURING
        or (not decides_nothing(state, question.rule) and (_wants(state) or _stops(state, question)))
    )


def keeps(graph: Graph, state: State, name: str, now: float) -> str | None:
    """Why a host may not begin as far as gates `during` the run go; None if it may. Without a fresh pass nothing begins."""
    node = graph.nodes[name]
    for rule in graph.fleet_gates.get(DURING, ()):
        question = Question(rule, DURING, about_of(rule, node))
        if not decides_nothing(state, rule) and not _passes(state, question, now):
            return said(state, question)
    return None


def said_of(graph: Graph, state: State, name: str) -> str | None:
    """What keeps a host from beginning by what is in the journal: a reader does not know when a gate was asked last."""
    node = graph.nodes[name]
    for rule in graph.fleet_gates.get(DURING, ()):
        question = Question(rule, DURING, about_of(rule, node))
        standing = state.run.standing.get(question.key)
        if not decides_nothing(state, rule) and not (standing is not None and standing.passed):
            return said(state, question)
    return None


def keep_all(state: State, now: float) -> bool:
    """Whether a gate about the whole run keeps everything from beginning: then nobody needs to be looked at."""
    return any(
        not question.about and not decides_nothing(state, question.rule) and not _passes(state, question, now)
        for question in state.during
    )


def said(state: State, question: Question) -> str:
    """What such a gate has to say, for a person."""
    standing = state.run.standing.get(question.key)
    where = f" ({question.about})" if question.about else ""
    name = f"gate {question.rule.name}{where}"
    if standing is None or not standing.value:
        return f"{name} is to pass first, and was not asked yet"
    if standing.value != Answer.PASS:
        return f"{name} {_word(standing.value)}: {standing.because}"
    if not standing.passed:
        return f"{name} passes, and has yet to pass for long enough: {standing.because}"
    return f"{name} passed when it was last asked, and is to be asked again"


def verdicts(graph: Graph, state: State) -> list[Record]:
    """What is stopped because a gate about the fleet did not pass, and no retry is left."""
    found = []
    for standing in state.run.standing.values():
        rule = graph.rule(standing.gate)
        if rule is None or standing.tries <= rule.retries or decides_nothing(state, rule):
            continue
        fails = standing.value == Answer.FAIL or rule.on_inconclusive == "fail"
        record = _trip(graph, state, standing) if fails else _pause(state, standing)
        if record is not None:
            found.append(record)
    return found


def is_mended(state: State, trip: dict[str, Any]) -> bool:
    """Whether a breaker that a gate tripped may be reset: the gate is waived or gone, or has passed under a later controller that a person started.

    A gate that passes again by itself proves nothing of the cause: the run has stopped, and what did the harm has not gone on.
    """
    rule = state.graph.rule(trip.get("gate", ""))
    if rule is None or decides_nothing(state, rule):
        return True
    standing = state.run.standing.get(key(trip["moment"], rule.name, trip["about"]))
    passed = standing.passed if standing is not None else trip["moment"] != DURING
    return bool(passed and _is_a_persons(state, trip))


def tripped_by(state: State, why: str) -> str | None:
    """The gate that tripped the breaker of those words."""
    trips = (state.run.trips.get(key, {}) for key, because in state.run.tripped.items() if because == why)
    return next((trip["gate"] for trip in trips if trip.get("by") == BY_GATE), None)


def mended(state: State, trip: dict[str, Any]) -> str:
    """Why such a breaker is reset."""
    rule = state.graph.rule(trip.get("gate", ""))
    if rule is None:
        return "is no gate of the plan any more"
    waived = state.run.waived.get(rule.name)
    if waived is not None:
        return f"is waived: {waived}"
    return "decides nothing any more" if rule.shadow else "passes again"


def _wanted(graph: Graph, state: State) -> Iterator[Question]:
    """Those `during` the run while anything is in flight, wants to begin, or was stopped by them; those of rounds that have yet to pass."""
    for name, standing in state.run.standing.items():
        if standing.moment != DURING and name not in state.asked_fleet:
            rule = graph.rule(standing.gate)
            if rule is not None and standing.tries <= rule.retries:
                yield Question(rule, standing.moment, standing.about)
    if not state.during:
        return
    busy, wants = _in_flight(state), _wants(state)
    for question in state.during:
        if question.key in state.asked_fleet:
            continue
        if busy or (_is_tried(state, question) and (wants or _stops(state, question))):
            yield question


def _wants(state: State) -> bool:
    """Whether some host might begin, or go on to its slot."""
    some = len(state.ready) or len(state.waiting) or state.idle or state.timers
    return bool(some) and not (state.run.paused or state.run.aborted)


def _is_tried(state: State, question: Question) -> bool:
    """Whether it may be asked although nothing is in flight: as long as it passes, or has retries left."""
    standing = state.run.standing.get(question.key)
    return standing is None or standing.tries <= question.rule.retries


def _in_flight(state: State) -> bool:
    return bool(state.open) or state.credit.exposed.total() > 0


def _stops(state: State, question: Question) -> bool:
    """Whether it has stopped something under an earlier controller: asked again, it may let that go on."""
    trip = state.run.trips.get(question.about, {})
    mine = trip.get("gate") == question.rule.name and trip.get("moment") == question.moment
    return bool(mine and _is_a_persons(state, trip))


def _is_a_persons(state: State, trip: dict[str, Any]) -> bool:
    """Whether a person has started this controller since. Who did so earlier, and was stopped again, has said nothing of now."""
    return bool(state.run.attended == state.run.fence > trip["fence"])


def _next_ask(state: State, question: Question) -> float:
    heard = state.heard.get(question.key)
    return 0.0 if heard is None else heard + question.rule.interval


def _passes(state: State, question: Question, now: float) -> bool:
    standing = state.run.standing.get(question.key)
    heard = state.heard.get(question.key)
    if standing is None or heard is None:
        return False
    return standing.passed and now - heard <= patience(question.rule)


def _trip(graph: Graph, state: State, standing: Standing) -> Record | None:
    subset = _subset(graph, standing)
    if key_of(subset) in state.run.tripped or "" in state.run.tripped:
        return None
    whom = f" on hosts with {key_of(subset)}" if subset and subset[0][0] != COMBO else ""
    whom = f" in combo {key_of(subset)}" if subset and not whom else whom
    because = f"gate {standing.gate} {_moment(standing)} {_word(standing.value)}: {standing.because}; nothing more begins{whom}"
    data = {
        **data_of(subset),
        "by": BY_GATE,
        "harmed": state.evidence.harmed(subset),
        "gate": standing.gate,
        "moment": standing.moment,
        "about": standing.about,
        "fence": state.run.fence,
    }
    return Record(Event(Kind.TRIPPED, because, data=data))


def _pause(state: State, standing: Standing) -> Record | None:
    if state.run.paused is not None or state.run.aborted is not None:
        return None
    because = f"gate {standing.gate} {_moment(standing)} could not find out: {standing.because}"
    data = {"by": BY_GATE, "gate": standing.gate, "about": standing.about}
    return Record(Event(Kind.PAUSED, because, data=data))


def _subset(graph: Graph, standing: Standing) -> Subset:
    if standing.moment == DURING:
        return subset_of(standing.about)
    wave = graph.waves.get(standing.about)
    return ((COMBO, wave.combo),) if wave is not None else ()


def _moment(standing: Standing) -> str:
    about = standing.about if standing.moment != DURING or not standing.about else f"({standing.about})"
    return f"{standing.moment} {about}".rstrip()


def _because(question: Question) -> str:
    return f"{question.rule.name} is asked {question.moment} {question.about}".rstrip()


def _word(value: str) -> str:
    return "failed" if value == Answer.FAIL else "could not find out"
