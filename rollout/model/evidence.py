"""What the outcomes so far say about the hosts that share something, and which shared value explains the failures best.

The e-value of a set of hosts is the mean, over a grid of failure rates, of the likelihood ratio against the rate `P0`. While each
host fails with a chance of at most `P0`, whatever happened before, it is a supermartingale that starts at 1, so by Ville's inequality
(Ville 1939) the chance that it ever reaches 1/a is at most a, however often one looks. Many sets are looked at: each has a share of
one false-stop budget (`STOPS_AT` = 1/0.05 in all), so that the chance that any of them ever stops a healthy fleet is at most 5 %.

A host counts as healthy from the moment it is disrupted until it fails: failures are known sooner than successes, and without that
the hosts in flight would make every start of a run look bad. It only ever lowers the e-value, so the bound holds at every moment.
"""

import math
from bisect import bisect_left, bisect_right, insort
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import combinations

from rollout.model.breaker import COMBO, Subset
from rollout.model.graph import Node
from rollout.model.progress import HostState, Outcome

P0 = 0.01
"""The failure rate that a healthy fleet may have."""

GRID = (0.03, 0.05, 0.1, 0.2, 0.5, 0.9)
STOPS_AT = 20.0
SHARES = {"combo": 0.1, "single": 0.6, "pair": 0.3}
"""How the budget is split between combos, values of one factor, and pairs of values; what a fleet has none of goes to the others."""

MANY = 10
"""Values of a factor up to which each of them has as much as any other factor's; the values of one that has more divide what so many have."""

PLACE = 1 / 3
"""The weight of a factor that limits count by, a rack say: where a host stands is to blame less often than what it is."""

SPREAD_STOPS_AT = 1_000.0
"""For the whole run, of which any stretch of time may be looked at, and in which several combos may well have defects of their own."""

SPREAD_LEAST = 3
_LARGEST = 700.0  # e to this power is still a float


@lru_cache(maxsize=65536)
def e_value(failed: int, healthy: int, p0: float = P0, grid: tuple[float, ...] = GRID) -> float:
    """The evidence that hosts fail more often than `p0`: 1 before any outcome; at least 1/a with a chance of at most a if they do not."""
    logs = [failed * math.log(rate / p0) + healthy * (math.log1p(-rate) - math.log1p(-p0)) for rate in grid]
    most = max(logs)
    return math.exp(
        min(_LARGEST, most + math.log(math.fsum(math.exp(log - most) for log in logs) / len(logs)))
    )


@dataclass(frozen=True, slots=True)
class Suspect:
    """Hosts that share something and fail too often, with the counts on both sides: a correlation, not a cause.

    `healthy` hosts are those that were begun and have not failed. `combos` are those of the failed hosts. `stops_at` is the e-value
    from which these hosts are stopped.
    """

    subset: Subset
    failed: int
    healthy: int
    failed_outside: int
    healthy_outside: int
    e_value: float
    stops_at: float
    combos: frozenset[str]


@dataclass(frozen=True, slots=True)
class Spread:
    """Failures in several combos that share no declared factor's value. `first` and `last`: when the failures happened."""

    failed: int
    healthy: int
    combos: tuple[str, ...]
    first: float
    last: float
    e_value: float


