"""File -> Plan: text, then tree, then shape, then meaning; every mistake is collected before anything is said."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from rollout.errors import Place, PlanInvalid, Problem
from rollout.model import plan as meant
from rollout.model.verdict import Order
from rollout.plan import (
    chain,
    check,
    compat,
    factors,
    failures,
    gates,
    hops,
    later,
    risks,
    schema,
    waivers,
    waves,
    windows,
)
from rollout.plan.files import text_of
from rollout.plan.scalars import spoken
from rollout.plan.shape import validate
from rollout.plan.text import Node, parse
from rollout.plan.words import COMMA, plain


def read(path: Path) -> meant.Plan:
    """The plan in a file; paths in it are relative to its folder. Raises PlanInvalid with every mistake of the file."""
    file = str(path)
    root, problems = parse(text_of(path, file), file)
    if root is None:
        raise PlanInvalid([Problem(problem.place, plain(problem.message)) for problem in problems])
    if root.kind != "map":
        raise PlanInvalid(
            [*problems, Problem(root.place, "a plan is a mapping of keys such as `rollout: NAME`")]
        )
    said = [*_empty(root), *later.set_apart(root)]
    written, wrong = validate(schema.PlanFile, root)
    draft = _draft(root, path.parent)
    named = {problem.place for problem in (*problems, *said)}
    also = [
        problem
        for problem in (*wrong, *check.problems(draft), *gates.problems(draft))
        if problem.place not in named
    ]
    known, unfit = risks.read(risk_files(root), path.parent, declared(root, draft.step_names))
    rows = compat.read(root, path.parent)
    waived = waivers.problems(root, draft.combo_names, None if unfit else [risk.name for risk in known])
    times = windows.read(root, path.parent)
    problems += [*said, *also, *unfit, *rows.problems, *waived, *times.problems]
    if problems or written is None:
        raise PlanInvalid([Problem(problem.place, plain(problem.message)) for problem in problems])
    plan = _plan(written, draft, file)
    return replace(
        plan,
        risks=known,
        compat=rows.rows,
        unlisted=rows.unlisted,
        windows=tuple(times.windows),
        deadline=times.deadline,
        defaults=(*plan.defaults, *times.defaults),
    )


def declared(root: Node, steps: Sequence[str]) -> risks.Declared:
    """What risks may name: steps, and factors with the order of their versions."""
    factors: dict[str, Order] = dict.fromkeys(root.under("factors"), "dotted")
    for name, node in root.under("factors").items():
        said = node.get("versions") if node.kind == "map" else None
        if said is not None and said.text in {"deb", "rpm"}:
            factors[name] = "deb" if said.text == "deb" else "rpm"
    return risks.Declared(steps, factors)


def risk_files(root: Node) -> list[tuple[str, Place]]:
    """The sources that a plan lists, each with its place."""
    node = root.get("risks")
    found = (node.items or [node]) if node else []
    return [(one.text, one.at) for one in found if one.kind == "scalar" and one.text]


def _empty(root: Node) -> list[Problem]:
    empty = [(path, node) for path, node in root.walk() if node.kind == "scalar" and node.scalar is None]
    return [
        Problem(
            node.at,
            f"{path[-1]} has no value{COMMA if node.gap else ''}"
            if isinstance(path[-1], str)
            else "this item has no value",
        )
        for path, node in empty
    ]


def _draft(root: Node, folder: Path) -> check.Draft:
    """Each part is read by itself, so that those without a mistake can be checked further."""

    def items(section: str) -> list[Node]:
        found = root.get(section)
        return found.items if found else []

    def read_all(model: type[Any], section: str) -> dict[int, Any]:
        read_one = [validate(model, node)[0] for node in items(section)]
        return {index: part for index, part in enumerate(read_one) if part is not None}

    def names(section: str) -> tuple[str, ...]:
        found = [node.get("name") for node in items(section)]
        return tuple(dict.fromkeys(name.text for name in found if name is not None and name.text))

    declared = root.get("factors")
    return check.Draft(
        root,
        folder,
        tuple(declared.entries) if declared else (),
        names("combos"),
        names("steps"),
        read_all(schema.Combo, "combos"),
        read_all(schema.Step, "steps"),
        read_all(schema.Gate, "gates"),
        read_all(schema.Hop, "hops"),
    )


def _plan(written: schema.PlanFile, draft: check.Draft, file: str) -> meant.Plan:
    limits = written.limits
    return meant.Plan(
        name=written.rollout,
        file=file,
        inventory=schema.globs(written.inventory),
        hosts=written.hosts,
        **factors.meaning(written.factors),
        hops=hops.meaning(written),
        waivers=waivers.meaning(written),
        combos=tuple(_combo(combo, written.steps) for combo in written.combos),
        steps=chain.chain_of(written.steps, {}),
        **waves.meant_by(written),
        limits=meant.Limits(limits.at_once, limits.per, limits.controller, waves.apart(limits)),
        failures=failures.meaning(written.failures),
        otherwise=written.otherwise,
        gates=gates.gate_rules(draft),
        defaults=_defaults(written),
        places={path: node.key or node.place for path, node in draft.root.walk()},
    )


def _combo(written: schema.Combo, steps: list[schema.Step]) -> meant.ComboRule:
    return meant.ComboRule(
        name=written.name,
        match={factor: schema.globs(value) for factor, value in written.match.items()},
        to={factor: schema.globs(value) for factor, value in written.to.items()},
        require={name: schema.globs(value) for name, value in written.require.items()},
        verdict=written.verdict,
        reason=written.reason or "",
        after=tuple(meant.After(wait.combo, wait.until) for wait in schema.waits(written)),
        steps=chain.chain_of(steps, written.steps),
        guests_ignored=written.reason if written.guests else None,
        waves=None if written.waves is None else tuple(written.waves),
    )


def _defaults(written: schema.PlanFile) -> tuple[str, ...]:
    """One sentence for each default that the plan uses."""
    plan = meant.Plan("", "", (), "", {}, (), ())
    given = {*written.limits.model_fields_set, *written.model_fields_set}
    at_once, controller = plan.limits.at_once, plan.limits.controller
    sentences = {
        "otherwise": "otherwise: error (a host that no combo matches is a mistake)",
        "at_once": f"limits.at_once: {at_once} (hosts disrupted at once)",
        "controller": f"limits.controller: {controller} (Ansible processes at once)",
    }
    found = [*waves.defaults(written)]
    found += [sentence for key, sentence in sentences.items() if key not in given]
    found += failures.defaults(written.failures)
    bare = [step.name for step in written.steps if "timeout" not in step.model_fields_set]
    if bare:
        found.append(f"timeout: {spoken(3600)} for {', '.join(bare)}")
    return tuple(found)
