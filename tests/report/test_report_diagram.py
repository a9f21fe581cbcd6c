"""The picture of a plan: true, harmless, and small at any size. Its grammar was checked with the parser of Mermaid 11."""

import re
import shutil
import subprocess
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rollout.graph import compile_graph
from rollout.model.graph import Graph, Need
from rollout.model.plan import After, Amount, Approval, GateRule, Limits, Moment
from rollout.report import drawn
from rollout.report.diagram import LEVELS, picture
from tests.fleet import a_combo, a_fleet, a_graph, a_plan

LABEL = r"(?:[a-zA-Z0-9 .,/:=+\-_@()]|#\d+;|<br/>)+"
BOX = re.compile(
    rf'  n\d+(?:\(\["{LABEL}"\]\)|\["{LABEL}"\]|\(\("{LABEL}"\)\)|{{{{"{LABEL}"}}}}|\[/"{LABEL}"/\]|>"{LABEL}"\])'
)
EDGE = re.compile(rf'  n\d+ -->(?:\|"{LABEL}"\|)? n\d+')
GATES = (
    GateRule("errors", "http", Moment("after", "wave")),
    GateRule("all-well", "http", Moment("before", "run")),
    GateRule("fresh", "ssh", Moment("after", "verify")),
)


def is_mermaid(text: str) -> bool:
    """Boxes and edges alone, and no edge to a box that is not there."""
    head, *lines = text.splitlines()
    boxes = {
        line.split("(")[0].split("[")[0].split("{")[0].split(">")[0].strip()
        for line in lines
        if BOX.fullmatch(line)
    }
    edges = [line for line in lines if EDGE.fullmatch(line)]
    ends = {end for line in edges for end in re.findall(r"\bn\d+\b", re.sub(r"\|.*\|", "", line))}
    return head == "flowchart LR" and len(edges) + len(boxes) == len(lines) and ends <= boxes


def a_world(combos: int, hosts: int, *, ladder: bool, after: int = 2) -> Graph:
    """Combos in chains of `after`."""
    names = [f"c{number}" for number in range(combos)]
    rules = [
        a_combo(
            name,
            after=[After(names[number - 1], "canaries" if number % 3 else 0.95)] if number % after else [],
        )
        for number, name in enumerate(names)
    ]
    plan = a_plan(
        *rules,
        waves=(Amount(1), Amount(10, percent=True), Amount(100, percent=True)),
        limits=Limits(Amount(5, percent=True), {"rack": Amount(1)}),
        gates=GATES,
    )
    plan = replace(plan, waves=None, approval=Approval(("combos",))) if ladder else plan
    return compile_graph(plan, a_fleet(dict.fromkeys(names, hosts), racks=40), {"plan": "p"})


def test_a_small_plan_is_drawn_wave_by_wave() -> None:
    plan = a_plan(a_combo("a"), a_combo("b", after=[After("a", 0.95)]), gates=GATES)
    assert drawn.mermaid(a_graph({"a": 3, "b": 1}, plan)) == (
        "flowchart LR\n"
        '  n0[/"before the run<br/>all-well"/]\n'
        '  n1(["a/1<br/>canary, 1 host<br/>after: errors"])\n'
        '  n2["a/2<br/>ramp, 2 hosts<br/>after: errors"]\n'
        '  n3(["b/1<br/>canary, 1 host<br/>after: errors"])\n'
        '  n4>"gates of each host<br/>after verify: fresh"]\n'
        "  n0 --> n1\n"
        "  n1 --> n2\n"
        '  n2 -->|"95#37;"| n3\n'
    )


def test_rungs_join_and_approvals_stand_between() -> None:
    graph = a_world(3, 4, ladder=True, after=1)
    text = drawn.mermaid(graph)
    assert is_mermaid(text)
    assert '{{"approval<br/>after combos"}}' in text
    wave = replace(graph.waves["c2/1"], needs=(Need(rung="ramp"), Need(approved="nobody-stands-there")))
    joined = drawn.mermaid(replace(graph, waves={**graph.waves, "c2/1": wave}))
    assert is_mermaid(joined)
    assert '(("rung ramp"))' in joined


@settings(deadline=None, max_examples=20)
@given(st.integers(1, 120), st.integers(1, 8), st.booleans(), st.integers(1, 4))
def test_the_chart_is_small_at_any_size(combos: int, hosts: int, ladder: bool, after: int) -> None:
    graph = a_world(combos, hosts, ladder=ladder, after=after)
    for level in LEVELS:
        assert is_mermaid(drawn._mermaid(picture(graph, level)))
    text = drawn.mermaid(graph)
    assert len(text) <= drawn.MERMAID_FITS
    if len(graph.waves) > 40:
        assert re.search(
            r"\d+ waves of \d+ combos?<br/>(waves of a combo|combos of a rung) drawn together", text
        )


@pytest.mark.parametrize("ladder", [True, False], ids=["ladder", "sizes"])
def test_hundreds_of_combos_are_a_small_chart(ladder: bool) -> None:
    graph = a_world(300, 12, ladder=ladder)
    assert len(drawn.mermaid(graph)) <= drawn.MERMAID_FITS
    assert len(picture(graph, LEVELS[-1]).boxes) < 20


NAMES = st.text(min_size=1, max_size=80)


@given(NAMES, NAMES)
def test_a_name_is_never_more_than_a_label(combo: str, gate: str) -> None:
    graph = a_graph({"a": 3}, a_plan(gates=[GateRule(gate, "http", Moment("before", "run"))]))
    waves = {
        f"{combo}/{n}": replace(wave, id=f"{combo}/{n}", needs=())
        for n, wave in enumerate(graph.waves.values())
    }
    text = drawn.mermaid(replace(graph, waves=waves))
    assert is_mermaid(text)
    for line in drawn.dot(replace(graph, waves=waves, plan=combo)).splitlines():
        assert re.sub(r"\\.", "", line).count('"') % 2 == 0
        assert line.isprintable()


def test_an_edge_that_a_longer_way_leads_along_is_not_drawn() -> None:
    graph = a_graph({"a": 10}, a_plan(waves=(Amount(1), Amount(3), Amount(100, percent=True))))
    wave = replace(graph.waves["a/3"], needs=(Need(wave="a/1"), Need(wave="a/2")))
    found = picture(replace(graph, waves={**graph.waves, "a/3": wave}), LEVELS[0])
    assert [edge[:2] for edge in found.edges] == [("n0", "n1"), ("n1", "n2")]


@pytest.mark.skipif(shutil.which("dot") is None, reason="Graphviz is not here")
@pytest.mark.parametrize("combos", [3, 200])
def test_graphviz_draws_it(combos: int) -> None:
    drawn_by = subprocess.run(
        ["dot", "-Tsvg"],
        input=drawn.dot(a_world(combos, 6, ladder=True)).encode(),
        capture_output=True,
        check=True,
        timeout=120,
    )
    assert b"</svg>" in drawn_by.stdout
