"""`failures:`: what is wrong with it, what it means, and the defaults that it uses."""

from collections.abc import Iterator

from rollout.errors import Problem
from rollout.model import plan as meant
from rollout.plan import schema
from rollout.plan.text import Node
from rollout.plan.words import expected, shown


def problems(root: Node, factors: tuple[str, ...]) -> Iterator[Problem]:
    """Every mistake of meaning: a threshold that could never be exceeded as meant is one, too."""
    failures = root.get("failures")
    if failures is None or failures.kind != "map":
        return
    values = failures.under("per")
    for factor, node in values.items():
        if factors and factor not in factors:
            yield Problem(node.key or node.at, f"unknown factor {shown(factor)}{expected(factor, factors)}")
    for budget in (failures.get("combo"), failures.get("run"), *values.values()):
        share = budget.get("of") if budget is not None else None
        if share is not None and share.kind == "scalar" and "%" not in share.text:
            message = f"of: {share.text} is no percentage: `at_least` is the least that a percentage such as 5% comes to"
            yield Problem(share.at, message)


def meaning(written: schema.Failures) -> meant.Failures:
    """The budgets of a plan; percentages become numbers when the plan is compiled."""
    combo = written.combo if written.combo == meant.EVIDENCE else _budget(written.combo)
    run = None if written.run is None else _budget(written.run)
    per = {factor: _budget(value) for factor, value in written.per.items()}
    return meant.Failures(written.canary, combo, run, per, written.on_fault)


def _budget(written: meant.Budget | schema.Tolerated) -> meant.Budget | int:
    if isinstance(written, meant.Budget):
        return written if written.amount.percent else int(written.amount.number)
    return meant.Budget(written.of.amount, written.at_least)


def defaults(written: schema.Failures) -> Iterator[str]:
    """One sentence for each default that the plan uses."""
    plan = meant.Failures()
    sentences = {
        "canary": f"failures.canary: {plan.canary} (failed canaries tolerated in a combo)",
        "combo": f"failures.combo: {plan.combo} (failed hosts tolerated in a combo's other waves)",
        "run": "failures.run: no limit of its own",
    }
    yield from (sentence for key, sentence in sentences.items() if key not in written.model_fields_set)
