"""What this run, and earlier ones, have taught about how long things take."""

from bisect import bisect_left, insort
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from rollout.model.chain import Step
from rollout.model.graph import Combo, Graph

ENOUGH = 5
"""So many hosts of a combo must have done a step before the plan's `expect` is no longer believed."""

USUAL, LATE = 0.5, 0.9
"""The quantiles that are asked for: p50, and p90."""


class Learned:
    """The seconds that each step took on the hosts of each combo. A function of the hosts' values: built anew it is the same."""

    def __init__(self) -> None:
        self._seconds: dict[tuple[str, str], list[float]] = {}

    def add(self, combo: str, step: str, seconds: float) -> None:
        """One more host has done the step."""
        insort(self._seconds.setdefault((combo, step), []), seconds)

    def remove(self, combo: str, step: str, seconds: float) -> None:
        """What was added no longer holds."""
        kept = self._seconds[combo, step]
        del kept[bisect_left(kept, seconds)]

    def count(self, combo: str, step: str) -> int:
        """How many hosts have done the step."""
        return len(self._seconds.get((combo, step), ()))

    def of_step(self, combo: Combo, step: Step, quantile: float) -> float:
        """The seconds within which that share (USUAL or LATE) of the hosts did the step.

        Before enough have: what an earlier run taught, or else the plan's `expect`.
        """
        seconds = self._seconds.get((combo.name, step.name), [])
        if len(seconds) >= ENOUGH:
            return _quantile(seconds, quantile)
        if step.name in combo.learned:
            return combo.learned[step.name][quantile > USUAL]
        return step.expect

    def of_earlier_runs(self) -> dict[str, dict[str, tuple[float, float]]]:
        """What a later run may go by: p50 and p90 of each step that enough hosts of a combo have done."""
        found: dict[str, dict[str, tuple[float, float]]] = {}
        for (combo, step), seconds in self._seconds.items():
            if len(seconds) >= ENOUGH:
                found.setdefault(combo, {})[step] = (_quantile(seconds, USUAL), _quantile(seconds, LATE))
        return found

    def of_steps(self, combo: Combo, steps: Iterable[Step], quantile: float) -> float:
        """The sum over steps of a combo: for p90 that is on the careful side, as no host is slow in all of them."""
        return sum(self.of_step(combo, step, quantile) for step in steps)


@dataclass(frozen=True, slots=True)
class Lesson:
    """What an earlier run of the plan leaves to a new one: seconds of steps by combo (p50, p90), and of whole chains by host."""

    steps: Mapping[str, Mapping[str, tuple[float, float]]] = field(default_factory=dict)
    hosts: Mapping[str, float] = field(default_factory=dict)

    def taught(self, graph: Graph) -> Graph:
        """The graph with these estimates; which host is in which wave stays as it is."""
        combos = {
            name: replace(combo, learned=self.steps.get(name, {})) for name, combo in graph.combos.items()
        }
        usual = {name: Learned().of_steps(combo, combo.chain, USUAL) for name, combo in combos.items()}
        nodes = {
            name: replace(node, expect=self.hosts.get(name, usual[node.combo]))
            for name, node in graph.nodes.items()
        }
        return replace(graph, combos=combos, nodes=nodes)


def _quantile(seconds: list[float], share: float) -> float:
    return seconds[min(len(seconds) - 1, int(share * len(seconds)))]
