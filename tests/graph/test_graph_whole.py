"""Whatever a plan says, and whatever is known of its hosts: what can be said of every graph that comes of it."""

import json
from collections import Counter

import networkx as nx
from hypothesis import given, settings
from hypothesis import strategies as st

from rollout.errors import DONE
from rollout.executors.rehearsal import World
from rollout.journal.memory import MemoryJournal
from rollout.model.graph import Graph
from rollout.model.state import Status
from tests.engine.worlds import Patience
from tests.fleet import an_engine
from tests.graph.ladders import waits
from tests.graph.whole import TODAY, Whole, against, has_a_way, is_there, wholes

long = settings(deadline=None, max_examples=min(settings().max_examples, 1500))


@long
@given(wholes())
def test_each_host_is_in_one_wave_or_is_left_alone_for_a_reason(whole: Whole) -> None:
    graph = whole.compiled()
    placed = [name for wave in graph.waves.values() for name in wave.hosts]
    alone = [one.host for one in graph.untouched]
    assert Counter([*placed, *alone]) == Counter(host.name for host in whole.hosts)
    assert set(placed) == set(graph.nodes)
    assert all(one.because for one in graph.untouched)
    assert all(wave.hosts for wave in graph.waves.values())
    for name, node in graph.nodes.items():
        assert name in graph.waves[node.wave].hosts
        assert node.combo == graph.waves[node.wave].combo
    hosts = Counter(node.combo for node in graph.nodes.values())
    assert {name: combo.hosts for name, combo in graph.combos.items() if combo.hosts} == hosts
    current = Counter(one.combo for one in graph.untouched if one.word == "current")
    there: Counter[str | None] = Counter()
    for combo in graph.combos.values():
        there[combo.of_rule] += combo.current
    assert +there == current


@long
@given(wholes())
def test_what_is_known_against_a_host_keeps_it_from_being_begun(whole: Whole) -> None:
    graph = whole.compiled()
    rules = {rule.name: rule for rule in whole.plan.combos}
    for host in whole.hosts:
        node = graph.nodes.get(host.name)
        if node is not None:
            combo = graph.combos[node.combo]
            assert against(whole, rules[combo.of_rule], host) == set()
            assert not is_there(host)
            assert has_a_way(whole, rules[combo.of_rule], host)
            assert combo.verdict != "blocked"
            assert combo.verdict != "unknown" or whole.given.allow_unknown
            assert (combo.verdict == "waived") <= bool(node.waivers)
            assert combo.verdict == "supported" or combo.because
    by_name = {waiver.name: waiver for waiver in graph.waivers}
    used = {name for node in graph.nodes.values() for name in node.waivers}
    assert used == set(by_name)
    assert all(waiver.expires >= TODAY for waiver in by_name.values())


@long
@given(wholes())
def test_nothing_waits_for_what_is_not_there_or_for_itself(whole: Whole) -> None:
    graph = whole.compiled()
    for wave in graph.waves.values():
        for need in wave.needs:
            assert need.wave is None or need.wave in graph.waves
            assert need.combo is None or need.combo in graph.combos
            assert need.rung is None or need.rung in graph.rungs
            assert need.approved is None
    assert nx.is_directed_acyclic_graph(waits(graph))
    for combo in graph.combos.values():
        names = [step.name for step in combo.chain]
        assert len(set(names)) == len(names)


@long
@given(wholes())
def test_what_is_kept_as_json_is_the_graph(whole: Whole) -> None:
    graph = whole.compiled()
    assert Graph.from_json(json.loads(json.dumps(graph.to_json()))) == graph


@long
@given(wholes(), st.data())
def test_the_order_of_the_inventory_says_nothing_of_who_is_touched(whole: Whole, data: st.DataObject) -> None:
    order = data.draw(st.permutations(range(len(whole.hosts))))
    graph, other = whole.compiled(), whole.compiled(order)
    told, again = ({one.host: one for one in each.untouched} for each in (graph, other))
    assert told == again
    assert {name: node.combo for name, node in graph.nodes.items()} == {name: node.combo for name, node in other.nodes.items()}  # fmt: skip
    for name, combo in graph.combos.items():
        assert set(combo.because) == set(other.combos[name].because)
        assert (combo.verdict, combo.chain, combo.hops) == (other.combos[name].verdict, other.combos[name].chain, other.combos[name].hops)  # fmt: skip
    if whole.plan.waves is None and not any(rule.waves for rule in whole.plan.combos):
        waves, others = ({wave.id: (set(wave.hosts), set(wave.needs)) for wave in each.waves.values()} for each in (graph, other))  # fmt: skip
        assert waves == others, "canaries are chosen by what hosts are"


@settings(max_examples=100, deadline=None)
@given(wholes())
def test_a_run_of_it_in_which_nothing_fails_ends_with_all_hosts_verified(whole: Whole) -> None:
    graph = whole.compiled()
    inbox = Patience(1000.0)
    journal = MemoryJournal(inbox.now)
    journal.create("run", graph, plan_file="plan.yml", created_by="test")
    engine = an_engine(graph, journal, World(inbox.now), inbox)
    assert engine.run().exit_code == DONE
    assert {host.status for host in engine.state.hosts.values()} <= {Status.VERIFIED}
    for name, node in graph.nodes.items():
        walked = [
            event.step
            for event in journal.events("run")
            if event.kind == "step-intended" and event.host == name
        ]
        assert walked == [step.name for step in graph.combos[node.combo].chain]
