"""What differs between two compilations of a plan: complete as a value, bounded for a person, harmless in a merge request."""

import json
from collections.abc import Callable
from dataclasses import fields, replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rollout.graph import compile_graph
from rollout.model.chain import Step
from rollout.model.fleet import Fleet, Host
from rollout.model.graph import Combo, Graph, Need, Node, Untouched
from rollout.model.plan import Amount, GateRule, Identity, Limits, Moment, Risk
from rollout.model.verdict import Waiver
from rollout.model.windows import Calendar, Weekly, Window
from rollout.model.zones import UTC, Zone
from rollout.report import diff
from rollout.report.comparison import compare
from rollout.report.markdown import code, fenced, table
from tests.fleet import a_combo, a_fleet, a_graph, a_plan

GATE = GateRule("http", "http", Moment("after", "verify"), {"url": "http://secret"})
RISK = Risk("apt", "lock", "remedy", remedy=Step("remedy-apt", playbook="fix.yml"))
WAIVER = Waiver("w", ("unknown",), "lab", "me", "2026-12-31")
WINDOWS = Calendar((Window(True, (Weekly((0,), 0, 3600.0),), text="Mon 00:00 + 1h"),), {UTC: Zone(UTC)})


def rich() -> Graph:
    """A graph of which every part is there."""
    plan = a_plan(a_combo("a"), a_combo("b"), limits=Limits(Amount(4), {"rack": Amount(1)}), gates=[GATE])
    graph = compile_graph(
        plan, a_fleet({"a": 6, "b": 3}), {"plan": "p", "upgrade.yml": "1", "ansible-core": "2.19.1"}
    )
    return replace(
        graph,
        risks=(RISK,),
        waivers=(WAIVER,),
        harm=3.0,
        calendar=WINDOWS,
        deadline=1e9,
        tolerated_per={"rack=r0": 1},
    )


def said(before: Graph, after: Graph) -> list[str]:
    return diff.sentences(compare(before, after))


def test_a_graph_does_not_differ_from_itself_nor_from_what_was_saved_of_it() -> None:
    graph = rich()
    again = Graph.from_json(json.loads(json.dumps(graph.to_json())))
    assert not compare(graph, again).differs
    assert diff.text(compare(graph, again)) == f"plan plan: no difference, digest {graph.digest[:12]}\n"
    assert compare(graph, replace(graph, digest="other")).differs


CHAIN = rich().combos["a"].chain
OTHER_CHAIN = (
    *CHAIN[:1],
    replace(CHAIN[1], timeout=2000.0, undo=Step("undo-upgrade", playbook="undo.yml")),
    *CHAIN[2:],
)
LEFT_OUT = {"nodes", "notes", "plan", "digest", "seed", "shape"}
"""Of a graph: hosts have tests of their own; notes say what the plan's text says; seed and shape show in the waves."""
NEW_VALUES: dict[str, tuple[Any, str]] = {
    "combos": ({}, "combo is gone: 2 combos: a, b"),
    "waves": ({}, ""),
    "gates": ((), "gate http (after verify) is gone"),
    "caps": (
        {"fleet": 9, "rack=r0": 1, "rack=r1": 1, "rack=r2": 2, "rack=r3": 2},
        "limit per rack was 1, is 2: r2, r3",
    ),
    "controller": (7, "limit: controller was 100, is 7"),
    "tolerated_canary": (1, "failures tolerated among canaries was 0, is 1"),
    "tolerated_combo": ({"a": 2, "b": 0}, "failures tolerated in a combo was 0, is 2: a"),
    "tolerated_run": (3, "failures tolerated in the run was no limit, is 3"),
    "untouched": ((Untouched("x", "excluded", "blocked"),), "host is new, excluded: blocked: 1 host: x"),
    "parts": ({"plan": "q", "ansible-core": "2.19.2"}, "ansible-core was 2.19.1, is 2.19.2"),
    "risks": ((replace(RISK, then="hold", because="x"),), "risk apt: then was remedy, is hold"),
    "tolerated_per": ({"rack=r0": 2}, "failures tolerated per value was 1, is 2: rack=r0"),
    "on_fault": ("halt", "on fault was isolate, is halt"),
    "harm": (None, "harm was 3.0, is none"),
    "approval_to_begin": (True, "approval to begin was no, is yes"),
    "identity": (
        Identity("https://gitlab.example", "rollout", "ops/hosts"),
        "identity was none, is ops/hosts of https://gitlab.example for rollout",
    ),
    "four_eyes": (True, "four eyes was no, is yes"),
    "calendar": (None, "window allow Mon 00:00 + 1h UTC is gone"),
    "deadline": (None, "deadline was 2001-09-09 01:46:40Z, is none"),
    "allow_unknown": (True, "allow unknown was no, is yes"),
    "waivers": ((replace(WAIVER, expires="2027-01-01"),), "waiver w: expires was 2026-12-31, is 2027-01-01"),
}


