"""Who is a canary: every value, every pair, every combo, with as few hosts as greed finds, and the same whoever asks."""

import random
from dataclasses import replace
from itertools import combinations
from statistics import median

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rollout.graph.cover import cover
from rollout.graph.ladder import Choice, Ranks, loaded_hosts
from rollout.model.fleet import Host
from rollout.model.graph import Graph
from rollout.model.plan import RUNGS, Ladder, Plan
from tests.fleet import a_combo
from tests.graph.ladders import a_host, canaries, compiled, fleets, ladder_plans, on_ladder, rungs_of

TWO = (a_combo("a"), a_combo("b"))


# --- every fleet -------------------------------------------------------------------------------------------------------------


def standing(plan: Plan, fleet: list[Host]) -> list[Host]:
    """The hosts among which the ladder chooses, whatever waits for them."""
    sized = {rule.name for rule in plan.combos if rule.waves is not None}
    return [host for host in fleet if not host.last and host.factors["hardware"] not in sized]


def factors_of(plan: Plan) -> list[str]:
    given = plan.ladder.factors
    return [name for name in plan.factors if name not in plan.limits.per] if given is None else list(given)


@given(ladder_plans(), fleets())
def test_every_host_is_in_one_wave_and_every_value_and_pair_that_exists_has_a_canary(
    plan: Plan, fleet: list[Host]
) -> None:
    graph = compiled(plan, fleet)
    members = [name for wave in graph.waves.values() for name in wave.hosts]
    assert sorted(members) == sorted(graph.nodes) == sorted(host.name for host in fleet)
    hosts = {host.name: host for host in fleet}
    chosen = [hosts[name] for name in canaries(graph)]
    factors = factors_of(plan)
    if "factors" in plan.ladder.rungs:
        for factor in factors:
            covered = {host.factors[factor] for host in chosen}
            assert covered >= {host.factors[factor] for host in standing(plan, fleet)}
    if "pairs" in plan.ladder.rungs:
        for pair in combinations(factors, 2):
            covered_pairs = {tuple(host.factors[factor] for factor in pair) for host in chosen}
            existing = {tuple(host.factors[factor] for factor in pair) for host in standing(plan, fleet)}
            assert covered_pairs >= existing


@given(ladder_plans(), fleets())
def test_the_last_rung_leaves_no_combo_without_a_canary_and_none_with_idle_ones_alone(
    plan: Plan, fleet: list[Host]
) -> None:
    plan = replace(plan, ladder=replace(plan.ladder, rungs=RUNGS))
    graph = compiled(plan, fleet)
    chosen = set(canaries(graph))
    for combo, waves in graph.waves_of.items():
        assert waves[0].canary
        own = [host for host in standing(plan, fleet) if host.factors["hardware"] == combo]
        loaded = {host.name for host in loaded_hosts(own)}
        assert not loaded or loaded & chosen


@given(ladder_plans(), fleets(), st.randoms())
def test_neither_the_order_of_the_inventory_nor_the_day_moves_a_canary(
    plan: Plan, fleet: list[Host], shuffler: random.Random
) -> None:
    plan = replace(plan, combos=tuple(replace(rule, waves=None) for rule in plan.combos))
    shuffled = list(fleet)
    shuffler.shuffle(shuffled)
    again = compiled(plan, shuffled)
    assert again.waves == compiled(plan, fleet).waves
    assert list(again.nodes) == list(compiled(plan, fleet).nodes)


# --- the choice --------------------------------------------------------------------------------------------------------------


def test_the_first_host_is_the_least_valuable() -> None:
    hosts = [a_host("h1", guests=5), a_host("h2", guests=2), a_host("h3"), a_host("h4", guests=2)]
    first = rungs_of(compiled(on_ladder(), hosts))["one"]
    assert first in (["h2"], ["h4"]), (
        "fewest guests; who is not known to have few is no better than who has many"
    )


def test_a_pilot_goes_before_all_and_what_is_last_never_while_there_is_another() -> None:
    hosts = [a_host("h1", guests=0, last=True), a_host("h2", guests=0), a_host("h3", guests=9, pilot=True)]
    assert rungs_of(compiled(on_ladder(), hosts))["one"] == ["h3"]
    assert rungs_of(compiled(on_ladder(), [hosts[0], replace(hosts[1], guests=5)]))["one"] == ["h2"]


def test_another_plan_tries_other_hosts() -> None:
    hosts = [a_host(f"h{number}") for number in range(20)]
    firsts = {canaries(compiled(on_ladder(), hosts, seed=str(plan)))[0] for plan in range(20)}
    assert len(firsts) > 5


def test_the_rungs_of_a_small_fleet() -> None:
    hosts = [
        a_host("a1", kind="k1", guests=0),
        a_host("a2", kind="k2", guests=3),
        a_host("a3", kind="k2", guests=9),
        a_host("b1", "b", kind="k1", guests=1),
        a_host("b2", "b", kind="k2", guests=1),
        a_host("b3", "b", kind="k2", guests=1),
    ]
    graph = compiled(on_ladder(*TWO, ladder=Ladder(factors=("hardware", "kind"))), hosts)
    rungs = rungs_of(graph)
    assert rungs["one"] == ["a1"]
    assert rungs["factors"] in (["b2"], ["b3"]), "one host for the two values that were left"
    assert rungs["pairs"] == ["a2", "b1"], "the pairs that were left, each by its host with fewest guests"
    assert rungs["ramp"] in (["a3", "b3"], ["a3", "b2"])
    assert "combos" not in rungs, "a2 is loaded enough: a rung without hosts vanishes"


