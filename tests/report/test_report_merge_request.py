"""The note on a merge request: what it says, how long it may be, and that nothing in it acts on the page that holds it."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rollout.errors import Place, Problem
from rollout.model.graph import Graph, Untouched
from rollout.report.comparison import compare
from rollout.report.merge_request import LONGEST, PARTS_KEPT, Marker, Side, drift, key, marker, note, refused
from rollout.report.saved import Compiled
from tests.fleet import a_graph

NOW = 1_700_000_000.0
GITLAB_TAKES = 1_000_000
KEY = key("production", "plan.yml")


def noted(graph: Graph, *sides: Side) -> str:
    return note(Marker(KEY, 7, graph.digest, graph.parts), "production", Compiled(graph, "", {}), sides, NOW)


def test_a_note_tells_what_it_takes_to_review() -> None:
    graph, before = a_graph({"a": 4, "b": 2}), a_graph({"a": 3, "b": 2})
    before = replace(before, digest="f" * 64)
    text = noted(graph, Side("Against what is applied", "Run r1, ended with 0.", compare(before, graph)))
    for line in (
        "## `production`: 6 hosts to upgrade",
        f"- Digest `{graph.digest[:12]}`",
        "- 6 hosts in 2 combos to upgrade, 0 already there, 0 excluded",
        "- Known errors that concern hosts: none",
        "### Against what is applied",
        "Run r1, ended with 0.",
        "6 hosts to upgrade, 5 before; 0 not touched, 0 before",
        "| `a` | supported | 4 | `os new` | `a1` | 6m | 12 | not known |",
        "<details><summary>Order</summary>",
    ):
        assert f"\n{line}\n" in text, line
    assert text.count("<details>") == text.count("</details>")


def test_its_first_line_is_read_again() -> None:
    graph = replace(a_graph({"a": 2}), digest="a" * 64, parts={"plan": "1", "hosts": "2"})
    found = marker(noted(graph))
    assert found == Marker(KEY, 7, graph.digest, {"plan": "1", "hosts": "2"})
    assert marker("> " + noted(graph)) is None
    assert marker("a note of a person") is None
    assert key("production", "plan.yml") != key("productionplan", ".yml")


@given(st.dictionaries(st.text(), st.text(), max_size=5), st.integers(0, 10**18 - 1))
def test_any_first_line_is_read_again_and_stays_one_comment(parts: dict[str, str], pipeline: int) -> None:
    mine = Marker(KEY, pipeline, "0" * 64, parts or None)
    line = str(mine)
    assert marker(line) == mine
    assert line.count("-->") == 1
    assert "\n" not in line


@pytest.mark.parametrize("packed", ["", "AAAA", "A", "eJyrVgIAAKkAeQ==", "eJyLjgUAARUAuQ=="])
def test_a_first_line_that_holds_something_else_has_no_parts(packed: str) -> None:
    found = marker(f"<!-- rollout note {KEY} pipeline 1 digest {'0' * 64} parts {packed} -->")
    assert found is not None
    assert found.parts is None


def test_drift_names_what_has_changed() -> None:
    now = replace(
        a_graph({"a": 2}), digest="b" * 64, parts={"plan": "1", "playbooks/up.yml": "3", "hosts": "5"}
    )
    reviewed = Marker(KEY, 7, "a" * 64, {"plan": "1", "playbooks/up.yml": "2", "hosts": "4"})
    assert drift(replace(reviewed, digest=now.digest), now) == []
    assert drift(reviewed, now) == ["playbooks/up.yml has changed", "hosts have changed"]
    assert drift(replace(reviewed, parts=now.parts), now) == ["hosts that are not touched have changed"]
    assert drift(replace(reviewed, parts=None), now) == [
        "digest aaaaaaaaaaaa was reviewed, now it is bbbbbbbbbbbb"
    ]


def test_mistakes_are_told_with_their_places_and_counted() -> None:
    problems = [Problem(Place("plan.yml", line, 3), f"```\n/close {line}") for line in range(1, 200)]
    text = refused(Marker(KEY, 7), "production", problems)
    assert "## `production`: 199 mistakes, so there is no plan\n" in text
    assert "plan.yml:1:3: " in text
    assert "and 149 more mistakes\n" in text
    assert marker(text) == Marker(KEY, 7)


def test_nothing_in_it_acts() -> None:
    """GitLab carries out lines that begin with `/`, and tells whom `@` names, outside of code."""
    hostile = "/close\n@all</details>`#1"
    graph = a_graph({"a": 2})
    graph = replace(
        graph,
        plan=hostile,
        notes=("/assign @all",),
        untouched=(Untouched(hostile, "excluded", hostile, "a", "require"),),
    )
    text = noted(graph, Side("Against what is applied", "/merge"), Side("Against", hostile))
    assert not [line for line in text.split("\n") if line.lstrip().startswith("/")]
    outside = "".join(part for index, part in enumerate(text.split("```")) if index % 2 == 0)
    assert "@all" not in "".join(part for index, part in enumerate(outside.split("`")) if index % 2 == 0)
    assert text.count("\n</details>\n") == text.count("<details>")


@pytest.mark.parametrize("kinds", [1, 1000])
def test_ten_thousand_hosts_fit(kinds: int) -> None:
    graph = a_graph({f"combo-{number}": 10_000 // kinds for number in range(kinds)}, racks=200)
    parts = {f"playbooks/{'x' * 60}{number}.yml": f"{number:064}" for number in range(PARTS_KEPT)}
    graph = replace(
        graph,
        digest="c" * 64,
        parts=parts,
        untouched=tuple(
            Untouched(f"host-{n}", "excluded", f"reason {n} " + "é" * 300, "a", "require")
            for n in range(10_000)
        ),
    )
    before = replace(
        graph, digest="d" * 64, parts={}, nodes=dict(list(graph.nodes.items())[:1]), untouched=()
    )
    side = Side("Against what is applied", "Run r1.", compare(before, graph))
    text = noted(graph, side, side)
    assert len(text) < GITLAB_TAKES
    assert marker(text) is not None
    assert text.count("<details>") == text.count("</details>")


def test_what_does_not_fit_is_left_out_as_a_whole_and_told() -> None:
    graph = a_graph({"a": 3})
    many = replace(graph, notes=tuple("x" * 400 for _ in range(2000)))
    text = noted(many, *[Side("Against", "é" * 450)] * 300)
    assert LONGEST - 200_000 < len(text.encode()) < LONGEST + 1000
    assert text.endswith("\n1 more section: in the job's artifacts.\n")
    assert text.count("<details>") == text.count("</details>")
