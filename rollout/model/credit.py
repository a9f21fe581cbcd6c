"""The ramp's credit: how many hosts may be in flight beyond what is proven (design, section 5).

After n healthy hosts without a failure the failure rate is below -ln(0.05)/n = 3/n, at 95 % (the rule of three: Hanley and Lippman-Hand,
JAMA 249, 1983). So k hosts in flight harm 3k/n of them at most, as expected, and `harm` allows k = harm x n / 3. With late failures, the
exact Poisson bound takes the place of 3.
"""

from math import sqrt

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
