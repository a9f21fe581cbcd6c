import math
from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rollout.model import exposure
from rollout.model.cohort import Cohort, Peer
from rollout.model.exposure import Stretch, count, e_value

WINDOW = 100.0
NOW = 10_000.0


@given(st.integers(1, 4), st.integers(1, 5), st.integers(0, 9))
def test_evidence_has_a_mean_of_one_in_each_stretch(upgraded: int, controls: int, events: int) -> None:
    """Over every choice of so many hosts that show events, the past being whatever it was."""
    past = [Stretch(3, 7, 2, 1), Stretch(1, 6, 0, 2)]
    hosts = range(upgraded + controls)
    every = []
    for chosen in combinations(hosts, min(events, len(hosts))):
        hits = sum(host < upgraded for host in chosen)
        every.append(e_value([*past, Stretch(upgraded, controls, hits, len(chosen) - hits)]))
    assert math.fsum(every) / len(every) == pytest.approx(e_value(past))


def test_no_event_and_nobody_to_compare_with_are_no_evidence() -> None:
    assert e_value([]) == e_value([Stretch(5, 90, 0, 0), Stretch(0, 90, 0, 9), Stretch(5, 0, 5, 0)]) == 1.0


@given(st.integers(1, 20), st.integers(1, 200), st.integers(0, 5))
def test_one_more_upgraded_host_with_events_never_lowers_it(upgraded: int, controls: int, noisy: int) -> None:
    noisy = min(noisy, controls)
    values = [e_value([Stretch(upgraded, controls, hits, noisy)]) for hits in range(upgraded + 1)]
    assert values == sorted(values)


def test_twice_as_often_is_under_the_effect_of_interest() -> None:
    assert e_value([Stretch(50, 50, 4, 4)] * 20) < 1 < e_value([Stretch(50, 50, 20, 2)])


def test_everybody_at_once_costs_nothing_that_grows() -> None:
    assert e_value([Stretch(4000, 6000, 4000, 6000)]) == pytest.approx(1.0)
    assert math.isfinite(e_value([Stretch(2000, 6000, 2000, 0)] * 3))


def a_fleet(upgraded: int, controls: int, healthy_at: float = 9_000.0) -> Cohort:
    """Upgraded one after another from 9,000 on."""
    up = [
        Peer(f"u{n}", "c", "upgraded", disrupted_at=8_800.0, healthy_at=healthy_at) for n in range(upgraded)
    ]
    return Cohort((*up, *(Peer(f"c{n}", "c", "untouched") for n in range(controls))))


def read(cohort: Cohort, events: dict[tuple[str, float], float]) -> dict[float, dict[str, float]]:
    return {
        end: {peer.host: events.get((peer.host, end), 0.0) for peer in cohort.peers}
        for end in exposure.ends(cohort, WINDOW, NOW)
    }


def test_a_host_with_a_thousand_events_is_one_host() -> None:
    cohort = a_fleet(3, 20)
    many = read(cohort, {("u0", end): 1000.0 for end in (9300.0, 9400.0, 9500.0, 9900.0)})
    one = read(cohort, {("u0", 9300.0): 1.0})
    found = count(cohort, many, WINDOW, 50.0, NOW, 1.0)
    assert found.fired == {"u0": 1000.0}
    assert found.e_value == count(cohort, one, WINDOW, 50.0, NOW, 1.0).e_value


def test_a_host_that_showed_events_before_says_nothing() -> None:
    cohort = a_fleet(3, 20)
    events = {(f"u{n}", end): 5.0 for n in range(3) for end in (8000.0, 9300.0)}
    found = count(cohort, read(cohort, events), WINDOW, 50.0, NOW, 1.0)
    assert (found.noisy, found.fired, found.e_value) == ({"u0", "u1", "u2"}, {}, 1.0)


def test_what_happens_while_a_host_is_being_upgraded_is_not_counted() -> None:
    cohort = a_fleet(3, 20)
    events = {(f"u{n}", end): 5.0 for n in range(3) for end in (8900.0, 9000.0, 9100.0)}
    assert count(cohort, read(cohort, events), WINDOW, 50.0, NOW, 1.0).fired == {}


def test_hosts_that_show_events_after_their_upgrade_are_evidence() -> None:
    cohort = a_fleet(4, 20)
    events = {(f"u{n}", 9300.0): 0.97 for n in range(4)}
    found = count(cohort, read(cohort, events), WINDOW, 50.0, NOW, 1.0)
    assert found.e_value > 100
    assert count(cohort, read(cohort, events), WINDOW, 50.0, NOW, 2.0).fired == {}
    alike = {**events, **{(f"c{n}", 9300.0): 1.0 for n in range(20)}}
    assert count(cohort, read(cohort, alike), WINDOW, 50.0, NOW, 1.0).e_value < 2


def test_an_early_host_and_a_late_one_both_count() -> None:
    cohort = a_fleet(4, 20)
    late = {(f"u{n}", 9900.0): 3.0 for n in range(4)}
    assert count(cohort, read(cohort, late), WINDOW, 50.0, NOW, 1.0).e_value > 50


def test_silence_is_told_and_a_dark_stretch_tells_nothing() -> None:
    cohort = a_fleet(2, 4)
    readings = read(cohort, {("u0", 9500.0): 7.0})
    readings[9900.0] = {"u0": 0.0}
    readings[9800.0].pop("u0")
    readings[9700.0]["u1"] = math.nan
    found = count(cohort, readings, WINDOW, 50.0, NOW, 1.0)
    assert found.dark == [9900.0]
    assert found.silent == []
    del readings[9900.0], readings[9800.0]["u1"]
    found = count(cohort, readings, WINDOW, 50.0, NOW, 1.0)
    assert found.dark == [9900.0]
    assert count(cohort, {**readings, 9900.0: readings[9800.0]}, WINDOW, 50.0, NOW, 1.0).silent == [
        "u0",
        "u1",
    ]


@given(st.sets(st.tuples(st.sampled_from(["u0", "u1", "c0", "c3"]), st.integers(70, 99)), max_size=8))
def test_what_happens_later_changes_nothing_about_the_past(when: set[tuple[str, int]]) -> None:
    """Asked at 9,500, and asked of the same moment again when more is known: the stretches are the same, and more follow."""
    cohort = a_fleet(3, 5)
    readings = read(cohort, {(host, number * WINDOW): 1.0 for host, number in when})
    early = count(cohort, readings, WINDOW, 50.0, 9_530.0, 1.0)
    late = count(cohort, readings, WINDOW, 50.0, NOW, 1.0)
    assert late.stretches[: len(early.stretches)] == early.stretches
    assert late.young[: len(early.young)] == early.young
    assert len(late.stretches) > len(early.stretches)


def test_how_many_hosts_could_tell() -> None:
    number = exposure.needed(50, 100.0)
    assert number is not None
    assert e_value([Stretch(number, 50, number, 0)]) >= 100
    assert e_value([Stretch(number - 1, 50, number - 1, 0)]) < 100
    assert exposure.needed(0, 100.0, most=5) is None
