"""What outcomes say about hosts that share something: the formula, the index, the bound on false stops, and who is named."""

import math
import random
from collections.abc import Mapping
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rollout.model.breaker import COMBO, Subset, covers, data_of, key_in, key_of, subset_of
from rollout.model.evidence import GRID, P0, STOPS_AT, Evidence, e_value
from rollout.model.graph import Node
from rollout.model.progress import HostState, Status

LEVELS = {"hardware": 4, "nic": 4, "os": 2, "rack": 10}


def a_node(name: str, combo: str, factors: Mapping[str, str]) -> Node:
    return Node(name, combo, f"{combo}/1", ("fleet",), factors)


def a_fleet(size: int, seed: int = 0) -> dict[str, Node]:
    """Hosts whose combo is their hardware and OS."""
    dice = random.Random(seed)
    nodes = {}
    for number in range(size):
        factors = {factor: f"{factor[0]}{dice.randrange(levels)}" for factor, levels in LEVELS.items()}
        nodes[f"h{number}"] = a_node(f"h{number}", f"{factors['hardware']}-{factors['os']}", factors)
    return nodes


def a_host(name: str, outcome: str, at: float = 0.0) -> HostState:
    if outcome == "failed":
        return HostState(name, status=Status.HELD, slot=True, harmed=True, attempt=1, judged_at=at)
    if outcome == "begun":
        return HostState(name, status=Status.RUNNING, slot=True, judged_at=at)
    return HostState(name, status=Status.VERIFIED if outcome == "healthy" else Status.WAITING, judged_at=at)


def seen(
    nodes: Mapping[str, Node], failed: str = "", healthy: str = "", places: tuple[str, ...] = ()
) -> Evidence:
    evidence = Evidence(nodes, places)
    for outcome, names in (("failed", failed), ("healthy", healthy)):
        for at, name in enumerate(names.split()):
            evidence.see(a_host(name, outcome, float(at)))
    return evidence


# --- the formula ---------------------------------------------------------------------------------------------------------


def test_the_e_value_is_the_mean_of_likelihood_ratios() -> None:
    ratios = [(rate / P0) ** 3 * ((1 - rate) / (1 - P0)) ** 20 for rate in GRID]
    assert e_value(3, 20) == pytest.approx(sum(ratios) / len(GRID))
    assert e_value(0, 0) == 1


@pytest.mark.parametrize(("failed", "most"), [(2, 9), (3, 30)])
def test_so_many_failures_are_evidence_among_so_few_hosts(failed: int, most: int) -> None:
    assert e_value(failed, most) >= STOPS_AT > e_value(failed, most + 1)


def test_no_number_of_hosts_is_too_large() -> None:
    assert math.isfinite(e_value(100_000, 0))
    assert e_value(0, 100_000) < 1e-300 or e_value(0, 100_000) == 0


@given(failed=st.integers(0, 30), healthy=st.integers(0, 300))
def test_one_more_host_changes_nothing_on_average_at_the_rate_of_a_healthy_fleet(
    failed: int, healthy: int
) -> None:
    """The property on which Ville's inequality rests."""
    after = P0 * e_value(failed + 1, healthy) + (1 - P0) * e_value(failed, healthy + 1)
    assert after == pytest.approx(e_value(failed, healthy))


# --- the index -----------------------------------------------------------------------------------------------------------

SMALL = a_fleet(12)
happenings = st.lists(
    st.tuples(
        st.sampled_from(sorted(SMALL)),
        st.sampled_from(["begun", "healthy", "failed", "failed", "waiting"]),
        st.integers(0, 5),
    ),
    max_size=40,
)


@given(happenings)
def test_a_kept_index_is_the_one_that_is_built_anew(told: list[tuple[str, str, int]]) -> None:
    kept, hosts = Evidence(SMALL, ["rack"]), {}
    for name, outcome, at in told:
        hosts[name] = a_host(name, outcome, float(at))
        kept.see(hosts[name])
        kept.suspects()
    built = Evidence(SMALL, ["rack"])
    for name in sorted(hosts):
        built.see(hosts[name])
    assert (+kept.failed, +kept.healthy, kept.hot) == (+built.failed, +built.healthy, built.hot)
    assert kept.suspects() == built.suspects()
    for since in (0.0, 2.0):
        assert kept.spread(since, ()) == built.spread(since, ())


def test_a_host_that_walks_back_or_was_given_up_says_nothing() -> None:
    assert replace(a_host("h1", "healthy"), back="a person asked").outcome is None
    assert HostState("h1", status=Status.RETIRED).outcome is None
    assert HostState("h1", status=Status.RETIRED, harmed=True, attempt=1).outcome == "failed"
    assert HostState("h1", status=Status.HELD, harmed=True).outcome == "untried"


