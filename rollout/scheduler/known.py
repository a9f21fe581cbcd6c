"""Known errors: what is to be done about a failure that a risk describes."""

from dataclasses import dataclass
from typing import Literal

from rollout.model.chain import REMEDY, Step
from rollout.model.graph import Graph
from rollout.model.plan import Risk
from rollout.model.state import HostState
from rollout.model.symptom import shows


@dataclass(frozen=True, slots=True)
class Known:
    """The risk that fits, what follows from it on this host, and why."""

    risk: Risk
    then: Literal["hold", "retry", "remedy"]
    because: str


def known(graph: Graph, host: HostState, step: Step | None) -> Known | None:
    """The first risk of the plan whose symptom shows in the failure of the host's last step.

    Raises SymptomInvalid for one that is no regular expression: plans are checked for that.
    """
    if step is None or step.name.startswith(REMEDY):
        return None
    for risk in graph.risks:
        if risk.steps and step.name not in risk.steps:
            continue
        if shows(risk.symptom, host.because):
            return _answer(risk, host, step)
    return None


def _answer(risk: Risk, host: HostState, step: Step) -> Known:
    if risk.then == "hold":
        return Known(risk, "hold", risk.because)
    if step.once and not risk.repeatable:
        return Known(risk, "hold", f"{step.name} is `once`, and the risk does not say that it is repeatable")
    done = host.remedied.get(risk.remedy.name, 0) if risk.remedy is not None else host.tries - 1
    if done >= risk.times:
        word = "remedied" if risk.then == "remedy" else "tried again"
        return Known(risk, "hold", f"it was {word} {done} {'time' if done == 1 else 'times'} already")
    if risk.remedy is not None:
        return Known(risk, "remedy", f"its remedy {risk.remedy.playbook} is run, then {step.name} again")
    return Known(risk, "retry", f"{done + 1} of {risk.times} {'time' if risk.times == 1 else 'times'}")