def test_every_field_of_a_graph_is_compared() -> None:
    assert {field.name for field in fields(Graph)} == LEFT_OUT | NEW_VALUES.keys()


@pytest.mark.parametrize("field", [field for field in NEW_VALUES if field != "waves"])
def test_a_field_that_differs_is_told(field: str) -> None:
    value, sentence = NEW_VALUES[field]
    before = rich()
    changed: Any = {field: value}
    assert sentence in said(before, replace(before, **changed))


@pytest.mark.parametrize(
    ("field", "value", "sentence"),
    [
        ("chain", OTHER_CHAIN, "step upgrade: timeout was 16m40s, is 33m20s: 1 combo: a"),
        ("chain", OTHER_CHAIN, "undo of upgrade is new: 1 combo: a"),
        ("chain", CHAIN[:3], "steps was precheck, upgrade, reboot, verify, is precheck, upgrade, reboot: 1 combo: a"),
        ("to", {"os": ("newer", "newest")}, "to was os new, is os newer or newest: 1 combo: a"),
        ("verdict", "unknown", "verdict was supported, is unknown: 1 combo: a"),
        ("because", ("no row",), "because was none, is no row: 1 combo: a"),
        ("hops", ("12", "13"), "hops was none, is 12, 13: 1 combo: a"),
        ("guests_ignored", "lab", "guests ignored was none, is lab: 1 combo: a"),
    ],
)  # fmt: skip
def test_what_differs_in_a_combo_is_told(field: str, value: object, sentence: str) -> None:
    before = rich()
    changed: Any = {field: value}
    after = replace(before, combos={**before.combos, "a": replace(before.combos["a"], **changed)})
    assert sentence in said(before, after)


def test_every_field_of_a_combo_is_compared() -> None:
    told = {"chain", "to", "verdict", "because", "hops", "guests_ignored"}
    follows = {
        "name",
        "hosts",
        "current",
        "learned",
        "rule",
    }  # from where the hosts are, or from earlier runs
    assert {field.name for field in fields(Combo)} == told | follows


def test_every_field_of_a_host_is_compared() -> None:
    told = {"name", "combo", "wave", "factors", "address", "digest", "zones", "risks", "waivers", "to"}
    follows = {
        "slots",
        "expect",
        "guests",
    }  # from limits and steps; guests come and go, and move waves, which is told
    assert {field.name for field in fields(Node)} == told | follows


def node(name: str, **changed: Any) -> Callable[[Graph], Graph]:
    return lambda graph: replace(graph, nodes={**graph.nodes, name: replace(graph.nodes[name], **changed)})


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (node("a1", wave="a/2"), "place was wave a/1, is wave a/2: 1 host: a1"),
        (node("a1", address="10.0.0.9"), "address was none, is 10.0.0.9: 1 host: a1"),
        (node("a1", zones=("Asia/Tokyo",)), "time zone was none, is Asia/Tokyo: 1 host: a1"),
        (node("a1", risks=("nic",)), "known risks was none, is nic: 1 host: a1"),
        (node("a1", waivers=("w",)), "waivers was none, is w: 1 host: a1"),
        (node("a1", to={"os": ("12",)}), "target of its own was none, is os 12: 1 host: a1"),
        (node("a1", digest="e"), "variables have changed: 1 host: a1"),
        (
            node("a1", digest="e", factors={"hardware": "a", "os": "old", "rack": "r7"}),
            "factor rack was r1, is r7: 1 host: a1",
        ),
    ],
)
def test_what_differs_of_a_host_is_told(change: Callable[[Graph], Graph], sentence: str) -> None:
    before = rich()
    assert said(before, change(before)) == [sentence]


