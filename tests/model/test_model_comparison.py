import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rollout.model import comparison
from rollout.model.cohort import Cohort, Peer
from rollout.model.comparison import DAY, Readings, compare, trials
from rollout.model.ranks import Rank, e_value

WINDOW, SETTLE = 600.0, 60.0
BEGIN = 600_000.0


def an_upgraded(name: str, disrupted: float, healthy: float, combo: str = "c") -> Peer:
    return Peer(name, combo, "upgraded", disrupted_at=BEGIN + disrupted, healthy_at=BEGIN + healthy)


def untouched(number: int, combo: str = "c") -> list[Peer]:
    return [Peer(f"{combo}{index}", combo, "untouched") for index in range(number)]


def test_windows_lie_before_the_first_touch_and_after_the_last_boot() -> None:
    cohort = Cohort((an_upgraded("a", 10, 200), an_upgraded("b", 400, 230), *untouched(4)))
    (trial,) = trials(cohort, WINDOW, SETTLE, BEGIN + 5000).full
    assert (trial.begin, trial.before, trial.after) == (BEGIN - 600, BEGIN, BEGIN + 900)
    assert trial.hosts == ("a", "b")
    assert trial.controls == ("c0", "c1", "c2", "c3")
    assert trial.instants == [trial.before, trial.after]


def test_a_window_counts_once_it_is_full_and_stored() -> None:
    cohort = Cohort((an_upgraded("a", 10, 200), *untouched(4)))
    early = trials(cohort, WINDOW, SETTLE, BEGIN + 900 + 59)
    assert (early.full, early.watched, early.until) == ((), ("a",), BEGIN + 960)
    assert len(trials(cohort, WINDOW, SETTLE, BEGIN + 960).full) == 1


def test_controls_are_hosts_of_the_combo_that_stay_untouched_to_the_end_of_the_window() -> None:
    late = Peer("late", "c", "disrupted", disrupted_at=BEGIN + 900)
    soon = Peer("soon", "c", "disrupted", disrupted_at=BEGIN + 899)
    there = Peer("there", "c", "out")
    held = Peer("held", "c", "failed")
    cohort = Cohort(
        (an_upgraded("a", 10, 200), late, soon, there, held, *untouched(2), *untouched(3, "other"))
    )
    (trial,) = trials(cohort, WINDOW, SETTLE, BEGIN + 5000).full
    assert trial.controls == ("late", "c0", "c1")
    assert not trial.own


def test_without_controls_the_days_before_are_read() -> None:
    (trial,) = trials(Cohort((an_upgraded("a", 10, 200), *untouched(2))), WINDOW, SETTLE, BEGIN + 5000).full
    assert trial.own
    assert trial.pasts[0] == (BEGIN - DAY, BEGIN + 900 - DAY)
    assert len(trial.instants) == 2 + 2 * comparison.DAYS


PEERS = st.lists(
    st.tuples(st.integers(0, 9000), st.integers(60, 2000), st.sampled_from("cd")), min_size=1, max_size=8
)


@given(PEERS, st.integers(0, 12_000), st.integers(0, 6000))
def test_asked_again_the_past_is_the_same(hosts: list[tuple[int, int, str]], now: int, later: int) -> None:
    """Whoever has been compared stays compared with the same hosts over the same windows, while others come in."""
    peers = [
        an_upgraded(f"u{index}", at, at + lasts, combo) for index, (at, lasts, combo) in enumerate(hosts)
    ]

    def as_of(moment: float) -> Cohort:
        seen = []
        for peer in peers:
            if peer.healthy_at <= moment:
                seen.append(peer)
            elif peer.disrupted_at <= moment:
                seen.append(Peer(peer.host, peer.combo, "disrupted", disrupted_at=peer.disrupted_at))
            else:
                seen.append(Peer(peer.host, peer.combo, "untouched"))
        return Cohort((*seen, *untouched(2)))

    first = trials(as_of(BEGIN + now), WINDOW, SETTLE, BEGIN + now).full
    second = trials(as_of(BEGIN + now + later), WINDOW, SETTLE, BEGIN + now + later).full
    assert second[: len(first)] == first


def read(peers: Cohort, values: dict[str, tuple[float, float]], before: float, after: float) -> Readings:
    return {
        end: {name: pair[index] for name, pair in values.items() if not math.isnan(pair[index])}
        for index, end in enumerate((before, after))
    }


