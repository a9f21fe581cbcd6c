"""A gate's answer as the journal gets it."""

from typing import Any

from rollout.model.decision import Ask
from rollout.model.event import Event, Kind
from rollout.model.plan import DURING
from rollout.model.seams import Verdict
from rollout.model.standing import decides_nothing
from rollout.model.state import State

SAYS = 600.0
"""Seconds after which the same answer of a gate that is asked `during` the run is written down again."""


def answer_event(ask: Ask, verdict: Verdict, *, waived: bool = False) -> Event:
    """What it saw goes with it, and whether it decided anything then."""
    data: dict[str, Any] = {
        "gate": ask.gate.name,
        "moment": ask.moment,
        "value": str(verdict.value),
        "samples": dict(verdict.samples),
    }
    data |= {"link": verdict.link} if verdict.link else {}
    data |= {"shadow": True} if ask.gate.shadow else {}
    data |= {"waived": True} if waived else {}
    data |= {} if ask.host else {"about": ask.about}
    return Event(Kind.ANSWERED, verdict.because, ask.host or None, data=data)


def news_about_fleet(state: State, ask: Ask, answer: Event, now: float) -> Event:
    """The answer; or that it is as before, which is written down only now and then: it is asked every few seconds, for days."""
    standing = state.run.standing.get(ask.subject)
    if ask.moment != DURING or standing is None or answer.data["value"] != standing.value:
        return answer
    decided = standing.passed or standing.tries > ask.gate.retries or decides_nothing(state, ask.gate)
    if not decided or now - standing.told >= SAYS:
        return answer
    told = {key: answer.data[key] for key in ("gate", "moment", "about")}
    return Event(Kind.STILL, answer.because, data=told)
