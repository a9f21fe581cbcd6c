"""Risks by themselves: those of a plan, or of files that no plan has taken in yet."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from rollout.errors import Place, PlanInvalid, Problem
from rollout.model.verdict import Order
from rollout.plan import reader
from rollout.plan import risks as known_errors
from rollout.plan.files import is_there, text_of
from rollout.plan.text import Node, parse


@dataclass(slots=True)
class Found:
    """`orders`: by factor, how its versions are ordered. `plan`: the first plan file among them."""

    risks: list[known_errors.Written] = field(default_factory=list)
    orders: dict[str, Order] = field(default_factory=dict)
    plan: Path | None = None


def found(paths: Sequence[Path]) -> Found:
    """The risks of plan files, of files of risks, and of folders of such. Raises PlanInvalid with every mistake.

    What steps, factors and playbooks there are only a plan tells: by itself a file may name any.
    """
    said = Found()
    problems: list[Problem] = []
    for path in paths:
        plan = None if is_there(path) and path.is_dir() else _root_of_plan(path)
        if plan is not None:
            known, said.plan = reader.read(path), said.plan or path
            steps = dict.fromkeys(step.kind for combo in known.combos for step in combo.steps)
            sources, folder, declared = reader.risk_files(plan), path.parent, reader.declared(plan, [*steps])
        else:
            sources, folder, declared = [(str(path), Place(str(path)))], Path(), known_errors.Declared()
        some, wrong = known_errors.written(sources, folder, declared)
        said.risks += some
        said.orders.update(declared.factors or {})
        problems += wrong
    if problems:
        raise PlanInvalid(problems)
    return said


def _root_of_plan(path: Path) -> Node | None:
    root, _ = parse(text_of(path, str(path)), str(path))
    return root if root is not None and root.kind == "map" and root.get("rollout") is not None else None
