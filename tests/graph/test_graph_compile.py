"""Plan and fleet become waves: their sizes, their order, their limits, and the digest that names it all."""

import json
from dataclasses import replace

import pytest
from hypothesis import given, settings

from rollout.errors import PlanInvalid
from rollout.graph import compile_graph
from rollout.model.fleet import Fleet, Host
from rollout.model.graph import Graph, Need
from rollout.model.plan import After, Amount, Budget, Failures, Limits, Plan
from rollout.report import changes
from tests.engine.worlds import Case, cases
from tests.fleet import a_combo, a_fleet, a_graph, a_plan

ALL = Amount(100, percent=True)


def percent(number: float) -> Amount:
    return Amount(number, percent=True)


def sizes(graph: Graph, combo: str = "a") -> list[int]:
    return [len(wave.hosts) for wave in graph.waves_of[combo]]


@pytest.mark.parametrize(
    ("hosts", "waves", "expected"),
    [
        (10, [Amount(1), ALL], [1, 9]),
        (10, [Amount(1), percent(50), ALL], [1, 4, 5]),
        (100, [Amount(1), percent(5), percent(25), ALL], [1, 4, 20, 75]),
        (10, [Amount(1), percent(5), percent(25), ALL], [1, 1, 8]),
        (3, [Amount(1), percent(5), percent(25), ALL], [1, 2]),
        (1, [Amount(1), percent(50), ALL], [1]),
        (2, [Amount(5), ALL], [2]),
        (10, [ALL], [10]),
        (10, [Amount(2), Amount(4)], [2, 2]),
        (7, [percent(33), ALL], [2, 5]),
        (200, [percent(0.1), ALL], [1, 199]),
        (1000, [percent(29), ALL], [290, 710]),
    ],
)
def test_wave_sizes_are_cumulative_and_equal_ones_collapse(
    hosts: int, waves: list[Amount], expected: list[int]
) -> None:
    assert sizes(a_graph({"a": hosts}, a_plan(waves=waves))) == expected


def test_waves_keep_inventory_order_and_each_waits_for_the_one_before() -> None:
    graph = a_graph({"a": 4}, a_plan(waves=[Amount(1), Amount(2), ALL]))
    first, second, third = graph.waves.values()
    assert (first.hosts, second.hosts, third.hosts) == (("a1",), ("a2",), ("a3", "a4"))
    assert [wave.canary for wave in (first, second, third)] == [True, False, False]
    assert first.needs == ()
    assert second.needs == (Need(wave="a/1"),)
    assert third.needs == (Need(wave="a/2"),)


def test_hosts_that_no_wave_reaches_are_excluded_and_waited_for_by_nobody() -> None:
    plan = a_plan(a_combo("a"), a_combo("b", after=[After("a")]), waves=[Amount(2)])
    graph = a_graph({"a": 5, "b": 1}, plan)
    assert [(u.host, u.word, u.because) for u in graph.untouched] == [
        (name, "excluded", "no wave of a reaches it") for name in ("a3", "a4", "a5")
    ]
    assert graph.combos["a"].hosts == 2


@pytest.mark.parametrize(
    ("until", "need"),
    [
        ("canaries", Need(wave="a/1")),
        (0.95, Need(combo="a", share=0.95)),
        (1.0, Need(combo="a", share=1.0)),
    ],
)
def test_after(until: object, need: Need) -> None:
    after = After("a", until)  # type: ignore[arg-type]
    graph = a_graph({"b": 3, "a": 3}, a_plan(a_combo("b", after=[after]), a_combo("a")))
    assert graph.waves["b/1"].needs == (need,)
    assert graph.waves["b/2"].needs == (Need(wave="b/1"),)
    assert list(graph.combos) == ["a", "b"]


def test_a_combo_without_hosts_is_waited_for_by_nobody_and_said() -> None:
    plan = a_plan(a_combo("a"), a_combo("b", after=[After("a", "canaries")]))
    graph = a_graph({"b": 2}, plan)
    assert graph.waves["b/1"].needs == ()
    assert graph.notes == (
        "combo a matches no host",
        "combo b waits for a, which has no host to upgrade: it does not wait",
    )


