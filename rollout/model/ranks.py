"""Whether upgraded hosts changed for the worse among hosts that were not upgraded: ranks of before/after differences.

The unit is the host: what a metric was after its upgrade less what it was before, beside the same difference, over the same hours, of
hosts of its combo that nobody had touched. While an upgrade changes nothing, the next host to be upgraded might as well have been any
other of those left: its rank among them is uniform, whatever the metric's distribution, its noise over time, and what befell all of
them. Ranks of newcomers among those before them are independent (Renyi 1962), so a product of factors, each of mean 1, is a martingale,
and by Ville's inequality (Ville 1939) it ever reaches 1/a with a chance of at most a: it may be looked at as often as one likes.

The factors are made for upgrades that harm a share of the hosts and leave the rest alone, as in Conover and Salsburg (Biometrics 1988):
the density of a rank u in 0..1 is `(1 - share) + share * steepness * u ** (steepness - 1)`, averaged over a grid.
"""

import math
from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

GRID = ((0.2, 60.0), (0.3, 30.0), (0.9, 30.0), (0.9, 4.0))
"""Shares of the upgraded hosts that are harmed, and how far to the top of the ranks that brings them."""

MOST_CELLS = 20_000
"""Entries of exact distributions that are worked out before the normal approximation does: some ten milliseconds."""


@dataclass(frozen=True, slots=True)
class Rank:
    """Where a value lies among `among` values, itself counted: it shares the places above `low` up to `high` with its equals.

    0, 1, 3 is the lowest of three; 1, 3, 3 is the highest of three, with one equal.
    """

    low: int
    high: int
    among: int

    @property
    def middle(self) -> float:
        """Its place between 0 and 1, 0.5 where all are equal."""
        return (self.low + self.high) / 2 / self.among


def sequential(upgraded: Sequence[float], controls: Iterable[float]) -> list[Rank]:
    """The ranks of the upgraded hosts, each among the controls and the upgraded before it: independent of one another."""
    pool = sorted(controls)
    ranks = []
    for value in upgraded:
        low, high = bisect_left(pool, value), bisect_right(pool, value)
        pool.insert(low, value)
        ranks.append(Rank(low, high + 1, len(pool)))
    return ranks


def _factor(rank: Rank, share: float, steepness: float) -> float:
    """The mean density over the places that the value may have; its mean over all places is 1."""
    inside = math.pow(rank.high / rank.among, steepness) - math.pow(rank.low / rank.among, steepness)
    return 1.0 - share + share * inside * rank.among / (rank.high - rank.low)


def e_value(ranks: Iterable[Rank]) -> float:
    """The evidence that high ranks are too common: 1 without any; at least 1/a with a chance of at most a if ranks are uniform."""
    logs = [0.0] * len(GRID)
    for rank in ranks:
        for number, (share, steepness) in enumerate(GRID):
            logs[number] += math.log(_factor(rank, share, steepness))
    most = max(logs)
    total = most + math.log(math.fsum(math.exp(log - most) for log in logs) / len(logs))
    return math.exp(min(700.0, total))


def needed(controls: int, stops_at: float, most: int = 1000) -> int | None:
    """How many upgraded hosts, each worse than every one of so many controls, reach `stops_at`; None if `most` do not."""
    highest = Rank(controls, controls + 1, controls + 1)
    return next((number for number in range(1, most + 1) if e_value([highest] * number) >= stops_at), None)


@dataclass(frozen=True, slots=True)
class Stratum:
    """The differences of hosts that are compared with one another: those of one combo, over the same hours."""

    upgraded: tuple[float, ...]
    controls: tuple[float, ...]


def van_elteren(strata: Iterable[Stratum]) -> float:
    """The chance of rank sums of the upgraded at least as high, if who was upgraded made no difference; 1.0 if nothing can be compared.

    The rank sum of each stratum of N hosts weighs 1/(N+1) (van Elteren 1960); with one stratum it is Wilcoxon's test. Equal values
    have their middle rank. Exact over all ways to choose the upgraded within each stratum, or by the normal distribution with its
    correction for ties where that would take more than `MOST_CELLS`. One look only: asked again and again it stops healthy fleets.
    """
    known = [stratum for stratum in strata if stratum.upgraded and stratum.controls]
    if not known:
        return 1.0
    exact = _exact(known)
    return exact if exact is not None else _approximate(known)


def _doubled_ranks(stratum: Stratum) -> tuple[list[int], int]:
    """Twice the middle ranks of all, and their sum over the upgraded."""
    pooled = sorted((*stratum.upgraded, *stratum.controls))
    doubled = [bisect_left(pooled, value) + bisect_right(pooled, value) + 1 for value in pooled]
    seen = sum(bisect_left(pooled, value) + bisect_right(pooled, value) + 1 for value in stratum.upgraded)
    return doubled, seen


def _sums(doubled: Sequence[int], chosen: int) -> Counter[int]:
    """In how many ways so many of the ranks add up to each sum."""
    ways: list[Counter[int]] = [Counter({0: 1}), *(Counter() for _ in range(chosen))]
    for number, rank in enumerate(doubled):
        for size in range(min(chosen, number + 1), 0, -1):
            for total, count in ways[size - 1].items():
                ways[size][total + rank] += count
    return ways[chosen]


def _cost(stratum: Stratum) -> int:
    """About how many entries `_sums` touches: sums of `chosen` of N ranks lie in a range of 2 * chosen * N."""
    chosen, whole = len(stratum.upgraded), len(stratum.upgraded) + len(stratum.controls)
    return whole * sum(min(math.comb(whole, size), 2 * size * whole) for size in range(1, chosen + 1)) // 2


def _exact(strata: Sequence[Stratum]) -> float | None:
    if sum(map(_cost, strata)) > MOST_CELLS:
        return None
    weights = [len(stratum.upgraded) + len(stratum.controls) + 1 for stratum in strata]
    scale = math.lcm(*weights)
    whole: Counter[int] = Counter({0: 1})
    seen = 0
    for stratum, weight in zip(strata, weights, strict=True):
        doubled, own = _doubled_ranks(stratum)
        sums = _sums(doubled, len(stratum.upgraded))
        if len(whole) * len(sums) > MOST_CELLS:
            return None
        unit = scale // weight
        seen += own * unit
        joined: Counter[int] = Counter()
        for total, count in whole.items():
            for one, times in sums.items():
                joined[total + one * unit] += count * times
        whole = joined
    return sum(count for total, count in whole.items() if total >= seen) / sum(whole.values())


def _approximate(strata: Sequence[Stratum]) -> float:
    seen = mean = variance = 0.0
    step = math.inf
    for stratum in strata:
        chosen, others = len(stratum.upgraded), len(stratum.controls)
        whole = chosen + others
        doubled, own = _doubled_ranks(stratum)
        ties = sum(count**3 - count for count in Counter(doubled).values())
        weight = 1 / (whole + 1)
        seen += weight * own / 2
        mean += weight * chosen * (whole + 1) / 2
        variance += weight**2 * chosen * others / 12 * (whole + 1 - ties / (whole * (whole - 1)))
        step = min(step, weight)
    if variance <= 0.0:
        return 1.0
    return math.erfc((seen - mean - step / 2) / math.sqrt(2 * variance)) / 2


def median(values: Iterable[float]) -> float:
    """The middle one, or the mean of the two in the middle; of no values, not a number."""
    ordered = sorted(values)
    middle = len(ordered) // 2
    if not ordered:
        return math.nan
    return ordered[middle] if len(ordered) % 2 else (ordered[middle - 1] + ordered[middle]) / 2
