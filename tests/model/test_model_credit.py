"""The ramp's credit: the rule of three, and what late failures take back."""

from math import exp, factorial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rollout.model.credit import allowed, bound


def poisson_at_most(events: int, mean: float) -> float:
    return sum(exp(-mean) * mean**number / factorial(number) for number in range(events + 1))


@pytest.mark.parametrize("late", range(12))
def test_the_bound_is_the_mean_under_which_so_few_failures_have_a_chance_of_five_per_cent(late: int) -> None:
    assert poisson_at_most(late, bound(late)) == pytest.approx(0.05, abs=0.002)


@pytest.mark.parametrize(
    ("harm", "verified", "late", "expected"),
    [
        (3, 0, 0, 1),
        (3, 1, 0, 1),
        (3, 2, 0, 2),
        (3, 12, 0, 12),
        (1, 12, 0, 4),
        (3, 12, 1, 7),
        (3, 12, 2, 5),
        (0.1, 5, 3, 1),
    ],
)
def test_how_many_may_be_in_flight(harm: float, verified: int, late: int, expected: int) -> None:
    assert allowed(harm, verified, late) == expected


@given(st.floats(0.01, 100), st.integers(0, 10_000), st.integers(0, 200))
def test_proof_gives_credit_and_late_failures_take_it(harm: float, verified: int, late: int) -> None:
    assert (
        1
        <= allowed(harm, verified, late + 1)
        <= allowed(harm, verified, late)
        <= allowed(harm, verified + 1, late)
    )
