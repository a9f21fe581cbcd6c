"""Which combo comes before which. A cycle is named, not merely found."""

import networkx as nx

from rollout.errors import Problem
from rollout.model.plan import ComboRule, Plan


def ordered(plan: Plan) -> tuple[list[ComboRule], list[Problem]]:
    """The combos so that each comes after those it waits for, ties in the plan's order; or the cycles that forbid it."""
    before: nx.DiGraph[str] = nx.DiGraph()
    place = {rule.name: index for index, rule in enumerate(plan.combos)}
    before.add_nodes_from(place)
    before.add_edges_from((after.combo, rule.name) for rule in plan.combos for after in rule.after)
    problems = []
    for component in nx.strongly_connected_components(before):
        inner = before.subgraph(component)
        if len(component) == 1 and not inner.number_of_edges():
            continue
        first = min(component, key=place.__getitem__)
        cycle = [edge[1] for edge in nx.find_cycle(inner, first)]
        start = cycle.index(min(cycle, key=place.__getitem__))
        cycle = [*cycle[start:], *cycle[:start]]
        path = " after ".join(reversed([*cycle, cycle[0]]))
        problems.append(Problem(plan.place("combos", place[cycle[0]], "after"), f"a cycle: {path}"))
    if problems:
        return list(plan.combos), problems
    names = nx.lexicographical_topological_sort(before, key=place.__getitem__)
    return [plan.combos[place[name]] for name in names], []