def test_the_shares_of_all_sets_are_one_budget() -> None:
    evidence = Evidence(a_fleet(200), ["rack"])
    subsets = {subset for name in a_fleet(200) for subset in evidence.subsets(name)}
    shares = [STOPS_AT / evidence.stops_at(subset) for subset in subsets]
    assert sum(shares) == pytest.approx(1)
    single = [evidence.stops_at(((factor, f"{factor[0]}0"),)) for factor in ("os", "nic", "rack")]
    assert single == sorted(single), "the more values, the more evidence; and a place is blamed less often"
    assert evidence.stops_at(()) == math.inf, "the whole run is judged by what its failures do not share"


# --- the bound -----------------------------------------------------------------------------------------------------------


def test_a_healthy_fleet_is_hardly_ever_stopped() -> None:
    """Ville: at most 5 % of runs over 1,000 hosts at the rate of a healthy fleet, 50 in flight, failures known before successes."""
    nodes, runs = a_fleet(1000), 20
    stopped = sum(_is_stopped(nodes, seed) for seed in range(runs))
    assert stopped <= 0.05 * runs


def _is_stopped(nodes: Mapping[str, Node], seed: int) -> bool:
    dice = random.Random(seed)
    evidence, in_flight = Evidence(nodes, ["rack"]), list[str]()
    for at, name in enumerate(dice.sample(sorted(nodes), len(nodes))):
        evidence.see(a_host(name, "begun"))
        if dice.random() < P0:
            evidence.see(a_host(name, "failed", at))
        else:
            in_flight.append(name)
        if len(in_flight) > 50:
            evidence.see(a_host(in_flight.pop(0), "healthy", at))
        if evidence.hot or evidence.spread(0.0, ()) or evidence.spread(at - 60.0, ()):
            return True
    return False


@pytest.mark.full
def test_nor_in_many_runs() -> None:
    nodes, runs = a_fleet(1000), 300
    assert sum(_is_stopped(nodes, seed) for seed in range(runs)) <= 0.05 * runs


# --- who is named --------------------------------------------------------------------------------------------------------

NIC_1: Subset = (("nic", "n1"),)


def some(*kinds: tuple[str, str, str, str]) -> dict[str, Node]:
    """Hosts h1, h2, ... of such a hardware, nic, OS and rack, and ten more of each value for those to come."""
    more = [(f"h{number % 4}", f"n{number % 4}", f"o{number % 2}", f"r{number % 10}") for number in range(40)]
    nodes = {}
    for number, (hardware, nic, os, rack) in enumerate([*kinds, *more], 1):
        factors = {"hardware": hardware, "nic": nic, "os": os, "rack": rack}
        nodes[f"h{number}"] = a_node(f"h{number}", f"{hardware}-{os}", factors)
    return nodes


def test_a_factor_is_named_with_the_counts_on_both_sides() -> None:
    nodes = some(
        ("h0", "n1", "o0", "r0"), ("h1", "n1", "o1", "r1"), ("h2", "n0", "o0", "r2"), ("h2", "n2", "o1", "r3")
    )
    (suspect,) = seen(nodes, failed="h1 h2", healthy="h3 h4").suspects()
    assert suspect.subset == NIC_1
    assert suspect.combos == {"h0-o0", "h1-o1"}
    assert (suspect.failed, suspect.healthy, suspect.failed_outside, suspect.healthy_outside) == (2, 0, 0, 2)
    assert suspect.e_value == e_value(2, 0) >= suspect.stops_at


def test_a_pair_is_blamed_only_when_hosts_with_one_value_of_it_are_healthy() -> None:
    guilty, of_nic, of_os = ("n1", "o0"), ("n1", "o1"), ("n0", "o0")
    kinds = [(f"h{number % 4}", *guilty, f"r{number}") for number in range(4)]
    kinds += [(f"h{number % 4}", *of_nic, f"r{number}") for number in range(6)]
    kinds += [(f"h{number % 4}", *of_os, f"r{number}") for number in range(6)]
    nodes = some(*kinds)
    alone = seen(nodes, failed="h1 h2 h3").suspects()
    assert len(alone[0].subset) == 1
    compared = seen(nodes, failed="h1 h2 h3 h4", healthy=" ".join(f"h{number}" for number in range(5, 17)))
    assert compared.suspects()[0].subset == (("nic", "n1"), ("os", "o0"))


