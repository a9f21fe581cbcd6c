"""`waves:`, and the sets of hosts that `limits:` keeps apart: what is wrong with them, and what they mean."""

from collections.abc import Iterator
from itertools import pairwise
from typing import Any

from pydantic import BaseModel

from rollout.errors import Problem
from rollout.model import plan as meant
from rollout.plan import schema
from rollout.plan.scalars import spoken
from rollout.plan.shape import validate
from rollout.plan.text import Node, Path
from rollout.plan.words import expected, shown

HARM = 3.0
"""On the ladder, a defect that nobody has seen is expected to harm so many hosts at most, at 95 %."""

APART = "never-together-"
"""How rollout names the sets of `never_together`."""

_SLOT = "together"
_OF_THE_LADDER = ("ladder", "factors")


def problems(root: Node, factors: tuple[str, ...]) -> Iterator[Problem]:
    """Every mistake of meaning."""
    for path in _lists_of_sizes(root):
        yield from _growing(root, path)
    waves = root.get("waves")
    if waves is not None and waves.kind == "map":
        yield from _one_way(root, waves)
        yield from _ladder(waves)
        for node in _items(waves.get("factors")):
            if factors and node.text and node.text not in factors:
                yield Problem(node.at, f"unknown factor {shown(node.text)}{expected(node.text, factors)}")
        yield from _approvals(root, waves)
    yield from _sets(root)


def _items(node: Node | None) -> list[Node]:
    """The scalars of a list, or the one that stands for itself."""
    return [item for item in (node.items or [node]) if item.kind == "scalar"] if node else []


def _lists_of_sizes(root: Node) -> Iterator[Path]:
    yield ("waves",) if root.find("waves").kind == "list" else ("waves", "sizes")
    combos = root.get("combos")
    yield from (("combos", index, "waves") for index in range(len(combos.items) if combos else 0))


class _Sized(BaseModel):
    sizes: schema.Sizes


def _sizes(root: Node, path: Path) -> list[Any]:
    """The amounts that stand there; none unless all of them have the right shape."""
    holder: Node | None = root
    for part in path:
        holder = holder.get(part) if holder else None
    if holder is None or holder.kind != "list":
        return []
    found, _ = validate(_Sized, Node("map", holder.place, entries={"sizes": holder}))
    return found.sizes if found else []


def _growing(root: Node, path: Path) -> Iterator[Problem]:
    for index, (before, size) in enumerate(pairwise(_sizes(root, path)), 1):
        place = root.find(*path, index).at
        if before.percent and not size.percent:
            yield Problem(place, f"{size} after {before}: write numbers of hosts first, then percentages")
        elif before.percent == size.percent and size.number <= before.number:
            yield Problem(
                place,
                f"{size} after {before}: sizes are cumulative, so each must be larger than the one before",
            )


def _one_way(root: Node, waves: Node) -> Iterator[Problem]:
    """Either the ladder chooses the canaries, or the plan lists sizes."""
    scope, sizes = waves.get("scope"), waves.get("sizes")
    if sizes is not None:
        for word in _OF_THE_LADDER:
            node = waves.get(word)
            if node is not None:
                message = f"{word} and sizes do not go together: either the ladder chooses the canaries, or the sizes are listed"
                yield Problem(node.key or node.place, message)
    whole = scope is not None and scope.text == "fleet"
    if scope is not None and whole and sizes is None:
        yield Problem(scope.at, "scope: fleet is about sizes: list them, such as [1, 5%, 25%, 100%]")
    for combo in root.find("combos").items if whole else ():
        own = combo.get("waves")
        if own is not None:
            message = "sizes of one combo do not go with `scope: fleet`, which cuts the fleet as a whole"
            yield Problem(own.key or own.place, message)


def _ladder(waves: Node) -> Iterator[Problem]:
    words: tuple[str, ...] = meant.RUNGS
    rungs = [node for node in _items(waves.get("ladder")) if node.text in words]
    order = [words.index(node.text) for node in rungs]
    for node, (before, rung) in zip(rungs[1:], pairwise(order), strict=True):
        if rung <= before:
            what = "is there twice" if rung == before else f"comes before {words[before]}"
            message = f"{node.text} {what}: the rungs are {', '.join(words)}, in this order, each once"
            yield Problem(node.at, message)


def _approvals(root: Node, waves: Node) -> Iterator[Problem]:
    approve = waves.get("approve")
    after = approve.get("after") if approve is not None and approve.kind == "map" else None
    if approve is not None and approve.kind == "map":
        yield from _asked(approve)
    if waves.get("sizes") is None:
        given = [node.text for node in _items(waves.get("ladder")) if node.text in meant.RUNGS]
        known = [*(given or meant.RUNGS), *([meant.RAMP] if waves.get("last") is not None else [])]
    else:
        longest = max(len(_sizes(root, path)) for path in _lists_of_sizes(root))
        known = [str(number) for number in range(1, longest)]
    for node in _items(after):
        if node.text and node.text not in known:
            which = expected(node.text, known) or ": one size is one wave, and nothing comes after it"
            yield Problem(node.at, f"unknown rung {shown(node.text)}{which}")


