"""Waivers: what somebody answers for, and until when. Each must name what there is, and end on a day that there is."""

import re
from collections.abc import Iterator, Sequence
from datetime import date
from fnmatch import fnmatchcase

from rollout.errors import Place, Problem
from rollout.model.verdict import Waiver
from rollout.plan import schema
from rollout.plan.text import Node
from rollout.plan.words import expected, meant, shown

WORDS = ("unknown", "blocked", "require", "toolchain", "drift")
"""What can be waived beside known risks, which are waived by their names."""

_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


def meaning(written: schema.PlanFile) -> tuple[Waiver, ...]:
    return tuple(
        Waiver(
            name=waiver.name,
            waives=schema.globs(waiver.waives),
            reason=waiver.reason,
            owner=waiver.owner,
            expires=waiver.expires,
            combos=schema.globs(waiver.combos or []),
            hosts=schema.globs(waiver.hosts or []),
        )
        for waiver in written.waivers
    )


def problems(root: Node, combos: Sequence[str], risks: Sequence[str] | None) -> Iterator[Problem]:
    """Names that mean nothing, and days that are none. `risks`: the names of all known risks; None: they could not be read."""
    listed = root.get("waivers")
    first: dict[str, Place] = {}
    for node in listed.items if listed else ():
        name = node.get("name")
        if name is not None and name.text:
            if name.text in first:
                said = f"waiver {shown(name.text)} is there twice (first on line {first[name.text].line})"
                yield Problem(name.at, said)
            first.setdefault(name.text, name.place)
        for word in _texts(node, "waives"):
            if risks is not None and word.text not in {*WORDS, *risks}:
                yield Problem(word.at, f"nothing is called {shown(word.text)} that could be waived{expected(word.text, (*WORDS, *risks))}")  # fmt: skip
        for glob in _texts(node, "combos"):
            if combos and not any(fnmatchcase(combo, glob.text) for combo in combos):
                yield Problem(glob.at, f"no combo is called {shown(glob.text)}{meant(glob.text, combos)}")
        yield from _day(node.get("expires"))


def _texts(node: Node, key: str) -> list[Node]:
    found = node.get(key)
    return [one for one in (found.items or [found]) if one.kind == "scalar" and one.text] if found else []


def _day(node: Node | None) -> Iterator[Problem]:
    if node is None or node.kind != "scalar" or not node.text:
        return
    try:
        is_day = _DAY.fullmatch(node.text) is not None and date.fromisoformat(node.text) is not None
    except ValueError:
        is_day = False
    if not is_day:
        yield Problem(
            node.at, f"expires: {shown(node.text)} is no day such as 2026-12-31, the last on which it holds"
        )
