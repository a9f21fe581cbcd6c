"""Fleets and plans of every shape for the ladder, and what can be said of any graph."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any

import networkx as nx
from hypothesis import strategies as st

from rollout.graph import compile_graph
from rollout.model.fleet import Fleet, Host
from rollout.model.graph import Graph
from rollout.model.plan import RUNGS, After, Amount, ComboRule, Ladder, Limits, Plan, Together
from tests.fleet import a_combo, a_plan

FACTORS = ("hardware", "os", "kind", "site", "rack")
HALF, ALL = Amount(50, percent=True), Amount(100, percent=True)


def a_host(name: str, hardware: str = "a", **more: object) -> Host:
    """`kind`, `site` and `rack` are factors; `guests`, `pilot` and `last` are what they are."""
    factors = {"hardware": hardware, "os": "old"}
    factors |= {factor: str(more.pop(factor, f"{factor}0")) for factor in ("kind", "site", "rack")}
    return Host(name, factors, digest=name, **more)  # type: ignore[arg-type]


def on_ladder(*combos: ComboRule, ladder: Ladder = Ladder(), per: Sequence[str] = (), **more: object) -> Plan:  # noqa: B008  frozen
    """A plan whose canaries the ladder chooses; `per`: factors by which a limit counts."""
    limits = Limits(at_once=Amount(4), per=dict.fromkeys(per, Amount(1)))
    plan = a_plan(*combos, limits=limits)
    fields: dict[str, object] = {"waves": None, "ladder": ladder, "harm": 3.0}
    return replace(plan, factors={name: name for name in FACTORS}, **(fields | more))  # type: ignore[arg-type]


def compiled(plan: Plan, hosts: Sequence[Host], seed: str = "p") -> Graph:
    return compile_graph(plan, Fleet(tuple(hosts)), {"plan": seed})


def rungs_of(graph: Graph) -> dict[str, list[str]]:
    """rung -> its hosts, sorted."""
    return {
        rung: sorted(name for wave in waves for name in wave.hosts) for rung, waves in graph.rungs.items()
    }


def canaries(graph: Graph) -> list[str]:
    return [name for wave in graph.waves.values() if wave.canary for name in wave.hosts]


def waits(graph: Graph) -> "nx.DiGraph[str]":
    """wave -> the waves that stand between it and its beginning, whatever its needs are called."""
    found: nx.DiGraph[str] = nx.DiGraph()
    found.add_nodes_from(graph.waves)
    for wave in graph.waves.values():
        for need in wave.needs:
            if need.wave is not None:
                found.add_edge(wave.id, need.wave)
            if need.rung is not None:
                found.add_edges_from((wave.id, other.id) for other in graph.rungs[need.rung])
            if need.combo is not None:
                found.add_edges_from((wave.id, other.id) for other in graph.waves_of[need.combo])
    for line in graph.waves_of.values():
        found.add_edges_from((later.id, wave.id) for wave, later in pairwise(line))
    return found


@st.composite
def fleets(draw: st.DrawFn) -> list[Host]:
    host: st.SearchStrategy[dict[str, Any]] = st.fixed_dictionaries(
        {
            "hardware": st.sampled_from("abcd"),
            "kind": st.sampled_from(("k0", "k1", "k2")),
            "site": st.sampled_from(("s0", "s1")),
            "rack": st.sampled_from(("r0", "r1", "r2")),
            "guests": st.sampled_from((None, 0, 1, 5, 9)),
            "pilot": st.integers(0, 9).map(lambda number: number == 0),
            "last": st.integers(0, 7).map(lambda number: number == 0),
        }
    )
    made = draw(st.lists(host, min_size=1, max_size=20))
    return [a_host(f"h{number:02}", **values) for number, values in enumerate(made)]


def _afters(draw: st.DrawFn, names: Sequence[str]) -> Mapping[str, list[After]]:
    """Each may wait for any that stand before it."""
    until: st.SearchStrategy[Any] = st.sampled_from(("canaries", 0.5, 1.0))
    return {
        name: [After(earlier, draw(until)) for earlier in names[:index] if draw(st.integers(0, 2)) == 0]
        for index, name in enumerate(names)
    }


@st.composite
def ladder_plans(draw: st.DrawFn) -> Plan:
    names = draw(st.permutations("abcd"))
    afters = _afters(draw, names)
    sizes = st.sampled_from((None, None, None, (Amount(1), ALL), (ALL,), (Amount(2), HALF, ALL)))
    combos = [replace(a_combo(name, after=afters[name]), waves=draw(sizes)) for name in "abcd"]
    rungs = draw(st.lists(st.sampled_from(RUNGS), min_size=1, unique=True))
    factors = draw(st.sampled_from((None, None, ("kind",), ("hardware", "kind", "site", "rack"))))
    ladder = Ladder(tuple(rung for rung in RUNGS if rung in rungs), factors)
    return on_ladder(*combos, ladder=ladder, per=draw(st.sampled_from(((), ("rack",), ("rack", "site")))))


@st.composite
def any_plans(draw: st.DrawFn) -> Plan:
    """On the ladder, or with sizes; with sets of hosts that are kept apart."""
    plan = draw(ladder_plans())
    way: Any = draw(st.sampled_from(("ladder", "ladder", "combo", "fleet")))
    together = (Together("never-together-1", ("h0[0-4]",), 1), Together("some", ("h*1", "h*2"), 2))
    plan = replace(plan, limits=replace(plan.limits, together=together[: draw(st.integers(0, 2))]))
    if way != "ladder":
        plan = replace(plan, waves=draw(st.sampled_from(((Amount(1), HALF, ALL), (ALL,)))), scope=way)
        plan = replace(plan, harm=draw(st.sampled_from((None, 3.0))))
    if way == "fleet":
        plan = replace(plan, combos=tuple(replace(rule, waves=None) for rule in plan.combos))
    return plan