def _asked(approve: Node) -> Iterator[Problem]:
    begin, issuer = approve.get("begin"), approve.find("identity").get("issuer")
    if approve.get("after") is None and (begin is None or begin.scalar is not True):
        yield Problem(
            approve.at,
            "approve asks nobody: write `begin: true`, or after which rung, such as `after: combos`",
        )
    if issuer is not None and issuer.text.startswith("http:") and not meant.is_loopback(issuer.text):
        yield Problem(
            issuer.at, "an issuer is asked for its keys by https: over http anybody between could give others"
        )


def _sets(root: Node) -> Iterator[Problem]:
    for name, node in root.under("limits", "together").items():
        if name.startswith(APART) and node.key:
            yield Problem(
                node.key, f"a set cannot be called {name}: rollout names those of `never_together` so"
            )
    apart = root.find("limits").get("never_together")
    for node in apart.items if apart else ():
        names = node.items if node.kind == "list" else [node]
        if len(names) == 1 and names[0].text and not set("*?[") & set(names[0].text):
            message = f"a set of one host, {shown(names[0].text)}, keeps nobody apart: a set is a list of its own, such as [[a1, a2]]"
            yield Problem(node.at, message)
    factor = root.under("limits", "per").get(_SLOT)
    if factor is not None and factor.key:
        message = f"limits.per cannot count by a factor called {_SLOT}: that is the name of `limits.{_SLOT}`"
        yield Problem(factor.key, message)


def meant_by(written: schema.PlanFile) -> dict[str, Any]:
    """The fields of the plan that `waves` fills."""
    waves = _mapping(written)
    sizes = waves.sizes if waves.sizes is not None else written.waves
    listed = tuple(sizes) if isinstance(sizes, list) else None
    found: dict[str, Any] = {"waves": listed, "scope": waves.scope}
    found["harm"] = HARM if waves.harm is None and listed is None else waves.harm
    found["ladder"] = meant.Ladder(
        tuple(waves.ladder or meant.RUNGS),
        None if waves.factors is None else tuple(waves.factors),
        schema.globs(waves.pilots or []),
        schema.globs(waves.last or []),
        waves.guests,
    )
    if waves.approve is not None:
        found["approval"] = _approval(waves.approve)
    if isinstance(waves.soak, schema.Soak):
        found["soak"] = meant.Soak(waves.soak.canary, waves.soak.ramp)
    elif waves.soak is not None:
        found["soak"] = meant.Soak(waves.soak, waves.soak)
    return found


def _approval(written: schema.Approve) -> meant.Approval:
    who = written.identity
    identity = None
    if who is not None:
        identity = meant.Identity(who.issuer.rstrip("/"), who.audience, who.project, who.protected)
    return meant.Approval(schema.globs(written.after or []), written.four_eyes, written.begin, identity)


def apart(limits: schema.Limits) -> tuple[meant.Together, ...]:
    """The sets of hosts of which only some may be disrupted at once."""
    named = [
        meant.Together(name, schema.globs(one.hosts), one.at_most) for name, one in limits.together.items()
    ]
    never = [
        meant.Together(f"{APART}{number}", schema.globs(hosts), 1)
        for number, hosts in enumerate(limits.never_together, 1)
    ]
    return (*named, *never)


def set_path(name: str) -> Path:
    """Where the set of that name stands in the file."""
    if name.startswith(APART):
        return ("limits", "never_together", int(name.removeprefix(APART)) - 1)
    return ("limits", _SLOT, name, "hosts")


def defaults(written: schema.PlanFile) -> Iterator[str]:
    """One sentence for each default of `waves` that the plan uses."""
    waves = _mapping(written)
    if waves.sizes is None and not isinstance(written.waves, list):
        if waves.ladder is None:
            yield f"waves.ladder: [{', '.join(meant.RUNGS)}] (canaries, then the ramp)"
        if waves.factors is None:
            free = ", ".join(factor for factor in written.factors if factor not in written.limits.per)
            yield f"waves.factors: [{free}] (all that no limit counts by)"
        if waves.harm is None:
            yield f"waves.harm: {HARM:g} (hosts that an unseen defect is expected to harm, at 95 %)"
    soak = waves.soak
    held = {"canary", "ramp"} if isinstance(soak, float) else soak.model_fields_set if soak else set()
    for part in ("canary", "ramp"):
        if part not in held:
            yield f"waves.soak.{part}: {spoken(getattr(meant.Soak(), part))}"


def _mapping(written: schema.PlanFile) -> schema.Waves:
    return written.waves if isinstance(written.waves, schema.Waves) else schema.Waves()
