"""What a plan says of its factors: where each is read from, what a probe calls it, how its versions are ordered."""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from rollout.errors import Problem
from rollout.model.plan import Plan
from rollout.plan import schema
from rollout.plan.hostvars import PREFIX
from rollout.plan.text import Node
from rollout.plan.words import shown

PYTHON = "python"
"""The fact that is always wanted: whether the controller's Ansible can drive the host's Python."""

VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)
_BRACES = re.compile(r"\{([^{}]*)\}")
_FORM = 'such as "{distribution}-{major}"'


def meaning(written: Mapping[str, str | schema.Factor]) -> dict[str, Any]:
    """`factors`, `probes` and `orders` of a plan. What is read from nowhere is read under the name that a probe has for it."""
    forms = {
        name: one if isinstance(one, schema.Factor) else schema.Factor.model_validate({"from": one})
        for name, one in written.items()
    }
    return {
        "factors": {name: form.from_ or form.probe or name for name, form in forms.items()},
        "probes": {name: form.probe for name, form in forms.items() if form.probe},
        "orders": {name: form.versions for name, form in forms.items() if form.versions},
    }


def is_derived(source: str) -> bool:
    """Whether it is a text with names in braces, and not a name."""
    return "{" in source


def names_in(source: str) -> tuple[str, ...]:
    """The names that a factor is read from."""
    return tuple(dict.fromkeys(_BRACES.findall(source))) if is_derived(source) else (source,)


def filled(source: str, values: Mapping[str, str]) -> str:
    """The source with a value for each of its names."""
    return _BRACES.sub(lambda name: values[name[1]], source) if is_derived(source) else values[source]


def needed(factor: str, source: str, declared: Iterable[str]) -> tuple[str, ...]:
    """The other factors that a factor is put together from. A plain name is a host variable, whatever factors are called."""
    return tuple(
        name for name in names_in(source) if is_derived(source) and name != factor and name in declared
    )


def in_order(sources: Mapping[str, str]) -> tuple[str, ...]:
    """The factors, each after those that it is put together from. A circle is a mistake that `problems` finds first."""
    done: dict[str, None] = {}

    def finish(factor: str) -> None:
        if factor not in done:
            for other in needed(factor, sources[factor], sources):
                finish(other)
            done[factor] = None

    for factor in sources:
        finish(factor)
    return tuple(done)


def facts_wanted(plan: Plan) -> tuple[str, ...]:
    """What requirements, hops, risks and compatibility rows ask of hosts beside their factors; and the Python."""
    asked = [
        *(rule.require for rule in plan.combos),
        *(wanted for hop in plan.hops for wanted in (hop.match, hop.require)),
        *(risk.applies for risk in plan.risks),
        *(wanted for row in plan.compat for wanted in (row.match, row.to)),
    ]
    names = dict.fromkeys(name for wanted in asked for name in wanted if name not in plan.factors)
    return (*names, *(() if PYTHON in names or PYTHON in plan.factors else (PYTHON,)))


def of_a_probe(name: str) -> str:
    """What a probe calls the hostvar or fact of that name."""
    return name.removeprefix(PREFIX)


def asked_of_probes(plan: Plan) -> frozenset[str]:
    """All that a plan wants to know of what a probe has found."""
    names = [name for source in plan.factors.values() for name in names_in(source)]
    return frozenset(of_a_probe(name) for name in (*names, *plan.probes.values(), *facts_wanted(plan)))


def problems(root: Node) -> Iterator[Problem]:
    """Sources that are neither a name nor put together from names; factors that are put together in a circle."""
    declared = root.under("factors")
    sources: dict[str, str] = {}
    for factor, node in declared.items():
        from_, probe = (node, None) if node.kind == "scalar" else (node.get("from"), node.get("probe"))
        for one in (from_, probe):
            if one is not None and one.kind == "scalar" and one.text:
                message = _mistake(one.text, derived=one is from_)
                if message:
                    yield Problem(one.at, f"factor {factor}: {message}")
        if node.kind == "map" and from_ is None and probe is None and not VARIABLE.fullmatch(factor):
            yield Problem(node.key or node.place, f"factor {factor}: {shown(factor)} is no variable's name: say what it is read from (`from`, or `probe`)")  # fmt: skip
        if from_ is not None and from_.kind == "scalar":
            sources[factor] = from_.text
    for circle in _circles(sources):
        place = declared[circle[0]].key or declared[circle[0]].place
        yield Problem(
            place, f"factors are put together in a circle: {' -> '.join(map(shown, (*circle, circle[0])))}"
        )


def _mistake(text: str, *, derived: bool) -> str | None:
    if "{{" in text or "{%" in text:
        return f"{shown(text)}: rollout runs no templates; put names together in single braces, {_FORM}"
    if "{" not in text and "}" not in text:
        fine = VARIABLE.fullmatch(text) is not None
        return None if fine else f"{shown(text)}: a variable's name is letters, digits and underscores"
    if not derived:
        return f"{shown(text)}: what a probe calls it is one name: letters, digits and underscores"
    odd = [name for name in _BRACES.findall(text) if not VARIABLE.fullmatch(name)]
    if odd or "{" in (rest := _BRACES.sub("", text)) or "}" in rest:
        return f"{shown(text)}: a name stands in braces of its own, {_FORM}; it is letters, digits and underscores"
    return None


def _circles(sources: Mapping[str, str]) -> Iterator[tuple[str, ...]]:
    """Every factor is looked at once, so a knot of many circles is told by some of them."""
    done: set[str] = set()
    for first in sources:
        path, pending = [first], [iter(() if first in done else needed(first, sources[first], sources))]
        while pending:
            name = next(pending[-1], None)
            if name is None:
                done.add(path.pop())
                pending.pop()
            elif name in path:
                yield tuple(path[path.index(name) :])
            elif name not in done:
                path.append(name)
                pending.append(iter(needed(name, sources[name], sources)))
