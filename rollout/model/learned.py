"""What the run has taught about how long things take."""

from bisect import bisect_left, insort
from collections.abc import Iterable

from rollout.model.graph import Combo
from rollout.model.plan import Step

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

    def of_step(self, combo: str, step: Step, quantile: float) -> float:
        """The seconds within which that share (0..1) of the hosts did the step; the plan's `expect` before enough have."""
        seconds = self._seconds.get((combo, step.name), ())
        if len(seconds) < ENOUGH:
            return step.expect
        return seconds[min(len(seconds) - 1, int(quantile * len(seconds)))]

    def of_steps(self, combo: Combo, steps: Iterable[Step], quantile: float) -> float:
        """The sum over steps of a combo: for p90 that is on the careful side, as no host is slow in all of them."""
        return sum(self.of_step(combo.name, step, quantile) for step in steps)
