"""The order in which rungs open, who is asked between them, and how fast the ramp grows: in words."""

from rollout.model.credit import allowed
from rollout.model.graph import Graph, Need, Wave
from rollout.model.plan import LAST
from rollout.report.plain import counted, listed, plain, table

SHOWN = 6
"""Waves of a rung that are named."""

_STEPS = (10, 100, 1000)
"""Numbers of verified hosts for which the credit is shown."""


def need(one: Need) -> str:
    """One thing that a wave waits for."""
    if one.rung is not None:
        return f"after rung {plain(one.rung)}"
    if one.approved is not None:
        return f"an approval after {_spoken(one.approved)}"
    return f"after {one.wave}" if one.wave is not None else f"after {one.share:.0%} of {one.combo}"


def _spoken(rung: str) -> str:
    """Rungs of sizes are numbers."""
    return f"wave {rung}" if rung.isdigit() else plain(rung)


def needs(wave: Wave) -> str:
    """All that a wave waits for; its own waves before it, which the rungs name too, are named together."""
    own = [one for one in wave.needs if (one.wave or "").rpartition("/")[0] == wave.combo]
    if not any(one.rung is not None for one in wave.needs):
        own = []
    words = [need(one) for one in wave.needs if one not in own and one.approved is None]
    words += ["its own canaries" if wave.rung != LAST else "its own waves"] if own else []
    words += [need(one) for one in wave.needs if one.approved is not None]
    return " and ".join(words).replace("and after ", "and ") or "first"


def climbs(graph: Graph) -> bool:
    """Whether waves of several combos stand on one rung, so that there is an order to show."""
    return any(wave.rung and wave.rung != wave.id.rpartition("/")[2] for wave in graph.waves.values()) or any(
        one.rung is not None for wave in graph.waves.values() for one in wave.needs
    )


def lines(graph: Graph) -> list[str]:
    """The rungs in the order in which they open, then the credit."""
    said = [*_order(graph)] if climbs(graph) else []
    if graph.approval_to_begin:
        who = f"; a token of {plain(graph.identity.project)} proves who it is" if graph.identity else ""
        eyes = "; it cannot be whoever wrote it" if graph.four_eyes else ""
        said.append(f"  a person approves exactly this plan before anything begins{who}{eyes}")
    if graph.approvals:
        whom = "began the run" if graph.identity is None else "wrote the plan"
        eyes = f"; it cannot be whoever {whom}" if graph.four_eyes else ""
        after = listed(map(_spoken, graph.approvals), SHOWN)
        said.append(f"  a person is asked for approval after {after}{eyes}")
    if graph.harm is not None:
        said.append(f"  {credit(graph.harm, len(graph.nodes))}")
    return ["order", *said] if said else []


def _order(graph: Graph) -> list[str]:
    """A row for waves of a rung that wait for the same rungs, in the order in which they may open."""
    depth = _depths(graph)
    rows: dict[tuple[str, tuple[str, ...], bool], list[Wave]] = {}
    for wave in graph.waves.values():
        after = dict.fromkeys(one.rung for one in wave.needs if one.rung is not None)
        asked = any(one.approved is not None for one in wave.needs)
        rows.setdefault((wave.rung, tuple(after), asked), []).append(wave)
    table_rows = []
    for (rung, rungs_before, asked), waves in sorted(
        rows.items(), key=lambda row: min(depth[wave.id] for wave in row[1])
    ):
        hosts = sum(len(wave.hosts) for wave in waves)
        own = "after its own canaries" if all(wave.needs for wave in waves) else "first"
        before = f"after {listed(map(plain, rungs_before), SHOWN)}" if rungs_before else own
        before += ", once approved" if asked else ""
        table_rows.append(
            [plain(rung), counted(hosts, "host"), before, listed((wave.id for wave in waves), SHOWN)]
        )
    return table(table_rows)


def _depths(graph: Graph) -> dict[str, int]:
    """How many waves stand one behind the other before each. Every wave stands behind those that it needs."""
    found: dict[str, int] = {}
    deepest: dict[str, int] = {}
    of_combo: dict[str, int] = {}
    for wave in graph.waves.values():
        before = [found.get(one.wave or "", -1) for one in wave.needs]
        before += [deepest.get(one.rung or "", -1) for one in wave.needs]
        before += [of_combo.get(one.combo or "", -1) for one in wave.needs]
        found[wave.id] = depth = max(before, default=-1) + 1
        deepest[wave.rung] = max(deepest.get(wave.rung, 0), depth)
        of_combo[wave.combo] = max(of_combo.get(wave.combo, 0), depth)
    return found


def credit(harm: float, hosts: int) -> str:
    """How many hosts may be in flight beyond what is proven, as more and more are verified."""
    grows = ", ".join(
        f"{allowed(harm, verified, 0)} after {verified} verified" for verified in _STEPS if verified < hosts
    )
    more = f", {grows}" if grows else ""
    return (
        f"credit: at most {harm:g} x verified / 3 hosts in flight, in all and in each combo: "
        f"{allowed(harm, 0, 0)} at first{more}; a late failure takes credit back"
    )
