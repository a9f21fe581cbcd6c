"""The hosts that a plan does not touch: why, and what a person does about it."""

from dataclasses import dataclass

from rollout.model.graph import Graph, Untouched
from rollout.report.plain import counted, listed, plain

REASONS_SHOWN = 20
"""Reasons of one kind that are told; the others are counted."""

NAMED = 10

_UNKNOWN = "unknown: "
"""How the reason of a host begins of which it is not known whether all would go well."""

_HEADS = {
    "declared": "the plan blocks it",
    "compat": "compatibility forbids it",
    "require": "a requirement is not met",
    "risk": "a known risk stands in the way",
    "toolchain": "ansible-core and its Python do not go together",
    "path": "no way leads to the target",
    "drift": "the host is not what the inventory says",
    "unknown": "nobody knows whether it goes well",
    "current": "already there",
    "": "in no combo, or in no wave",
}

_WAYS_OUT = {
    "declared": "take `verdict: blocked` out of the combo when its cause is gone, or (if the combo has a `to`) a waiver of `blocked`",
    "compat": "correct the row of the compatibility file when its cause is gone, or a waiver of `blocked`",
    "require": "bring the host there and plan again, or a waiver of `require`",
    "risk": "mend what it names and plan again, or a waiver of the risk's name",
    "toolchain": "another ansible-core here or another Python there, or a waiver of `toolchain`",
    "path": "add the missing leg to `hops`, or lead the combo elsewhere",
    "drift": "correct the inventory, or probe again with `rollout plan --probe`; or a waiver of `drift`",
    "unknown": "say what is known of it (`compat`, `verdict`), or a waiver of `unknown`, or --allow-unknown",
    "current": "",
    "": "add a combo or a wave that takes it in, or narrow `hosts`",
}


@dataclass(frozen=True, slots=True)
class Group:
    """Hosts that are not touched for the same reason. `kind` is a cause of a verdict, `unknown`, or `current`."""

    kind: str
    because: str
    hosts: tuple[str, ...]

    @property
    def head(self) -> str:
        """What such reasons have in common."""
        return _HEADS[self.kind]

    @property
    def way_out(self) -> str:
        """What a person does about it; empty for a host that is there already."""
        return _WAYS_OUT[self.kind]


def group_of(one: Untouched) -> Group:
    """Of a single host."""
    if one.word == "current":
        return Group("current", one.because, (one.host,))
    if one.because.startswith(_UNKNOWN):
        return Group("unknown", one.because.removeprefix(_UNKNOWN), (one.host,))
    return Group(one.cause, one.because, (one.host,))


def groups(graph: Graph) -> list[Group]:
    """By kind, then by reason; what is there already comes last."""
    found: dict[tuple[str, str], list[str]] = {}
    for one in graph.untouched:
        single = group_of(one)
        found.setdefault((single.kind, single.because), []).append(one.host)
    kinds = list(_HEADS)
    ordered = sorted(found, key=lambda key: (key[0] == "current", kinds.index(key[0])))
    return [Group(*key, tuple(found[key])) for key in ordered]


def lines(graph: Graph) -> list[str]:
    """Each kind with its way out, each reason with its hosts."""
    found = groups(graph)
    if not found:
        return ["every selected host is in a wave"]
    said = ["not touched"]
    for kind in dict.fromkeys(group.kind for group in found):
        alike = [group for group in found if group.kind == kind]
        number = sum(len(group.hosts) for group in alike)
        said.append(f"  {counted(number, 'host')}: {alike[0].head}")
        said += [f"    {plain(one.because)}: {listed(one.hosts, NAMED)}" for one in alike[:REASONS_SHOWN]]
        if len(alike) > REASONS_SHOWN:
            said.append(f"    and {counted(len(alike) - REASONS_SHOWN, 'more reason')}")
        if alike[0].way_out:
            said.append(f"    way out: {alike[0].way_out}")
    return said
