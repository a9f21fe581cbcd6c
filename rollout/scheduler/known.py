"""Known errors: what is to be done about a failure that a risk describes."""

from dataclasses import dataclass
from typing import Literal

from rollout.model.breaker import key_of
from rollout.model.chain import Step
from rollout.model.graph import Graph
from rollout.model.known import known_errors
from rollout.model.plan import Risk
from rollout.model.state import HostState


@dataclass(frozen=True, slots=True)
class Known:
    """The risk that fits, what follows from it on this host, and why."""

    risk: Risk
    then: Literal["hold", "retry", "remedy"]
    because: str


def known(graph: Graph, host: HostState, step: Step | None) -> Known | None:
    """What the first risk of the plan that fits has to say about the failure of the host's last step."""
    if step is None:
        return None
    found = known_errors(graph.risks, step, host.because, graph.nodes[host.name].risks)
    risk = next(found, None)
    return None if risk is None else _answer(graph, risk, host, step)


def _answer(graph: Graph, risk: Risk, host: HostState, step: Step) -> Known:
    if risk.then == "hold":
        return Known(risk, "hold", risk.because)
    if risk.then == "halt":
        alike = key_of(((risk.halts, graph.nodes[host.name].factors.get(risk.halts, "")),))
        return Known(risk, "hold", f"it halts all with {alike}")
    if step.once and not risk.repeatable:
        return Known(risk, "hold", f"{step.name} is `once`, and the risk does not say that it is repeatable")
    done = host.remedied.get(risk.remedy.name, 0) if risk.remedy is not None else host.tries - 1
    if done >= risk.times:
        word = "remedied" if risk.then == "remedy" else "tried again"
        return Known(risk, "hold", f"it was {word} {done} {'time' if done == 1 else 'times'} already")
    if risk.remedy is not None:
        return Known(risk, "remedy", f"its remedy {risk.remedy.playbook} is run, then {step.name} again")
    return Known(risk, "retry", f"{done + 1} of {risk.times} {'time' if risk.times == 1 else 'times'}")
