"""Risks tried on failures that the journal holds, and on the examples that stand beside them."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from rollout.errors import Place, Problem
from rollout.model.chain import Step
from rollout.model.graph import Graph
from rollout.model.known import known_errors
from rollout.model.plan import Risk
from rollout.model.symptom import shows
from rollout.model.verdict import Order
from rollout.model.versions import compared
from rollout.report.causes import Failure, Told
from rollout.report.plain import counted, listed, plain, table

Example = tuple[str, Place]


@dataclass(frozen=True, slots=True)
class Trial:
    """A risk, and the stored failures that it fits; `before`: by name, how many of them a risk that stands before it would be taken for."""

    risk: Risk
    fits: tuple[Failure, ...]
    before: Mapping[str, int]
    examples: int
    wrong: tuple[Problem, ...]


def try_risks(
    risks: Sequence[tuple[Risk, Sequence[Example], Sequence[Example]]],
    runs: Iterable[Told],
    orders: Mapping[str, Order],
) -> list[Trial]:
    """Each risk with its examples: words that it must, and must not, be seen in. `orders`: as of the plan."""
    every = [risk for risk, _, _ in risks]
    fits: dict[str, list[Failure]] = {risk.name: [] for risk in every}
    before: dict[str, dict[str, int]] = {risk.name: {} for risk in every}
    for run in runs:
        for failure in run.failures:
            found = [risk.name for risk in _fitting(every, run.graph, failure, orders)]
            for name in found:
                fits[name].append(failure)
                if name != found[0]:
                    before[name][found[0]] = before[name].get(found[0], 0) + 1
    return [
        Trial(
            risk,
            tuple(fits[risk.name]),
            before[risk.name],
            len(matches) + len(misses),
            tuple(_contradictions(risk, matches, misses)),
        )
        for risk, matches, misses in risks
    ]


def _fitting(
    risks: Sequence[Risk], graph: Graph, failure: Failure, orders: Mapping[str, Order]
) -> Iterator[Risk]:
    """A fact that the journal does not hold keeps no risk from fitting."""
    if not failure.kind:
        return iter(())
    node = graph.nodes.get(failure.host)
    factors = {} if node is None else node.factors
    concerning = {
        risk.name
        for risk in risks
        if all(
            name not in factors or compared((factors[name],), wanted, orders.get(name, "dotted")) is not False
            for name, wanted in risk.applies.items()
        )
    }
    return known_errors(risks, Step(failure.what, base=failure.kind), failure.says, concerning)


def _contradictions(risk: Risk, matches: Sequence[Example], misses: Sequence[Example]) -> Iterator[Problem]:
    for text, place in matches:
        if not shows(risk.symptom, text):
            yield Problem(
                place, f"risk {risk.name} is not seen in this example, and should be: {plain(text, 200)}"
            )
    for text, place in misses:
        if shows(risk.symptom, text):
            yield Problem(
                place, f"risk {risk.name} is seen in this example, and should not be: {plain(text, 200)}"
            )


def text(trials: Sequence[Trial]) -> Iterator[str]:
    """Lines; what contradicts is at the end, each with its place."""
    for trial in trials:
        yield f"{trial.risk.name}: {_stored(trial)}"
        for name, number in trial.before.items():
            yield f"  {counted(number, 'failure')} of these would be taken for {name}, which stands before it"
        if trial.examples:
            right = trial.examples - len(trial.wrong)
            yield f"  {right} of {counted(trial.examples, 'example')} as they should be"
    for trial in trials:
        yield from (str(problem) for problem in trial.wrong)
    if not trials:
        yield "no risk"


def _stored(trial: Trial) -> str:
    if not trial.risk.symptom:
        return "has no symptom: it is looked at before a host begins"
    if not trial.fits:
        return "fits no stored failure"
    hosts = dict.fromkeys(failure.host for failure in trial.fits)
    runs = dict.fromkeys(failure.run for failure in trial.fits)
    among = f"run {plain(next(iter(runs)))}" if len(runs) == 1 else f"{len(runs)} runs ({listed(runs, 3)})"
    return f"fits {counted(len(trial.fits), 'failure')} on {counted(len(hosts), 'host')} ({listed(hosts)}) of {among}"


def as_json(trial: Trial) -> str:
    """One line."""
    return json.dumps({
        "type": "trial",
        "risk": trial.risk.name,
        "failures": len(trial.fits),
        "hosts": list(dict.fromkeys(failure.host for failure in trial.fits)),
        "runs": list(dict.fromkeys(failure.run for failure in trial.fits)),
        "taken_before": dict(trial.before),
        "examples": trial.examples,
        "contradictions": [str(problem) for problem in trial.wrong],
    })  # fmt: skip


def listing(risks: Iterable[Risk]) -> list[str]:
    """A table of risks: what shows them, where, on which hosts, what answers them."""
    rows = [[risk.name, plain(risk.symptom, 50) or "-", _where(risk), _answer(risk)] for risk in risks]
    return table([["risk", "symptom", "where", "answer"], *rows], "") if rows else ["no risk"]


def _where(risk: Risk) -> str:
    steps = " and ".join(risk.steps) or "any step"
    hosts = ", ".join(f"{name} {' or '.join(wanted)}" for name, wanted in risk.applies.items())
    return plain(f"{steps if risk.symptom else 'before anything'}{f', on {hosts}' if hosts else ''}", 80)


def _answer(risk: Risk) -> str:
    remedy = risk.remedy.playbook if risk.remedy is not None else ""
    said = {
        "hold": f"hold: {risk.because}",
        "halt": f"halt what shares {risk.halts}",
        "retry": f"retry, {counted(risk.times, 'time')}",
        "remedy": f"remedy {remedy}, {counted(risk.times, 'time')}",
    }[risk.then]
    return plain(f"{said} ({risk.link})" if risk.link else said)