def test_a_combo_whose_hosts_are_all_there_already_has_no_waves() -> None:
    plan = a_plan(a_combo("a"), a_combo("b", after=[After("a")]))
    there = a_fleet({"a": 2}, os="new").hosts
    graph = compile_graph(plan, Fleet((*there, *a_fleet({"b": 1}).hosts)), {})
    assert (graph.combos["a"].hosts, graph.combos["a"].current) == (0, 2)
    assert list(graph.waves) == ["b/1"]
    assert graph.waves["b/1"].needs == (Need(combo="a", share=1.0),)


def test_cycles_are_named_one_problem_for_each() -> None:
    plan = a_plan(
        a_combo("a", after=[After("c")]),
        a_combo("b", after=[After("a")]),
        a_combo("c", after=[After("b")]),
        a_combo("x", after=[After("y")]),
        a_combo("y", after=[After("x")]),
        a_combo("lone", after=[After("a")]),
    )
    with pytest.raises(PlanInvalid) as raised:
        a_graph({"a": 1, "x": 1}, plan)
    assert [problem.message for problem in raised.value.problems] == [
        "a cycle: a after c after b after a",
        "a cycle: x after y after x",
    ]


def test_percent_of_a_domain_counts_the_whole_inventory_and_at_once_the_selected() -> None:
    fleet = a_fleet({"a": 8}, racks=2)
    sizes = {"rack": {"r0": 40, "r1": 9}}
    plan = a_plan(limits=Limits(at_once=percent(25), per={"rack": percent(10)}))
    graph = compile_graph(plan, Fleet(fleet.hosts, sizes), {})
    assert graph.caps == {"fleet": 2, "rack=r0": 4, "rack=r1": 1}
    assert graph.nodes["a2"].slots == ("fleet", "rack=r0")


def test_a_host_that_is_not_selected_makes_a_plan_stale_if_it_moves_a_limit() -> None:
    fleet = a_fleet({"a": 8}, racks=2)
    plan = a_plan(limits=Limits(at_once=percent(25), per={"rack": percent(10)}))

    def compiled(r0: int) -> Graph:
        return compile_graph(plan, Fleet(fleet.hosts, {"rack": {"r0": r0, "r1": 9}}), {"plan": "1"})

    assert compiled(40).digest == compiled(49).digest != compiled(50).digest
    assert changes.graphs(compiled(40), compiled(50)) == ["limit per rack was 4, is 5: r0"]
    assert (
        changes.parts(compiled(40).parts, {"plan": "1"}) == []
    )  # a run goes on with the limits that it began with


@pytest.mark.parametrize(
    ("amount", "total", "expected"),
    [
        (Amount(3), 10, 3),
        (Amount(30), 10, 30),
        (percent(5), 10, 1),
        (percent(29), 100, 29),
        (percent(99.9), 1000, 999),
        (percent(100), 7, 7),
    ],
)
def test_amounts_round_down_but_never_to_nothing(amount: Amount, total: int, expected: int) -> None:
    assert amount.of(total) == expected


def test_tolerances_and_the_run_without_one() -> None:
    graph = a_graph({"a": 5}, a_plan(failures=Failures(1, 2, None)))
    assert (graph.tolerated_canary, graph.tolerated_combo, graph.tolerated_run) == (1, {"a": 2}, 5)


def test_budgets_are_numbers_of_the_hosts_to_upgrade_and_resolved_once() -> None:
    share = Budget(Amount(10, percent=True), 2)
    failures = Failures(0, share, Budget(Amount(5, percent=True)), {"rack": 1, "hardware": share}, "halt")
    plan = a_plan(a_combo("a"), a_combo("b"), failures=failures)
    graph = a_graph({"a": 39, "b": 5}, plan, racks=2)
    assert (graph.tolerated_combo, graph.tolerated_run, graph.on_fault) == ({"a": 3, "b": 2}, 2, "halt")
    assert graph.tolerated_per == {"rack=r1": 1, "hardware=a": 3, "rack=r0": 1, "hardware=b": 2}
    assert Graph.from_json(json.loads(json.dumps(graph.to_json()))) == graph