class Evidence:
    """The outcomes of a run's hosts, counted for each set of hosts that share a combo, a factor's value, or two.

    An index: a function of the hosts' values alone. `places`: the factors that limits count by. `hot` holds the e-value of each set
    that is to be stopped by it.
    """

    def __init__(self, nodes: Mapping[str, Node], places: Collection[str] = ()) -> None:
        self._nodes = nodes
        self._places = frozenset(places)
        self.failed: Counter[Subset] = Counter()
        self.healthy: Counter[Subset] = Counter()
        self.untried: Counter[Subset] = Counter()
        """Hosts that failed before any step of theirs: budgets count them, and they are no evidence."""
        self.hot: dict[Subset, float] = {}
        self._seen: dict[str, tuple[Outcome, float]] = {}
        self._failures: list[tuple[float, str]] = []
        self._proven: list[tuple[float, str]] = []
        self._begun = 0
        self._known: dict[tuple[str, Subset], tuple[Subset, ...]] = {}
        self._suspects: tuple[frozenset[Subset], list[Suspect]] | None = None

    def see(self, host: HostState) -> None:
        """Take a host's outcome over; cheap while that is the same."""
        outcome = host.outcome
        new = None if outcome is None else (outcome, 0.0 if outcome is Outcome.BEGUN else host.judged_at)
        old = self._seen.get(host.name)
        if new == old:
            return
        if old is not None:
            self._note(host.name, *old, -1)
            del self._seen[host.name]
        if new is not None:
            self._note(host.name, *new, 1)
            self._seen[host.name] = new
        was, now = self._counter(old), self._counter(new)
        if was is now:
            return  # from disrupted to healthy: no count is another
        for subset in self.subsets(host.name):
            if was is not None:
                was[subset] -= 1
            if now is not None:
                now[subset] += 1
            self._rate(subset)
        self._suspects = None

    def _counter(self, seen: tuple[Outcome, float] | None) -> Counter[Subset] | None:
        if seen is None:
            return None
        return {Outcome.FAILED: self.failed, Outcome.UNTRIED: self.untried}.get(seen[0], self.healthy)

    def harmed(self, subset: Subset) -> int:
        """How many hosts of the set count as failures."""
        return self.failed[subset] + self.untried[subset]

    def _note(self, name: str, outcome: Outcome, at: float, by: int) -> None:
        """When it failed, or was proven healthy; or that it is in flight."""
        if outcome is Outcome.UNTRIED:
            return
        if outcome is Outcome.BEGUN:
            self._begun += by
            return
        times = self._failures if outcome is Outcome.FAILED else self._proven
        if by > 0:
            insort(times, (at, name))
        else:
            del times[bisect_left(times, (at, name))]

    def _rate(self, subset: Subset) -> None:
        failed = self.failed[subset]
        value = e_value(failed, self.healthy[subset]) if failed > 1 else 0.0
        if value >= STOPS_AT and value >= self.stops_at(subset):
            self.hot[subset] = value
        else:
            self.hot.pop(subset, None)

    def subsets(self, name: str) -> tuple[Subset, ...]:
        """The sets that a host belongs to. Pairs are of factors in which hosts of the run differ."""
        node = self._nodes[name]
        values = tuple(sorted(node.factors.items()))
        traits = (node.combo, values)
        if traits not in self._known:
            pairs = combinations([value for value in values if value[0] in self._varying], 2)
            self._known[traits] = ((), ((COMBO, node.combo),), *((value,) for value in values), *pairs)
        return self._known[traits]

    @cached_property
    def _varying(self) -> frozenset[str]:
        values = {value for node in self._nodes.values() for value in node.factors.items()}
        levels = Counter(factor for factor, _ in values)
        return frozenset(factor for factor, count in levels.items() if count > 1)

    def stops_at(self, subset: Subset) -> float:
        """The e-value from which these hosts are stopped; infinite for those that another set describes as well."""
        share = self._shares.get(subset)
        return STOPS_AT / share if share else math.inf

    @cached_property
    def _sizes(self) -> Counter[Subset]:
        return Counter(subset for name in self._nodes for subset in self.subsets(name))

    @cached_property
    def _shares(self) -> dict[Subset, float]:
        """A pair of which one value says it all has none."""
        alike: dict[str, dict[tuple[str, ...], list[Subset]]] = {"combo": {}, "single": {}, "pair": {}}
        for subset, size in self._sizes.items():
            factors = tuple(factor for factor, _ in subset)
            if factors == (COMBO,):
                alike["combo"].setdefault(factors, []).append(subset)
            elif len(subset) == 1 and factors[0] in self._varying:
                alike["single"].setdefault(factors, []).append(subset)
            elif len(subset) == 2 and all(size < self._sizes[value,] for value in subset):
                alike["pair"].setdefault(factors, []).append(subset)
        whole = sum(SHARES[what] for what, found in alike.items() if found)
        shares = {}
        for what, found in alike.items():
            weights = {
                factors: min(MANY, len(subsets)) * (PLACE if self._places.intersection(factors) else 1.0)
                for factors, subsets in found.items()
            }
            for factors, subsets in found.items():
                each = SHARES[what] / whole * weights[factors] / math.fsum(weights.values()) / len(subsets)
                shares.update(dict.fromkeys(subsets, each))
        return shares

    def suspects(self, explained: Collection[Subset] = ()) -> list[Suspect]:
        """Who is to be stopped by what is known, the best explanation first; failures in the sets `explained` are no news.

        The best is that with the highest e-value, weighed by its share: a pair must explain more than a factor alone, for there are
        many pairs, and one of them is always unlucky.
        """
        if not self.hot:
            return []
        known = frozenset(explained)
        if self._suspects is None or self._suspects[0] != known:
            self._suspects = (known, self._ranked(known))
        return self._suspects[1]

    def _ranked(self, explained: frozenset[Subset]) -> list[Suspect]:
        left: dict[Subset, list[str]] = {}
        for _, name in self._failures:
            subsets = self.subsets(name)
            if explained.isdisjoint(subsets):
                for subset in subsets:
                    left.setdefault(subset, []).append(name)
        found = [
            self._suspect(subset, left[subset])
            for subset in self.hot
            if subset in left and subset not in explained
        ]
        hot = [suspect for suspect in found if suspect.e_value >= suspect.stops_at]
        return sorted(hot, key=lambda one: (-one.e_value / one.stops_at, len(one.subset), one.subset))

    def _suspect(self, subset: Subset, left: list[str]) -> Suspect:
        failed, healthy = self.failed[subset], self.healthy[subset]
        return Suspect(
            subset,
            failed,
            healthy,
            self.failed[()] - failed,
            self.healthy[()] - healthy,
            e_value(len(left), healthy) if len(left) > 1 else 0.0,
            self.stops_at(subset),
            frozenset(self._nodes[name].combo for name in left),
        )

    def left(self, subset: Subset) -> int:
        """How many hosts of the set have no outcome yet: those that a breaker could still keep from harm."""
        return self._sizes[subset] - self.harmed(subset) - self.healthy[subset]

    def value_of(self, subset: Subset) -> float:
        """The e-value of any set."""
        return e_value(self.failed[subset], self.healthy[subset])

    def combos_of(self, subset: Subset) -> frozenset[str]:
        """The combos that have hosts in the set."""
        return self._combos.get(subset, frozenset())

    @cached_property
    def _combos(self) -> dict[Subset, frozenset[str]]:
        found: dict[Subset, set[str]] = {}
        for name, node in self._nodes.items():
            for subset in self.subsets(name):
                found.setdefault(subset, set()).add(node.combo)
        return {subset: frozenset(combos) for subset, combos in found.items()}

    def spread(self, since: float, explained: Iterable[Subset]) -> Spread | None:
        """The failures since then, if they are too many, share no declared value, and the sets `explained` do not explain them as well."""
        after = (since, "\U0010ffff")
        recent = self._failures[bisect_right(self._failures, after) :]
        healthy = self._begun + len(self._proven) - bisect_right(self._proven, after)
        value = e_value(len(recent), healthy)
        if len(recent) < SPREAD_LEAST or value < SPREAD_STOPS_AT:
            return None
        names = [name for _, name in recent]
        combos = sorted({self._nodes[name].combo for name in names})
        shared = set(self.subsets(names[0])).intersection(*(self.subsets(name) for name in names[1:]))
        shares = any(len(subset) == 1 and subset[0][0] in self._varying for subset in shared)
        if len(combos) < 2 or shares or value <= self._explaining(names, explained):
            return None
        return Spread(len(recent), healthy, tuple(combos), recent[0][0], recent[-1][0], value)

    def _explaining(self, names: list[str], explained: Iterable[Subset]) -> float:
        """The e-value of what is known already: the product over its sets, each failure counted in one of them."""
        product, left = 1.0, names
        for subset in explained:
            inside = [name for name in left if subset in self.subsets(name)]
            left = [name for name in left if name not in inside]
            product *= max(1.0, e_value(len(inside), self.healthy[subset]))
        return product
