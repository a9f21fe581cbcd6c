"""What is listed twice: the second time it would say nothing, so something else was meant."""

from collections.abc import Iterator

from rollout.errors import Place, Problem
from rollout.plan.text import Node
from rollout.plan.words import shown

_ORDERED = {"ladder", "sizes", "waves"}
"""Lists whose order has rules of its own, which say more."""


def problems(root: Node) -> Iterator[Problem]:
    """In every list of words but those that are settings of a gate: only its kind knows what they mean."""
    for path, node in root.walk():
        if node.kind != "list" or path[0] == "gates" or path[-1] in _ORDERED:
            continue
        first: dict[str, Place] = {}
        for item in node.items:
            if item.kind != "scalar" or not item.text:
                continue
            if item.text in first:
                yield Problem(
                    item.at, f"{shown(item.text)} is there twice (first on line {first[item.text].line})"
                )
            first.setdefault(item.text, item.place)