def test_a_combo_that_is_judged_by_evidence_alone_has_no_budget() -> None:
    assert a_graph({"a": 5}, a_plan(failures=Failures(combo="evidence"))).tolerated_combo == {}


def test_a_graph_of_an_earlier_version_has_one_budget_for_all_combos() -> None:
    graph = a_graph({"a": 3, "b": 2})
    old = {**graph.to_json(), "tolerated": [1, 2, 3]}
    del old["on_fault"]
    read = Graph.from_json(json.loads(json.dumps(old)))
    assert (read.tolerated_canary, read.tolerated_combo, read.tolerated_run) == (1, {"a": 2, "b": 2}, 3)
    assert (read.tolerated_per, read.on_fault) == ({}, "isolate")


# --- the digest --------------------------------------------------------------------------------------------------------------


def digest(plan: Plan | None = None, fleet: Fleet | None = None, parts: dict[str, str] | None = None) -> str:
    return compile_graph(
        plan or a_plan(), fleet or a_fleet({"a": 3}), parts or {"plan": "p", "verify.yml": "v"}
    ).digest


def with_host(change: Host) -> Fleet:
    fleet = a_fleet({"a": 3})
    return Fleet((*fleet.hosts[:2], change), fleet.domain_sizes)


def test_the_same_in_gives_the_same_out() -> None:
    assert digest() == digest()
    assert digest(parts={"verify.yml": "v", "plan": "p"}) == digest(parts={"plan": "p", "verify.yml": "v"})


def test_the_order_in_which_factors_were_read_is_nothing() -> None:
    last = a_fleet({"a": 3}).hosts[2]
    turned = replace(last, factors=dict(reversed(list(last.factors.items()))))
    assert digest(fleet=with_host(turned)) == digest()


@pytest.mark.parametrize(
    "change",
    [{"digest": "other"}, {"name": "a9"}, {"factors": {"hardware": "a", "os": "old", "rack": "elsewhere"}}],
)
def test_a_changed_host_changes_it(change: dict[str, object]) -> None:
    last = a_fleet({"a": 3}).hosts[2]
    assert digest(fleet=with_host(replace(last, **change))) != digest()  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "parts",
    [{"plan": "p", "verify.yml": "other"}, {"plan": "p"}, {"plan": "p", "verify.yml": "v", "new.yml": "n"}],
)
def test_a_changed_file_changes_it(parts: dict[str, str]) -> None:
    assert digest(parts=parts) != digest()


def test_hosts_in_another_order_change_it_for_they_change_the_waves() -> None:
    fleet = a_fleet({"a": 3})
    assert digest(fleet=Fleet(tuple(reversed(fleet.hosts)), fleet.domain_sizes)) != digest()


# --- a plan is data ----------------------------------------------------------------------------------------------------------


@settings(max_examples=50)
@given(cases())
def test_a_graph_comes_back_from_json_as_it_was(case: Case) -> None:
    written = json.dumps(case.graph.to_json())
    back = Graph.from_json(json.loads(written))
    assert back == case.graph
    assert json.dumps(back.to_json()) == written


@settings(max_examples=50)
@given(cases())
def test_every_selected_host_is_in_one_wave_or_said_to_be_in_none(case: Case) -> None:
    graph = case.graph
    members = [name for wave in graph.waves.values() for name in wave.hosts]
    assert sorted(members) == sorted(graph.nodes)
    assert not set(members) & {untouched.host for untouched in graph.untouched}
    for node in graph.nodes.values():
        assert node.name in graph.waves[node.wave].hosts
        assert all(graph.caps[slot] >= 1 for slot in node.slots)