def test_what_is_explained_is_no_news_and_what_is_not_is() -> None:
    nodes = some(*((f"h{number % 2}", "n1", "o0", f"r{number}") for number in range(3)))
    evidence = seen(nodes, failed="h1 h2 h3")
    assert evidence.suspects()[0].subset == NIC_1
    assert evidence.suspects([NIC_1]) == []
    assert evidence.suspects([(("nic", "n2"),)])[0].subset == NIC_1


def test_hosts_that_share_nothing_are_a_common_cause() -> None:
    nodes = some(*((f"h{number}", f"n{number}", f"o{number % 2}", f"r{number}") for number in range(4)))
    spread = seen(nodes, failed="h1 h2 h3 h4", healthy="h5 h6").spread(-1.0, ())
    assert spread is not None
    assert (spread.failed, spread.healthy, len(spread.combos)) == (4, 2, 4)
    assert (spread.first, spread.last) == (0.0, 3.0)


@pytest.mark.parametrize(
    ("failed", "healthy", "since", "explained"),
    [
        ("h1 h2", "", -1.0, ()),
        ("h1 h2 h3", " ".join(f"h{number}" for number in range(5, 45)), -1.0, ()),
        ("h1 h2 h3 h4", "", 1.0, ()),
        ("h1 h5 h9", "", -1.0, ()),
        ("h1 h5 h2 h6", "h3 h4 h7 h8", -1.0, ((("nic", "n0"),), (("nic", "n1"),))),
    ],
    ids=["too few", "too many healthy", "too long ago", "a shared value", "explained"],
)
def test_and_other_failures_are_not(
    failed: str, healthy: str, since: float, explained: tuple[Subset, ...]
) -> None:
    nodes = some(
        *((f"h{number % 4}", f"n{number % 4}", f"o{number % 2}", f"r{number}") for number in range(10))
    )
    assert seen(nodes, failed, healthy).spread(since, explained) is None


def test_planted_defects_are_named_and_harm_few() -> None:
    """Of one value and of two, that break all or three tenths of the hosts that have it; the rest of the fleet goes on."""
    told = [_planted(seed, share) for seed in range(20) for share in (1.0, 0.3)]
    assert sum(named for named, _ in told) >= 0.9 * len(told)
    assert sum(harmed for _, harmed in told) <= 4 * len(told)


def _planted(seed: int, share: float) -> tuple[bool, int]:
    """Whether just the hosts that have it are stopped in the end, under one name; and how many it harmed until then."""
    dice = random.Random(f"{seed}/{share}")
    nodes = a_fleet(400, seed)
    factors = dice.sample(["hardware", "nic", "os"], 1 + seed % 2)
    guilty = key_of(tuple(sorted((factor, f"{factor[0]}{dice.randrange(2)}") for factor in factors)))
    concerned = {name for name, node in nodes.items() if covers(guilty, node)}
    evidence, stopped, harmed = Evidence(nodes, ["rack"]), list[Subset](), 0
    for at, name in enumerate(dice.sample(sorted(nodes), len(nodes))):
        if any(covers(key_of(subset), nodes[name]) for subset in stopped):
            continue
        is_hit = name in concerned and dice.random() < share
        harmed += is_hit
        evidence.see(a_host(name, "failed" if is_hit else "healthy", at))
        stopped += [suspect.subset for suspect in evidence.suspects(stopped)[:1]]
    reach = [{name for name, node in nodes.items() if covers(key_of(subset), node)} for subset in stopped]
    return concerned in reach, harmed


# --- keys ----------------------------------------------------------------------------------------------------------------

values = st.text(min_size=1, max_size=12) | st.sampled_from(
    ['a & os="b"', "a=b", '"', "\\", " a ", "a & b", "é"]
)


@given(
    st.dictionaries(
        st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,8}", fullmatch=True), values, min_size=1, max_size=2
    )
)
def test_a_key_says_what_it_stops(factors: dict[str, str]) -> None:
    subset = tuple(sorted(factors.items()))
    key = key_of(subset)
    assert subset_of(key) == subset
    assert key_in(data_of(subset)) == key
    assert key.isprintable()
    assert covers(key, a_node("h1", "a", factors))
    assert not covers(key, a_node("h1", "a", {**factors, subset[0][0]: subset[0][1] + "x"}))


def test_the_keys_of_a_combo_and_of_the_run() -> None:
    node = a_node("h1", "r650-kvm", {"hardware": "R650"})
    assert covers("", node)
    assert covers("r650-kvm", node)
    assert not covers("dl360-kvm", node)
    assert key_of(((COMBO, "r650-kvm"),)) == "r650-kvm"
    assert key_of((("hardware", "R650"), ("os", "debian-12"))) == "hardware=R650 & os=debian-12"
    assert [key_in(data_of(subset_of(key))) for key in ("", "r650-kvm")] == ["", "r650-kvm"]
