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
        return f"an approval after {plain(one.approved)}"
    return f"after {one.wave}" if one.wave is not None else f"after {one.share:.0%} of {one.combo}"


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
    if graph.approvals:
        eyes = "; it cannot be whoever began the run" if graph.four_eyes else ""
        said.append(f"  a person is asked for approval after {listed(graph.approvals, SHOWN)}{eyes}")
    if graph.harm is not None:
        said.append(f"  {credit(graph.harm, len(graph.nodes))}")
    return ["order", *said] if said else []


def _order(graph: Graph) -> list[str]:
    rows = []
    for rung, waves in graph.rungs.items():
        hosts = sum(len(wave.hosts) for wave in waves)
        wanted = [one for wave in waves for one in wave.needs]
        after = dict.fromkeys(plain(one.rung) for one in wanted if one.rung is not None)
        before = f"after {listed(after, SHOWN)}" if after else "first"
        before += ", once approved" if any(one.approved is not None for one in wanted) else ""
        rows.append([plain(rung), counted(hosts, "host"), before, listed((wave.id for wave in waves), SHOWN)])
    return table(rows)


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