def a_comparison(values: dict[str, tuple[float, float]], *, higher: bool = True, relative: bool = True):  # type: ignore[no-untyped-def]  # noqa: ANN201  short
    cohort = Cohort((an_upgraded("a", 10, 200), *untouched(4)))
    full = trials(cohort, WINDOW, SETTLE, BEGIN + 5000).full
    return compare(full, read(cohort, values, BEGIN, BEGIN + 900), higher=higher, relative=relative)


LOADED = {"a": (10.0, 30.0), "c0": (10.0, 20.0), "c1": (20.0, 40.0), "c2": (5.0, 10.0), "c3": (8.0, 17.0)}


def test_load_that_befalls_all_is_no_change() -> None:
    found = a_comparison({**LOADED, "a": (10.0, 20.0)})
    assert found.ranks[0].middle == pytest.approx(0.5, abs=0.2)
    assert found.changes[0].excess == pytest.approx(0.0, abs=0.05)


def test_a_host_that_rose_more_than_its_controls_ranks_highest() -> None:
    found = a_comparison(LOADED)
    assert found.ranks == [Rank(4, 5, 5)]
    assert found.changes[0].excess == pytest.approx(0.9, abs=0.1)
    assert a_comparison(LOADED, higher=False).ranks == [Rank(0, 1, 5)]
    assert a_comparison(LOADED, relative=False).changes[0].excess == pytest.approx(20 - 9.5)


def test_a_host_without_a_value_is_named_unless_nobody_has_one() -> None:
    assert a_comparison({**LOADED, "a": (10.0, math.nan)}).silent == ["a"]
    assert a_comparison({**LOADED, "a": (math.inf, 3.0)}).silent == ["a"]
    dark = a_comparison({"a": (10.0, 20.0), "c0": (10.0, 20.0)})
    assert (len(dark.dark), dark.silent, dark.ranks) == (1, [], [])


def test_a_share_of_what_is_below_zero_means_nothing() -> None:
    with pytest.raises(ValueError, match="below zero"):
        a_comparison({**LOADED, "c1": (-1.0, 3.0)})
    assert a_comparison({**LOADED, "c1": (-1.0, 3.0)}, relative=False).ranks


def test_a_metric_that_is_nothing_everywhere_is_no_evidence() -> None:
    found = a_comparison(dict.fromkeys(LOADED, (0.0, 0.0)))
    assert found.ranks == [Rank(0, 5, 5)]
    assert e_value(found.ranks) == pytest.approx(1.0)


def own_readings(peers: list[Peer], today: float, seed: int = 1) -> Readings:
    """Values of 8 days at every half window: daily load and a little noise; on the last day times `today` from BEGIN on."""
    rng = random.Random(seed)
    found: dict[float, dict[str, float]] = {}
    for number in range(round(8.5 * DAY / 300)):
        at = BEGIN - 7.5 * DAY + 300 * number
        load = 10 + 5 * math.sin(2 * math.pi * at / DAY)
        more = today if at > BEGIN else 1.0
        found[at] = {peer.host: load * more * rng.uniform(0.95, 1.05) for peer in peers}
    return found


def test_own_history_tells_a_change_from_daily_load_and_calls_one_shift_one_observation() -> None:
    peers = [an_upgraded(f"u{n}", 300 * n + 1, 300 * n + 200, f"c{n}") for n in range(6)]
    full = trials(Cohort(tuple(peers)), WINDOW, SETTLE, BEGIN + 20_000).full
    calm = compare(full, own_readings(peers, 1.0), higher=True, relative=True)
    assert len(full) == 6
    assert len(calm.own_ranks) < 4
    assert abs(comparison.effect(calm.own_changes, calm.own_usual)) < 0.1
    shifted = compare(full, own_readings(peers, 2.0), higher=True, relative=True)
    assert next(rank.high for rank in shifted.own_ranks) == 8
    assert sum(rank.high == 8 for rank in shifted.own_ranks) < 3
    assert e_value(shifted.own_ranks) < 1000


def test_with_neither_controls_nor_history_a_host_is_alone() -> None:
    peers = [an_upgraded("a", 10, 200)]
    full = trials(Cohort(tuple(peers)), WINDOW, SETTLE, BEGIN + 5000).full
    found = compare(full, {BEGIN: {"a": 1.0}, BEGIN + 900: {"a": 1.0}}, higher=True, relative=True)
    assert (found.alone, found.own_ranks) == (["a"], [])
