"""Runs whose plan changes under them."""

from collections import Counter

import pytest

from rollout.model.event import Kind
from rollout.model.progress import LEFT
from tests.engine.amendments import carried


@pytest.mark.parametrize("first", range(0, 80, 20))
def test_no_amendment_breaks_a_rule(first: int) -> None:
    for seed in range(first, first + 20):
        run = carried(seed)
        assert not run.world.overlaps, seed


@pytest.mark.parametrize("first", range(0, 40, 20))
def test_where_nothing_fails_every_host_that_stays_is_upgraded_in_the_end(first: int) -> None:
    for seed in range(first, first + 20):
        run = carried(seed, calm=True)
        left = Counter(host.status for host in run.state.hosts.values())
        assert run.stop.exit_code == 0, (seed, run.stop, left)
        assert set(left) <= {"verified", *LEFT}, (seed, left)


@pytest.mark.full
@pytest.mark.parametrize("first", range(1000, 3000, 100))
@pytest.mark.parametrize("calm", [True, False])
def test_no_amendment_of_many_breaks_a_rule(first: int, calm: bool) -> None:
    for seed in range(first, first + 100):
        run = carried(seed, calm=calm)
        assert not run.world.overlaps, seed
        assert not (calm and run.stop.exit_code), seed


def test_what_is_drawn_is_of_every_kind() -> None:
    """Otherwise the rules hold because nothing happens."""
    runs = [carried(seed) for seed in range(200, 230)]
    made = [one for run in runs for one in run.amendments]
    assert len(made) > len(runs)
    assert any(run.refused for run in runs)
    for what in ("excluded", "gone", "new", "credit", "gates", "past", "kept"):
        assert any(getattr(one, what) for one in made), what
    assert any(host.discounted for run in runs for host in run.state.hosts.values())
    assert sum(event.kind is Kind.AMENDED for run in runs for event in run.events) == len(made)
