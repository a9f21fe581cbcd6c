"""Questions about the fleet: of the run, of a wave, of a combo, of each value of a factor."""

from collections.abc import Iterator
from dataclasses import dataclass

from rollout.model.breaker import COMBO, Subset, key_of
from rollout.model.graph import Graph, Node
from rollout.model.plan import DURING, PER_COMBO, PER_RUN, GateRule


@dataclass(frozen=True, slots=True)
class Question:
    """`about` is the key of the hosts that it is about (`rollout.model.breaker`), or a wave's id."""

    rule: GateRule
    moment: str
    about: str

    @property
    def key(self) -> str:
        """How it is known in `RunState.standing`."""
        return key(self.moment, self.rule.name, self.about)


def key(moment: str, gate: str, about: str) -> str:
    return f"{moment}/{gate}/{about}"


def during(graph: Graph) -> tuple[Question, ...]:
    """All that is asked while anything is in flight, in the plan's order."""
    rules = graph.fleet_gates.get(DURING, ())
    return tuple(Question(rule, DURING, about) for rule in rules for about in _abouts(graph, rule))


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


def concerned(graph: Graph, question: Question) -> Iterator[Node]:
    """The hosts that it is about."""
    if question.about in graph.waves and question.moment != DURING:
        return (graph.nodes[name] for name in graph.waves[question.about].hosts)
    if question.moment != DURING:
        return iter(graph.nodes.values())
    return (node for node in graph.nodes.values() if about_of(question.rule, node) == question.about)
