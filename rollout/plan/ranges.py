"""Ranges of versions wherever a plan says what is wanted of a factor or fact: each that is none is a mistake at its place."""

from collections.abc import Iterator, Mapping

from rollout.errors import Problem
from rollout.model.verdict import Order
from rollout.model.versions import mistake
from rollout.plan.text import Node
from rollout.plan.words import plain, shown

_ORDERS: Mapping[str, Order] = {"dotted": "dotted", "deb": "deb", "rpm": "rpm"}


def orders(root: Node) -> dict[str, Order]:
    """How the versions of each factor are ordered, by the plan's tree; those of all others are dotted."""
    said = {factor: node.get("versions") for factor, node in root.under("factors").items()}
    return {factor: _ORDERS[node.text] for factor, node in said.items() if node and node.text in _ORDERS}


def problems(root: Node) -> Iterator[Problem]:
    """In the combos and hops of a plan."""
    known = orders(root)
    for section, keys in (("combos", ("match", "to", "require")), ("hops", ("from", "require"))):
        listed = root.get(section)
        for node in listed.items if listed else ():
            for key in keys:
                yield from wrong(node.under(key), known)


def wrong(wanted: Mapping[str, Node], known: Mapping[str, Order]) -> Iterator[Problem]:
    """In what is wanted of factors and facts, each with a text or a list of them."""
    for name, node in wanted.items():
        for text in node.items or [node]:
            said = mistake(text.text, known.get(name, "dotted")) if text.kind == "scalar" else None
            if said is not None:
                yield Problem(
                    text.at, f"{plain(name)}: {shown(text.text)} is no range of versions: {plain(said)}"
                )
