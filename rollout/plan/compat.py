"""Compatibility files: what hosts are, where they would go, and whether that is supported; YAML files kept apart from plans.

A file holds one row or a list of them. Every mistake is named with its own file, line and column.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from rollout.errors import PlanInvalid, Problem
from rollout.model.verdict import Compatibility, Order
from rollout.plan import ranges, schema
from rollout.plan.files import text_of, yaml_files
from rollout.plan.shape import validate
from rollout.plan.text import Node, parse
from rollout.plan.words import shown


@dataclass(frozen=True, slots=True)
class Read:
    """The rows in their order; the verdict of hosts of which none speaks; and what is wrong with them."""

    rows: tuple[Compatibility, ...] = ()
    unlisted: Literal["supported", "unknown"] = "supported"
    problems: tuple[Problem, ...] = ()


def read(root: Node, folder: Path) -> Read:
    """The files and folders that a plan names under `compat`."""
    node = root.get("compat")
    if node is None:
        return Read()
    named = node.get("files") if node.kind == "map" else node
    sources = [one for one in (named.items or [named]) if one.kind == "scalar" and one.text] if named else []
    rows: list[Compatibility] = []
    problems: list[Problem] = []
    for source in sources:
        files = yaml_files(folder / source.text)
        if not files:
            problems.append(Problem(source.at, f"compat {shown(source.text)}: there is no YAML file"))
        for file in files:
            found, wrong = read_file(file, ranges.orders(root))
            rows += found
            problems += wrong
    otherwise = node.get("otherwise") if node.kind == "map" else None
    is_strict = otherwise is not None and otherwise.text == "unknown"
    return Read(tuple(rows), "unknown" if is_strict else "supported", tuple(problems))


def read_file(
    file: Path, orders: Mapping[str, Order] | None = None
) -> tuple[list[Compatibility], list[Problem]]:
    """The rows of one file, and what is wrong with it. `orders`: of the versions of factors, as the plan declares them."""
    try:
        root, problems = parse(text_of(file, str(file)), str(file))
    except PlanInvalid as error:
        return [], list(error.problems)
    if root is None:
        return [], problems
    nodes = root.items if root.kind == "list" else [root]
    return list(_rows(nodes, orders or {}, problems)), problems


def _rows(
    nodes: Sequence[Node], orders: Mapping[str, Order], problems: list[Problem]
) -> Iterator[Compatibility]:
    for node in nodes:
        if node.kind != "map":
            problems.append(Problem(node.at, "a row is a mapping with `match`, `verdict` and `reason`"))
            continue
        found, wrong = validate(schema.Compatibility, node, called="the row")
        problems += wrong
        for key in ("match", "to"):
            problems += ranges.wrong(node.under(key), orders)
        if found is not None:
            yield Compatibility(
                match={name: schema.globs(value) for name, value in found.match.items()},
                to={name: schema.globs(value) for name, value in found.to.items()},
                verdict=found.verdict,
                reason=found.reason,
                source=found.source or "",
                place=str(node.place),
            )
