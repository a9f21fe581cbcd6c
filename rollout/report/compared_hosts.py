"""How hosts differ between two graphs: who came and went, who is in another wave, whose factors, zone, risks or waivers are others."""

from collections.abc import Iterator

from rollout.model.graph import Graph, Node, Untouched
from rollout.report.comparison import Difference, Item, grouped


def differences(before: Graph, after: Graph) -> Iterator[Difference]:
    """Hosts that differ alike are one difference."""
    was, now = _places(before), _places(after)
    yield from grouped("hosts", (("host", "", place, name) for name, place in now.items() if name not in was))
    yield from grouped("hosts", (("host", place, "", name) for name, place in was.items() if name not in now))
    both = [name for name in was if name in now]
    yield from grouped(
        "hosts", (("place", was[name], now[name], name) for name in both if was[name] != now[name])
    )
    nodes = [
        (before.nodes[name], after.nodes[name])
        for name in both
        if name in before.nodes and name in after.nodes
    ]
    yield from grouped("hosts", (item for old, new in nodes for item in _other(old, new)))
    others = [old.name for old, new in nodes if old.digest != new.digest and old.factors == new.factors]
    if others:
        yield Difference("hosts", "variables", "as planned", "others", tuple(others), is_shown=False)


def _places(graph: Graph) -> dict[str, str]:
    """Where each host stands, in words: its wave, or why it is not touched."""
    waves = {wave.id: _wave(wave.id, wave.rung) for wave in graph.waves.values()}
    places = {node.name: waves[node.wave] for node in graph.nodes.values()}
    return places | {one.host: untouched(one) for one in graph.untouched}


def _wave(identity: str, rung: str) -> str:
    named = rung and rung != identity.rpartition("/")[2]
    return f"wave {identity} ({rung})" if named else f"wave {identity}"


def untouched(one: Untouched) -> str:
    """The word and the reason."""
    return f"{one.word}: {one.because}"


def _other(was: Node, now: Node) -> Iterator[Item]:
    for factor in sorted({*was.factors, *now.factors}):
        old, new = was.factors.get(factor, ""), now.factors.get(factor, "")
        if old != new:
            yield f"factor {factor}", old, new, was.name
    for what, before, after in (
        ("address", (was.address,), (now.address,)),
        ("time zone", was.zones, now.zones),
        ("known risks", was.risks, now.risks),
        ("waivers", was.waivers, now.waivers),
        ("target of its own", _target(was), _target(now)),
    ):
        if before != after:
            yield what, _listed(before), _listed(after), was.name


def _target(node: Node) -> tuple[str, ...]:
    return tuple(f"{factor} {' or '.join(globs)}" for factor, globs in node.to.items())


def _listed(names: tuple[str, ...]) -> str:
    return ", ".join(name for name in names if name) or "none"
