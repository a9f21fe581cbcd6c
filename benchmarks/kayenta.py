"""Kayenta's judge of canaries, written from its description, to be asked about the same series as the comparison of rollout.

As it is set up by default (spinnaker/kayenta, NetflixACAJudge): the points of time of both sides are the samples, NaN are taken out,
and a metric fails upwards when the lower end of the 98 % confidence interval of Mann and Whitney's test lies above a quarter of the
Hodges-Lehmann estimate of the difference. One metric without data is no reason to fail.
"""

import math
from collections.abc import Sequence
from statistics import NormalDist

CONFIDENCE = 0.98
TOLERANCE = 0.25


def fails(experiment: Sequence[float], control: Sequence[float]) -> bool:
    """Whether the canaries are judged to be higher than the baseline, given the mean of each side at each point of time."""
    left = [value for value in experiment if not math.isnan(value)]
    right = [value for value in control if not math.isnan(value)]
    if not left or not right or left == right:
        return False
    differences = sorted(one - other for one in left for other in right)
    middle = len(differences) // 2
    estimate = (differences[middle] + differences[~middle]) / 2
    return differences[_below(len(left), len(right))] > TOLERANCE * abs(estimate)


def _below(left: int, right: int) -> int:
    """How many of the ordered differences lie below the lower end of the interval, by the normal approximation."""
    spread = math.sqrt(left * right * (left + right + 1) / 12)
    quantile = NormalDist().inv_cdf(1 - (1 - CONFIDENCE) / 2)
    return max(0, math.floor(left * right / 2 - quantile * spread))
