import math
from fractions import Fraction
from itertools import combinations, permutations, product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rollout.model import ranks
from rollout.model.ranks import Rank, Stratum, e_value, sequential, van_elteren

VALUES = st.integers(-3, 3).map(float)
STRATUM = st.builds(
    lambda upgraded, controls: Stratum(tuple(upgraded), tuple(controls)),
    st.lists(VALUES, min_size=1, max_size=3),
    st.lists(VALUES, min_size=1, max_size=4),
)


def middle_rank(pooled: tuple[float, ...], value: float) -> Fraction:
    below = sum(other < value for other in pooled)
    return below + Fraction(pooled.count(value) + 1, 2)


def by_enumeration(strata: list[Stratum]) -> float:
    """The same test, by looking at every choice of the upgraded hosts."""
    sides = []
    seen = Fraction(0)
    for stratum in strata:
        pooled = (*stratum.upgraded, *stratum.controls)
        weight = Fraction(1, len(pooled) + 1)
        placed = [weight * middle_rank(pooled, value) for value in pooled]
        seen += sum(placed[: len(stratum.upgraded)])
        sides.append([sum(chosen) for chosen in combinations(placed, len(stratum.upgraded))])
    every = [sum(sums) for sums in product(*sides)]
    return sum(total >= seen for total in every) / len(every)


@given(st.lists(STRATUM, min_size=1, max_size=2))
def test_the_exact_test_is_what_enumeration_says(strata: list[Stratum]) -> None:
    assert van_elteren(strata) == pytest.approx(by_enumeration(strata), abs=1e-12)


def test_one_stratum_is_wilcoxons_test() -> None:
    """Hollander and Wolfe's permeability of human chorioamnion at term and earlier: W = 35 of 50, one-sided p = 0.1272."""
    term = (0.80, 0.83, 1.89, 1.04, 1.45, 1.38, 1.91, 1.64, 0.73, 1.46)
    earlier = (1.15, 0.88, 0.90, 0.74, 1.21)
    assert van_elteren([Stratum(term, earlier)]) == pytest.approx(0.1272, abs=5e-5)


def test_the_approximation_is_near_the_exact_test(monkeypatch: pytest.MonkeyPatch) -> None:
    strata = [
        Stratum((3.0, 5.0, 5.0, 8.0, 9.0), (1.0, 2.0, 3.0, 4.0, 4.0, 6.0, 7.0, 7.0)),
        Stratum((2.0, 2.5, 7.0, 9.0), (1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0)),
    ]
    exact = van_elteren(strata)
    monkeypatch.setattr(ranks, "MOST_CELLS", 0)
    assert van_elteren(strata) == pytest.approx(exact, abs=0.01)
    assert van_elteren([Stratum((1.0, 1.0), (1.0, 1.0, 1.0))]) == 1.0


def test_thousands_of_hosts_are_compared_at_once() -> None:
    controls = tuple(float(number) for number in range(3000))
    assert van_elteren([Stratum(tuple(2900.0 + number for number in range(500)), controls)]) < 1e-9
    assert van_elteren([Stratum(controls, controls)]) == pytest.approx(0.5, abs=0.01)


@given(st.lists(st.integers(-9, 9), min_size=3, max_size=7, unique=True), st.integers(1, 8))
def test_a_worse_host_never_raises_p(values: list[int], more: int) -> None:
    """Where nothing ties: a tie that is new makes all sums coarser."""
    first, *others = map(float, values)
    before = Stratum((first, *others[:1]), tuple(others[1:]))
    assert van_elteren([Stratum((first + more + 0.5, *others[:1]), before.controls)]) <= van_elteren([before])


def test_nothing_to_compare_is_no_evidence() -> None:
    assert van_elteren([]) == van_elteren([Stratum((), (1.0,)), Stratum((1.0,), ())]) == 1.0
    assert e_value([]) == 1.0


def test_ranks_are_among_those_before() -> None:
    found = sequential([5.0, 1.0, 5.0], [5.0, 2.0])
    assert found == [Rank(1, 3, 3), Rank(0, 1, 4), Rank(2, 5, 5)]


@given(st.lists(VALUES, min_size=4, max_size=5))
def test_evidence_has_a_mean_of_one_however_values_tie(values: list[float]) -> None:
    """Over every order in which the hosts of a fleet may be upgraded: three of them, one after another, the others controls."""
    every = [e_value(sequential(order[:3], order[3:])) for order in permutations(values)]
    assert math.fsum(every) / len(every) == pytest.approx(1.0)


@given(st.lists(VALUES, min_size=3, max_size=6))
def test_each_rank_is_fair_whatever_came_before(values: list[float]) -> None:
    seen = [Rank(4, 5, 5), Rank(1, 2, 6)]
    every = [
        e_value([*seen, *sequential([value], values[:number] + values[number + 1 :])])
        for number, value in enumerate(values)
    ]
    assert math.fsum(every) / len(every) == pytest.approx(e_value(seen))


def test_one_host_never_stops_a_run() -> None:
    assert e_value([Rank(9999, 10000, 10000)]) < 100


def test_how_many_hosts_could_tell() -> None:
    for controls in (3, 12, 100):
        number = ranks.needed(controls, 100.0)
        assert number is not None
        worst = [Rank(controls, controls + 1, controls + 1)] * number
        assert e_value(worst) >= 100 > e_value(worst[:-1])
    assert ranks.needed(1, 1e9, most=3) is None


def test_a_host_that_is_better_is_no_evidence() -> None:
    assert e_value([Rank(0, 1, 100)] * 20) < 0.1
