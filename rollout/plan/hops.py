"""The legs of an upgrade that takes several: what a plan says of them, and the chain that each combo walks on each."""

from collections.abc import Iterator, Sequence

from rollout.errors import Problem
from rollout.model.chain import Step
from rollout.model.verdict import Hop
from rollout.plan import chain, schema
from rollout.plan.text import Node
from rollout.plan.words import expected, shown


def meaning(written: schema.PlanFile) -> tuple[Hop, ...]:
    """A hop's own overrides lie over those of a combo."""
    return tuple(
        Hop(
            match={factor: schema.globs(value) for factor, value in hop.from_.items()},
            to=dict(hop.to),
            require={name: schema.globs(value) for name, value in hop.require.items()},
            reason=hop.reason or "",
            chains={combo.name: _chain(written.steps, combo, hop) for combo in written.combos},
        )
        for hop in written.hops
    )


def _chain(steps: list[schema.Step], combo: schema.Combo, hop: schema.Hop) -> tuple[Step, ...]:
    laid = [chain.laid_over(step, combo.steps.get(step.name)) for step in steps]
    return chain.chain_of(laid, hop.steps)


def problems(root: Node, factors: Sequence[str], steps: Sequence[str]) -> Iterator[Problem]:
    """Names in `hops` that mean nothing; legs that lead nowhere without saying why."""
    node = root.get("hops")
    for hop in node.items if node else ():
        for key in ("from", "to"):
            for factor, value in hop.under(key).items():
                if factor not in factors:
                    yield Problem(value.key or value.place, f"unknown factor {shown(factor)}{expected(factor, factors)}")  # fmt: skip
        for step, value in hop.under("steps").items():
            if step not in steps:
                yield Problem(value.key or value.place, f"unknown step {shown(step)}{expected(step, steps)}")
        if hop.kind == "map" and not hop.under("to") and not hop.get("reason"):
            yield Problem(
                hop.key or hop.place,
                "a hop without `to` is a dead end: add `reason`, or say where it leads with `to`",
            )
