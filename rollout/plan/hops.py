"""The legs of an upgrade that takes several: what a plan says of them, and the chain that each combo walks on each."""

import re
from collections.abc import Iterator, Sequence

from rollout.errors import Problem
from rollout.model.chain import Step
from rollout.model.verdict import Hop
from rollout.plan import chain, schema
from rollout.plan.text import Node
from rollout.plan.words import expected, shown

_PATTERN = re.compile(r"[*?\[]|^\s*[<>=!]")


def meaning(written: schema.PlanFile) -> tuple[Hop, ...]:
    """A hop's own overrides lie over those of a combo."""
    return tuple(
        Hop(
            match={factor: schema.globs(value) for factor, value in hop.from_.items()},
            to=dict(hop.to),
            require={name: schema.globs(value) for name, value in hop.require.items()},
            reason=hop.reason or "",
            chains={combo.name: chain_on(written.steps, combo, hop) for combo in written.combos},
        )
        for hop in written.hops
    )


def chain_on(steps: list[schema.Step], combo: schema.Combo, hop: schema.Hop) -> tuple[Step, ...]:
    """What a combo's hosts walk on one leg."""
    laid = [chain.laid_over(step, combo.steps.get(step.name)) for step in steps]
    return chain.chain_of(laid, hop.steps)


def problems(root: Node, factors: Sequence[str], steps: Sequence[str]) -> Iterator[Problem]:
    """Names in `hops` that mean nothing; legs that lead nowhere without saying why."""
    node = root.get("hops")
    for hop in node.items if node else ():
        for key in ("from", "to"):
            for factor, value in hop.under(key).items():
                if factors and factor not in factors:
                    place = value.key or value.place
                    yield Problem(place, f"unknown factor {shown(factor)}{expected(factor, factors)}")
        for factor, value in hop.under("to").items():
            if _PATTERN.search(value.text):
                yield Problem(value.at, f"a hop leads to one {factor}: {shown(value.text)} is a pattern")
        for step, value in hop.under("steps").items():
            if steps and step not in steps:
                yield Problem(value.key or value.place, f"unknown step {shown(step)}{expected(step, steps)}")
            yield from _opened_once(value)
        yield from _ends(hop)


def _opened_once(step: Node) -> Iterator[Problem]:
    """A host is drained on the first leg of its way and given back on the last: another kind on one of them would not fit the other."""
    for key in ("drain", "reopen"):
        node = step.get(key)
        if node is not None:
            said = f"a host is drained and given back once for all its hops: write `{key}` in the combo, or in the plan's own step"
            yield Problem(node.key or node.place, said)


def _ends(hop: Node) -> Iterator[Problem]:
    if hop.kind != "map":
        return
    begin, end = hop.under("from"), hop.under("to")
    if not end and not hop.get("reason"):
        said = "a hop without `to` is a dead end: add `reason`, or say where it leads with `to`"
        yield Problem(hop.key or hop.place, said)
    if not end and hop.get("steps"):
        yield Problem(hop.find("steps").at, "a hop without `to` is a dead end: no step is walked on it")
    if end and all(name in begin and begin[name].text == value.text for name, value in end.items()):
        yield Problem(hop.find("to").at, "a hop leads from where it begins to the same place")


def own_names(root: Node, steps: Sequence[str]) -> Iterator[Problem]:
    """Steps of the plan that are called as a step of a hop would be."""
    node = root.get("hops")
    labels = {Hop({}, {name: value.text for name, value in hop.under("to").items()}).label for hop in (node.items if node else ()) if hop.under("to")}  # fmt: skip
    taken = {f"{step}-to-{label}" for step in steps for label in labels}
    listed = root.get("steps")
    for item in listed.items if listed else ():
        name = item.get("name")
        if name is not None and name.text in taken:
            yield Problem(name.at, f"{shown(name.text)} is what a hop calls its own step: take another name")