def test_a_combo_whose_canaries_are_idle_gets_a_loaded_one() -> None:
    hosts = [a_host(f"h{number}", guests=number) for number in range(9)]
    rungs = rungs_of(compiled(on_ladder(), hosts))
    assert (rungs["one"], rungs["combos"]) == (["h0"], ["h4"]), "the median host: not the most loaded"
    alike = [a_host(f"h{number}", guests=3) for number in range(9)]
    assert "combos" not in rungs_of(compiled(on_ladder(), alike))


def test_loaded_is_the_median_of_those_that_are_known() -> None:
    hosts = [a_host("h1", guests=0), a_host("h2", guests=4), a_host("h3"), a_host("h4", guests=8)]
    assert [host.name for host in loaded_hosts(hosts)] == ["h2", "h4"]
    assert loaded_hosts(hosts[2:]) == []
    assert median([0, 4, 8]) == 4


def test_canaries_are_spread_over_failure_domains() -> None:
    hosts = [a_host(f"h{number}", kind=f"k{number % 4}", rack=f"r{number // 4}") for number in range(16)]
    graph = compiled(on_ladder(per=("rack",), ladder=Ladder(("factors",))), hosts)
    racks = [graph.nodes[name].factors["rack"] for name in canaries(graph)]
    assert sorted(racks) == ["r0", "r1", "r2", "r3"]


def test_a_factor_that_limits_count_by_is_not_covered_unless_the_plan_says_so() -> None:
    hosts = [a_host(f"h{number}", rack=f"r{number % 8}") for number in range(64)]
    assert len(canaries(compiled(on_ladder(per=("rack",)), hosts))) == 1
    everything = on_ladder(per=("rack",), ladder=Ladder(factors=("hardware", "rack")))
    graph = compiled(everything, hosts)
    assert len(canaries(graph)) == 8
    assert graph.notes == (
        "8 of 64 hosts are canaries, mostly for factor rack, which has 8 values; `waves.factors: [hardware]` leaves it out",
    )


def test_the_ramp_takes_the_failure_domains_in_turn() -> None:
    hosts = [a_host(f"h{number:02}", rack=f"r{number // 6}") for number in range(18)]
    graph = compiled(on_ladder(per=("rack",), ladder=Ladder(("one",))), hosts)
    order = [graph.nodes[name].factors["rack"] for name in graph.waves["a/2"].hosts]
    assert {frozenset(order[begin : begin + 3]) for begin in range(0, 15, 3)} == {
        frozenset({"r0", "r1", "r2"})
    }
    assert list(graph.nodes) == [name for wave in graph.waves.values() for name in wave.hosts]


# --- how much is looked at ---------------------------------------------------------------------------------------------------


def _looks(hosts: int) -> tuple[int, int]:
    """How often a candidate was judged, and how many were chosen, of hosts that all differ."""
    chance = random.Random(7)
    values = [[(factor, chance.randrange(8)) for factor in range(6)] for _ in range(hosts)]
    sets = [list(combinations(one, 2)) for one in values]
    looks = 0

    def preference(number: int) -> tuple[int, ...]:
        nonlocal looks
        looks += 1
        return (number,)

    return len(list(cover(sets, (), preference))), looks


def test_the_work_grows_with_the_fleet_not_with_fleet_times_canaries() -> None:
    few, looks_at_few = _looks(500)
    many, looks_at_many = _looks(4000)
    assert few > 64, "every pair of 8 x 8 values"
    assert looks_at_few < 500 * few / 4
    assert looks_at_many < 4000 * many / 16
    assert looks_at_many < 8 * looks_at_few * 1.5


def test_greed_takes_what_covers_most_and_stops_when_all_is_covered() -> None:
    sets = [["a"], ["a", "b"], ["c", "d", "e"], ["b", "c"], []]
    assert list(cover(sets, (), lambda number: (number,))) == [2, 1]
    assert list(cover(sets, "cde", lambda number: (number,))) == [1]
    assert list(cover(sets, "abcde", lambda number: (number,))) == []


def test_a_preference_that_grew_while_others_were_chosen_counts() -> None:
    taken: set[int] = set()
    sets = [["a"], ["b"], ["c"]]
    alike = {0: "x", 1: "x", 2: "y"}

    def preference(number: int) -> tuple[int, ...]:
        return (sum(alike[one] == alike[number] for one in taken), number)

    order = []
    for number in cover(sets, (), preference):
        taken.add(number)
        order.append(number)
    assert order == [0, 2, 1]


def test_canaries_of_stages_before_count() -> None:
    known = [a_host("k1", kind="k1"), a_host("k2", kind="k2")]
    hosts = [a_host("h1", kind="k1"), a_host("h2", kind="k3")]
    choice = Choice(("kind",), (), Ranks([*known, *hosts], "s"), known)
    choice.climb(("one", "factors", "pairs"), {"a": hosts})
    assert {rung: [host.name for host in found] for rung, found in choice.rungs.items()} == {
        "one": [],
        "factors": ["h2"],
        "pairs": [],
    }


@pytest.mark.parametrize("rungs", [("one",), ("combos",), ("pairs", "combos"), RUNGS])
def test_any_part_of_the_ladder_will_do(rungs: tuple[str, ...]) -> None:
    hosts = [a_host(f"{hardware}{number}", hardware) for hardware in "ab" for number in range(5)]
    graph: Graph = compiled(on_ladder(*TWO, ladder=Ladder(rungs)), hosts)  # type: ignore[arg-type]
    assert list(graph.rungs)[-1] == "ramp"
    assert set(graph.rungs) <= {*rungs, "ramp"}
    assert len(graph.nodes) == 10
