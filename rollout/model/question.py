"""Questions about the fleet: of the run, of a wave, of a combo, of each value of a factor."""

from dataclasses import dataclass
from functools import cached_property

from rollout.model.breaker import COMBO, Subset, key_of
from rollout.model.graph import Graph, Node
from rollout.model.plan import DURING, PER_COMBO, PER_RUN, GateRule


@dataclass(frozen=True, eq=False)
class Question:
    """`about` is the key of the hosts that it is about (`rollout.model.breaker`), or a wave's id."""

    rule: GateRule
    moment: str
    about: str

    @cached_property
    def key(self) -> str:
        """How it is known in `RunState.standing`."""
        return key(self.moment, self.rule.name, self.about)


def key(moment: str, gate: str, about: str) -> str:
    return f"{moment}/{gate}/{about}"


def during(graph: Graph) -> dict[Question, tuple[Node, ...]]:
    """All that is asked while anything is in flight, in the plan's order, and the hosts that each question is about."""
    found: dict[Question, list[Node]] = {}
    for rule in graph.fleet_gates.get(DURING, ()):
        asked = {about: Question(rule, DURING, about) for about in _abouts(graph, rule)}
        for node in graph.nodes.values():
            found.setdefault(asked[about_of(rule, node)], []).append(node)
    return {question: tuple(nodes) for question, nodes in found.items()}


def _abouts(graph: Graph, rule: GateRule) -> tuple[str, ...]:
    return tuple(dict.fromkeys(about_of(rule, node) for node in graph.nodes.values()))


def about_of(rule: GateRule, node: Node) -> str:
    """Which of a gate's questions `during` the run concerns a host."""
    if rule.per == PER_RUN:
        return ""
    subset: Subset = ((COMBO, node.combo),) if rule.per == PER_COMBO else ()
    if not subset and rule.per in node.factors:
        subset = ((rule.per, node.factors[rule.per]),)
    return key_of(subset)
