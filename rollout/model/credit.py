"""The ramp's credit: how many hosts may be in flight beyond what is proven (design, section 5).

After n healthy hosts without a failure the failure rate is below -ln(0.05)/n = 3/n, at 95 % (the rule of three: Hanley and Lippman-Hand,
JAMA 249, 1983). So k hosts in flight harm 3k/n of them at most, as expected, and `harm` allows k = harm x n / 3. With late failures, the
exact Poisson bound takes the place of 3.
"""

from collections import Counter
from math import inf, sqrt

Z95 = 1.6449
"""The 95 % quantile of the normal distribution."""


def bound(late: int) -> float:
    """The 95 % upper bound of a Poisson mean after `late` events: 3.0, 4.7, 6.3 ... (Wilson and Hilferty's approximation beyond the first)."""
    if not late:
        return 3.0
    events = late + 1
    return float(events * (1 - 1 / (9 * events) + Z95 / (3 * sqrt(events))) ** 3)


def allowed(harm: float, verified: int, late: int) -> int:
    """How many hosts may be in flight: never less than 1. `late` hosts failed after they had been healthy on the target."""
    return max(1, int(harm * verified / bound(late) + 1e-9))


class Credit:
    """What is proven and what is in flight, by combo and in all; kept up as hosts change. `harm` None: everything may be in flight."""

    def __init__(self, harm: float | None) -> None:
        self._harm = harm
        self.verified: Counter[str] = Counter()
        self.late: Counter[str] = Counter()
        """Hosts that failed after they had been healthy on the target."""
        self.outdated: Counter[str] = Counter()
        """Verified hosts that prove nothing of what the plan says since it was amended."""
        self.exposed: Counter[str] = Counter()
        """Hosts in flight beyond what is proven."""
        self._total = 0
        self._work: Counter[str] = Counter()
        self._allowed: dict[str, int] = {}
        self._allowed_in_all = 1

    def prove(self, combo: str, by: int) -> None:
        """So many more hosts of the combo are verified."""
        self.verified[combo] += by
        self._earn(combo)

    def discount(self, combo: str, by: int) -> None:
        """So many more of the verified ones prove nothing any more."""
        self.outdated[combo] += by
        self._earn(combo)

    def lose(self, combo: str, by: int) -> None:
        """So many more of them failed late."""
        self.late[combo] += by
        self._earn(combo)

    def expose(self, combo: str, by: int) -> None:
        """So many more of them are in flight."""
        self.exposed[combo] += by
        self._total += by

    def load(self, combo: str, seconds: int) -> None:
        """So much more (or less) work is left in the combo."""
        self._work[combo] += seconds

    def weight(self, combo: str) -> float:
        """Seconds of work left for each host that may be in flight: a combo that has proven little is a narrow domain, too."""
        return self._work[combo] / self.allows(combo)

    def _earn(self, combo: str) -> None:
        if self._harm is not None:
            proven = self.verified[combo] - self.outdated[combo]
            in_all = self.verified.total() - self.outdated.total()
            self._allowed[combo] = allowed(self._harm, proven, self.late[combo])
            self._allowed_in_all = allowed(self._harm, in_all, self.late.total())

    def allows(self, combo: str | None = None) -> float:
        """How many hosts of the combo, or in all, may be in flight."""
        if self._harm is None:
            return inf
        return self._allowed_in_all if combo is None else self._allowed.get(combo, 1)

    def left(self, combo: str | None = None) -> float:
        """How many more may be; less than 0 if a late failure took credit back. What is left of a combo is never more than what is left in all."""
        in_all = self.allows() - self._total
        return in_all if combo is None else min(self.allows(combo) - self.exposed[combo], in_all)