def test_hosts_that_come_go_and_move_are_told_together() -> None:
    combos = a_combo("a"), a_combo("b")
    before = compile_graph(a_plan(*combos), a_fleet({"a": 9, "b": 2}), {"plan": "p"})
    hosts = [host for host in a_fleet({"a": 10, "b": 2}).hosts if host.name not in {"a1", "b2"}]
    blocked = a_plan(combos[0], a_combo("b", verdict="blocked"))
    after = compile_graph(blocked, Fleet(tuple(hosts)), {"plan": "q"})
    assert diff.text(compare(before, after)).splitlines() == [
        f"plan plan, digest {before.digest[:12]}, then {after.digest[:12]}",
        "9 hosts to upgrade, 11 before; 1 not touched, 0 before",
        "",
        "files, and what is installed",
        "  the plan file has changed",
        "",
        "hosts",
        "  host is new, wave a/2: 1 host: a10",
        "  host is gone, was wave a/1: 1 host: a1",
        "  host is gone, was wave b/2: 1 host: b2",
        "  place was wave a/2, is wave a/1: 1 host: a2",
        "  place was wave b/1, is excluded: combo b is blocked: a reason: 1 host: b1",
        "",
        "combos",
        "  combo is gone: 1 combo: b",
    ]


def test_waits_and_soaks_that_differ_are_told_by_wave() -> None:
    before = rich()
    wave = replace(before.waves["b/1"], soak=60.0, needs=(Need(rung="one"), Need(approved="one")))
    found = said(before, replace(before, waves={**before.waves, "b/1": wave}))
    assert "soak was 0s, is 1m: 1 wave: b/1" in found
    assert "waits for was nothing, is rung one, an approval after one: 1 wave: b/1" in found
    assert "approval after was none, is one" in found


def test_collections_are_told_by_name_and_version() -> None:
    before = replace(rich(), parts={"collections": "a.b 1.0, c.d 2.0"})
    after = replace(before, parts={"collections": "a.b 1.1, e.f 3.0"})
    assert said(before, after) == [
        "collection a.b was 1.0, is 1.1",
        "collection c.d is gone, was 2.0",
        "collection e.f is new, 3.0",
    ]


def test_settings_of_gates_and_variables_are_not_shown() -> None:
    before = rich()
    after = replace(before, gates=(replace(GATE, settings={"url": "http://other", "retry": 1}, retries=2),))
    assert said(before, after) == [
        "gate http (after verify): retries was 0, is 2",
        "gate http (after verify): retry is new",
        "gate http (after verify): url has changed",
    ]
    assert "secret" not in "".join(diff.json_lines(compare(before, after)))


def test_ten_thousand_hosts_that_all_differ_are_told_in_few_lines_and_counted_in_full() -> None:
    def fleet(rack: str) -> Fleet:
        return Fleet(
            tuple(
                Host(
                    f"h{n}",
                    {"hardware": "a", "os": "old", "rack": f"{rack}{n}"},
                    address=f"{rack}-{n}",
                    digest=rack,
                )
                for n in range(10_000)
            )
        )

    plan = a_plan(a_combo("a"))
    found = compare(*(compile_graph(plan, fleet(rack), {"plan": "p"}) for rack in "rs"))
    assert len(diff.text(found)) < 5000
    assert len(diff.markdown(found)) < 5000
    assert "and 19980 more differences" in diff.text(found)
    told = [json.loads(line) for line in diff.json_lines(found)]
    assert {name for one in told[1:] for name in one["of"]} == {f"h{n}" for n in range(10_000)}


TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)


@given(TEXT)
def test_what_stands_in_markdown_stays_in_its_span(text: str) -> None:
    span = code(text)
    fence = span[: len(span) - len(span.lstrip("`"))]
    assert span.endswith(fence)
    inside = span[len(fence) : -len(fence)]
    assert fence not in inside.replace("`" * (len(fence) + 1), "") or not fence.strip("`")
    assert "\n" not in span
    assert "|" not in inside.replace("\\|", "")


@given(st.lists(TEXT.map(lambda text: " ".join(text.split())), max_size=5))
def test_what_stands_in_a_block_ends_no_block(lines: list[str]) -> None:
    head, *body, end = fenced(lines)
    assert head == f"{end}text"
    assert body == lines
    assert not any(line.strip().startswith(end) for line in body)


def test_a_table_without_rows_is_none() -> None:
    assert table(["a"], []) == []
    assert table(["a", "b"], [["1", "2"]]) == ["| a | b |", "| --- | --- |", "| 1 | 2 |"]


def test_the_markdown_of_hostile_names_mentions_nobody() -> None:
    before = a_graph({"a": 3})
    after = replace(before, digest="x" * 64, plan="p`@all` #1", parts={**before.parts, "`@all`.yml": "1"})
    page = diff.markdown(compare(before, after))
    blocks = page.split("```text")
    assert "@all" not in blocks[0].replace("``p`@all` #1``", "")
    assert "`@all`.yml is new" in blocks[1]
