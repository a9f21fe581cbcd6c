"""The way from what a host is to where its combo leads: over several releases, each leg with its own steps."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import networkx as nx

from rollout.model.chain import COMMIT, UNDO, Step
from rollout.model.plan import ComboRule, Plan
from rollout.model.verdict import Hop, Wanted

Fits = Callable[[Mapping[str, str], Wanted], bool]
_Standing = tuple[tuple[str, str], ...]
MOST = 10_000
"""Stations that are looked at: declared hops lead to a few releases, and not round and round."""


@dataclass(frozen=True, slots=True)
class Way:
    """The legs in turn, and their numbers in the plan; none: the combo's chain leads straight there. `lacking`: why there is no way."""

    legs: tuple[Hop, ...] = ()
    numbers: tuple[int, ...] = ()
    lacking: str = ""

    @property
    def labels(self) -> tuple[str, ...]:
        """Where each leg leads, if there are several."""
        return tuple(leg.label for leg in self.legs) if len(self.legs) > 1 else ()


def way(
    plan: Plan, rule: ComboRule, factors: Mapping[str, str], fits: Fits, is_open: Callable[[Hop], bool]
) -> Way:
    """The fewest hops; of as few, those that stand first in the plan. `is_open`: whether the host meets the floor of its first hop.

    What no hop leads anywhere (the hypervisor, where hops speak of the os alone) changes along the way, as it does without hops.

    A floor that is not met sends the host another way if there is one; else the way under it is given, for the verdict to say so.
    """
    led = {factor for hop in plan.hops for factor in hop.to}
    goal = {factor: globs for factor, globs in rule.to.items() if factor in led}
    if not goal:
        return Way()
    start = tuple(sorted(factors.items()))
    shut = {number for number, hop in enumerate(plan.hops) if hop.require and not is_open(hop)}
    for barred in (shut, set[int]()):
        numbers = _shortest(plan.hops, start, goal, fits, barred)
        if numbers is not None:
            return Way(tuple(plan.hops[number] for number in numbers), tuple(numbers))
    return Way(lacking=_lacking(plan.hops, start, goal, fits))


def _shortest(
    hops: Sequence[Hop], start: _Standing, goal: Wanted, fits: Fits, barred: set[int]
) -> list[int] | None:
    """`barred`: hops that cannot be the first."""
    roads = _roads(hops, start, fits, barred)
    goals = [standing for standing in roads if fits(dict(standing), goal)]
    reached = nx.single_source_shortest_path(roads, start)
    ways = [reached[goal] for goal in goals if goal in reached]
    if not ways:
        return None
    best = min(ways, key=len)
    return [int(roads.edges[leg]["hop"]) for leg in pairwise(best)]


def _roads(hops: Sequence[Hop], start: _Standing, fits: Fits, barred: set[int]) -> "nx.DiGraph[_Standing]":
    """Every station that can be reached. One that a dead end fits is not left, whatever other hops say."""
    roads: nx.DiGraph[_Standing] = nx.DiGraph()
    roads.add_node(start)
    pending = [start]
    while pending and len(roads) < MOST:
        here = pending.pop(0)
        if any(not hop.to and fits(dict(here), hop.match) for hop in hops):
            continue
        for number, hop in enumerate(hops):
            if (here == start and number in barred) or not fits(dict(here), hop.match):
                continue
            there = tuple(sorted({**dict(here), **hop.to}.items()))
            if there not in roads:
                pending.append(there)
            if there != here and not roads.has_edge(here, there):
                roads.add_edge(here, there, hop=number)
    return roads


def _lacking(hops: Sequence[Hop], start: _Standing, goal: Wanted, fits: Fits) -> str:
    """The dead ends that it would come to, or that no hop leads on."""
    stations = list(_roads(hops, start, fits, set()))
    ends = [
        f"{_shown(dict(station), hop.match)} is a dead end: {hop.reason}"
        for station in stations
        for hop in hops
        if not hop.to and fits(dict(station), hop.match)
    ]
    wanted = ", ".join(f"{factor} {' or '.join(globs)}" for factor, globs in goal.items())
    said = f"no declared hop leads from {_shown(dict(start), goal)} to {wanted}"
    return "; ".join([said, *dict.fromkeys(ends)])


def _shown(factors: Mapping[str, str], names: Mapping[str, object]) -> str:
    return ", ".join(f"{name} {factors[name]}" for name in names if name in factors)


def chain(rule: ComboRule, legs: Sequence[Hop]) -> tuple[Step, ...]:
    """The steps of all legs. What is opened once (a drain, a snapshot) is opened on the first and closed on the last; the rest is walked on each.

    So is a step that does more than to close, as an upgrade that ends what was prepared for it; with what it closes.

    Only the last leg's steps have the plan's own names: names are keys, and no two steps share one.
    """
    if not legs:
        return rule.steps
    last = len(legs) - 1
    found: list[Step] = []
    for number, leg in enumerate(legs):
        steps = leg.chains[rule.name]
        closed = {name for step in steps if _closes_only(step) for name in step.closes}
        names: dict[str, str] = {}
        for step in steps:
            is_snapshot = step.commit is not None and not (step.once or step.disruptive)
            opens = step.drain is not None or is_snapshot or step.name in closed
            if (opens and number > 0) or (_closes_only(step) and number < last):
                continue
            if number == last:
                found.append(step)
                continue
            own = tuple(names[name] for name in step.closes if name in names)
            led = replace(step, target=dict(leg.to), closes=own)
            found.append(led if opens else _on_leg(led, leg, found))
            names |= {} if opens else {step.name: found[-1].name}
    return tuple(found)


def _closes_only(step: Step) -> bool:
    return bool(step.closes) and (step.reopen is not None or not (step.once or step.disruptive))


def _on_leg(step: Step, leg: Hop, before: Sequence[Step]) -> Step:
    name = f"{step.name}-to-{leg.label}"
    taken = {other.name for other in before}
    while name in taken:
        name += "-too"  # of factors that have the same value
    undo = step.undo and replace(step.undo, name=UNDO + name, of=name, base=step.undo.name, target=leg.to)
    commit = step.commit and replace(step.commit, name=COMMIT + name, of=name, base=step.commit.name, target=leg.to)  # fmt: skip
    return replace(step, name=name, base=step.name, undo=undo, commit=commit)
