"""A few dozen imagined rollouts of the thousand in benchmarks/comparison.py: counts with wide margins."""

import pytest

from benchmarks.comparison import EFFECTS, a_gate, a_world, asked, judged_by_kayenta, rolled_out
from benchmarks.kayenta import fails
from benchmarks.series import World, a_fleet


def test_healthy_fleets_go_on() -> None:
    """Seeds fixed; a gate that stopped one in ten would be found out."""
    worlds = [a_world(seed, hosts=30, counter=counter) for seed in range(1, 5) for counter in (False, True)]
    assert [told.verdict.because for told in map(rolled_out, worlds) if told.stopped] == []


@pytest.mark.parametrize("effect", EFFECTS)
def test_one_look_at_the_end_tells_when_it_would_have_stopped(effect: str) -> None:
    """Because what is asked for later changes nothing about what was known before."""
    world = World(3, hosts=30, combos=1, share=0.6, **EFFECTS[effect])
    fleet, gate = a_fleet(world), a_gate(world)
    now = fleet.begin // 900 * 900 + 60
    told = asked(fleet, gate, now)
    while not told.stopped and now < fleet.end:
        now += 900
        told = asked(fleet, gate, now)
    assert told.stopped
    assert told == rolled_out(world)


@pytest.mark.parametrize("effect", EFFECTS)
def test_what_an_upgrade_harms_is_found(effect: str) -> None:
    for seed in range(2):
        told = rolled_out(World(seed, hosts=40, combos=1, share=1.0, **EFFECTS[effect]))
        assert told.stopped
        assert told.upgraded < 20


def test_kayenta_judges_points_of_time() -> None:
    steady = [10.0 + number % 3 for number in range(36)]
    assert not fails(steady, steady)
    assert not fails([], steady)
    assert not fails([*steady[1:], 10.0], steady)
    assert fails([value + 2 for value in steady], steady)


def test_kayenta_blames_canaries_for_what_lasts_a_while() -> None:
    blamed = [judged_by_kayenta(a_fleet(a_world(seed)), scaled=True) for seed in range(1, 13)]
    assert 0 < sum(blamed) < len(blamed)
