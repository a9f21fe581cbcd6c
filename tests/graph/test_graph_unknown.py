"""Combos of which nobody knows whether they can be upgraded: touched only if somebody wants it, and after all that is known."""

from dataclasses import replace

import networkx as nx
import pytest

from rollout.graph import compile_graph
from rollout.model.fleet import Fleet
from rollout.model.graph import Graph, Need
from rollout.model.plan import After, Amount, ComboRule, Plan
from rollout.model.verdict import Given
from tests.fleet import a_combo, a_fleet, a_plan
from tests.graph.ladders import a_host, on_ladder, rungs_of, waits

WANTED = Given("2026-11-23", allow_unknown=True)


def unknown(name: str, *after: After) -> ComboRule:
    return replace(a_combo(name, after=after), verdict="unknown")


def climbed(*combos: ComboRule, given: Given = WANTED) -> Graph:
    hosts = [a_host(f"{rule.name}{number}", rule.name) for rule in combos for number in range(3)]
    return compile_graph(on_ladder(*combos), Fleet(tuple(hosts)), {"plan": "p"}, given)


def test_without_a_word_they_are_not_touched() -> None:
    graph = climbed(a_combo("a"), unknown("x"), given=Given("2026-11-23"))
    assert {node.combo for node in graph.nodes.values()} == {"a"}
    assert {(one.word, one.cause) for one in graph.untouched} == {("excluded", "declared")}
    assert all(one.because.startswith("unknown: ") for one in graph.untouched)


def test_they_climb_after_the_canaries_of_all_that_is_known() -> None:
    graph = climbed(unknown("x"), a_combo("a"), a_combo("b"))
    first = graph.waves["x/1"]
    assert first.rung.endswith("-unknown")
    assert len(first.hosts) == 1
    assert Need(rung="combos") in first.needs or Need(rung="factors") in first.needs
    names = [name for rung, hosts in rungs_of(graph).items() if rung in {"one", "factors", "pairs", "combos"} for name in hosts]  # fmt: skip
    assert not any(name.startswith("x") for name in names)
    assert graph.combos["x"].verdict == "unknown"


def test_what_waits_for_them_does_not_wait_for_itself() -> None:
    graph = climbed(a_combo("a"), unknown("x", After("a")), a_combo("b", after=[After("x", "canaries")]), unknown("y"))  # fmt: skip
    assert nx.is_directed_acyclic_graph(waits(graph))
    assert nx.has_path(waits(graph), "b/1", "x/1")
    assert nx.has_path(waits(graph), "x/1", "a/1")


@pytest.mark.parametrize("scope", ["combo", "fleet"])
def test_with_sizes_of_waves_they_are_combos_like_others(scope: str) -> None:
    plan: Plan = replace(a_plan(a_combo("a"), unknown("x"), waves=[Amount(1), Amount(100, percent=True)]), scope=scope)  # type: ignore[arg-type]  # fmt: skip
    graph = compile_graph(plan, a_fleet({"a": 3, "x": 3}), {}, WANTED)
    assert sum(len(wave.hosts) for wave in graph.waves_of["x"]) == 3
    assert graph.waves_of["x"][0].canary


def test_the_word_is_part_of_the_graph_and_of_its_digest() -> None:
    with_word, without = (
        climbed(a_combo("a"), unknown("x")),
        climbed(a_combo("a"), unknown("x"), given=Given()),
    )
    assert with_word.allow_unknown
    assert with_word.digest != without.digest
    assert Graph.from_json(with_word.to_json()) == with_word
