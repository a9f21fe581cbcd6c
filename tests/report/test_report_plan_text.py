"""A world in, the text of its plan out. ROLLOUT_GOLDEN=write writes the texts anew: read the difference before it is committed."""

import json
import os
import re
from dataclasses import replace
from pathlib import Path

import pytest

from rollout.cli import main
from rollout.graph import compile_graph
from rollout.model.chain import Step
from rollout.model.fleet import Fleet, Host
from rollout.model.graph import Graph, Untouched
from rollout.model.plan import Amount, Limits, Risk
from rollout.model.verdict import Cause, Waiver
from rollout.model.windows import Calendar, Span, Weekly, Window
from rollout.model.zones import UTC, Zone
from rollout.report import plan_markdown, plans, untouched
from rollout.report.estimate import bound, seconds_of_run
from rollout.report.saved import Compiled, amounts, from_text, to_text
from rollout.report.waivers import left
from tests.fleet import a_combo, a_graph, a_plan

WORLDS = Path(__file__).parents[1] / "golden" / "plans"


@pytest.mark.parametrize("world", sorted(path.name for path in WORLDS.iterdir()))
def test_the_text_of_a_world(world: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    import shutil

    shutil.copytree(WORLDS / world, tmp_path / world, ignore=shutil.ignore_patterns(".rollout"))
    assert main(["plan", str(tmp_path / world / "plan.yml")]) == 0
    text = re.sub(r"digest [0-9a-f]{12}", "digest DIGEST", capsys.readouterr().out)
    golden = WORLDS / world / "plan.txt"
    if os.environ.get("ROLLOUT_GOLDEN") == "write":
        golden.write_text(text)
    assert text == golden.read_text()


def test_a_saved_plan_is_the_plan(tmp_path: Path) -> None:
    plan = a_plan(a_combo("a"), limits=Limits(Amount(50, percent=True), {"rack": Amount(1)}))
    graph = a_graph({"a": 6}, plan)
    compiled = Compiled(graph, "/plans/plan.yml", amounts(plan), "0.1")
    again = from_text(to_text(compiled), "saved.json")
    assert again == compiled
    assert plans.text(compiled) == plans.text(again)


@pytest.mark.parametrize(("healthy", "share"), [(1, 0.95), (2, 0.7764), (59, 0.0495)])
def test_what_healthy_canaries_prove(healthy: int, share: float) -> None:
    assert bound(healthy) == pytest.approx(share, abs=1e-4)


def test_a_run_takes_as_long_as_its_longest_path_or_its_busiest_limit() -> None:
    plan = a_plan(a_combo("a"), a_combo("b"), limits=Limits(at_once=Amount(2)))
    assert seconds_of_run(a_graph({"a": 5, "b": 1}, plan)) == 3 * 180, "one canary, then two rounds of two"
    plan = a_plan(a_combo("a"), limits=Limits(Amount(5), {"rack": Amount(1)}))
    assert seconds_of_run(a_graph({"a": 5}, plan, racks=1)) == 5 * 180, "one rack of one at a time"
    plan = a_plan(a_combo("a"), a_combo("b"), limits=Limits(Amount(4), {"rack": Amount(1)}))
    assert seconds_of_run(a_graph({"a": 3, "b": 3}, plan, racks=1)) == 6 * 170, (
        "both combos need the one rack"
    )
    assert seconds_of_run(a_graph({})) == 0


NIGHT = 1_700_103_600.0
"""Thu 2023-11-16 03:00 UTC."""
WAIVER = Waiver("lab-nic", ("unknown",), "tried by hand", "Ada", "2023-12-01")


def said(graph: Graph) -> str:
    return plans.text(Compiled(graph, "plan.yml", {"": "4"}), NIGHT)


def doubtful() -> Graph:
    """A combo of which a part is let pass by a waiver."""
    graph = a_graph({"a": 3, "b": 2})
    part = replace(
        graph.combos["b"], rule="a", verdict="waived", because=("no row speaks of it",), hops=("12", "13")
    )
    nodes = {
        name: replace(node, waivers=("lab-nic",), risks=("nic",), guests=3) if node.combo == "b" else node
        for name, node in graph.nodes.items()
    }
    risks = (
        Risk("nic", "", "hold", because="see OPS-7", applies={"nic": ("mlx*",)}, link="https://ops/7"),
        Risk("lock", "lock", "halt", halts="rack"),
        Risk("apt", "dpkg", "remedy", remedy=Step("remedy-apt", playbook="fix.yml")),
    )
    return replace(graph, combos={**graph.combos, "b": part}, nodes=nodes, waivers=(WAIVER,), risks=risks)


def test_a_combo_that_is_let_pass_says_by_whom_and_until_when() -> None:
    text = said(doubtful())
    for line in (
        "combo b, a part of a: 2 hosts to os new",
        "  verdict: waived, let pass by lab-nic\n    no row speaks of it",
        "  2 legs: to 12, then to 13",
        "  expected: 6m; out of service for 6 host-minutes, 17 VM-minutes (guests are known of 2 hosts)",
        "known errors",
        "  nic   before anything  concerns 2 hosts in waves  not begun, unless a waiver names it: see OPS-7 (https://ops/7)",
        "  lock  on any step      any host                   held, and nothing more begins on hosts with the same rack",
        "waivers used",
        "  lab-nic  lets unknown pass  2 hosts  Ada, until 2023-12-01 (15 days left)  tried by hand",
    ):
        assert f"{line}\n" in text, line
    unknown = replace(doubtful().combos["b"], verdict="unknown")
    nobody = {name: replace(node, waivers=()) for name, node in doubtful().nodes.items()}
    allowed = replace(
        doubtful(), combos={"a": doubtful().combos["a"], "b": unknown}, nodes=nobody, allow_unknown=True
    )
    assert "  verdict: unknown, touched because of --allow-unknown\n    no row speaks of it\n" in said(
        allowed
    )


@pytest.mark.parametrize(
    ("expires", "words"),
    [
        ("2023-11-16", "today is its last day"),
        ("2023-11-17", "1 day left"),
        ("2023-11-15", "expired"),
        ("2024-11-16", "366 days left"),
    ],
)
def test_how_long_a_waiver_holds(expires: str, words: str) -> None:
    assert left(replace(WAIVER, expires=expires), NIGHT) == words


def test_a_deadline_that_has_passed_or_is_too_near_is_said() -> None:
    graph = a_graph({"a": 3})
    assert (
        "deadline: Wed 2023-11-15 03:00 (UTC) has passed: nothing begins; write a later `deadline`, and plan again\n"
        in said(replace(graph, deadline=NIGHT - 86400))
    )
    assert (
        "deadline: 03:01 (UTC); nothing begins that would not end before it; "
        "it is in 1m, and the plan takes at least 6m: what is left then is not begun\n"
    ) in said(replace(graph, deadline=NIGHT + 60))
    assert "not begun" not in said(replace(graph, deadline=NIGHT + 86400))


def test_windows_are_told_by_combo_and_the_bound_does_not_count_them() -> None:
    nights = Window(True, (Weekly((4,), 3600, 600.0),), text="Fri 01:00 + 10m")
    never = Window(False, (Span(0, NIGHT * 2),), text="freeze")
    graph = a_graph({"a": 3})
    open_later = replace(graph, calendar=Calendar((nights,), {UTC: Zone(UTC)}))
    assert "  may begin Fri 01:00 (UTC): 3 hosts\n" in said(open_later)
    assert "as long as `expect` says; what windows add is not counted\n" in said(open_later)
    closed = replace(graph, calendar=Calendar((never,), {UTC: Zone(UTC)}))
    assert "  may begin never: 3 hosts\n" in said(closed)


@pytest.mark.parametrize("cause", ["", "declared", "compat", "require", "risk", "toolchain", "path", "drift"])
def test_what_is_not_touched_has_a_way_out(cause: Cause) -> None:
    graph = replace(a_graph({"a": 1}), untouched=(Untouched("x", "excluded", "why", "a", cause),))
    (group,) = untouched.groups(graph)
    assert group.head in said(graph)
    assert f"    why: x\n    way out: {group.way_out}\n" in said(graph)
    lines = [json.loads(line) for line in plans.json_lines(Compiled(graph, "", {}))]
    assert lines[-1]["way_out"] == group.way_out
    assert lines[-1]["cause"] == (cause or None)


def test_what_is_there_already_needs_none_and_comes_last() -> None:
    graph = replace(
        a_graph({"a": 1}),
        untouched=(
            Untouched("x", "current", "already there", "a"),
            Untouched("y", "excluded", "unknown: no row", "a", "compat"),
        ),
    )
    assert said(graph).endswith(
        "not touched\n"
        "  1 host: nobody knows whether it goes well\n"
        "    no row: y\n"
        "    way out: say what is known of it (`compat`, `verdict`), or a waiver of `unknown`, or --allow-unknown\n"
        "  1 host: already there\n"
        "    already there: x\n"
    )


def test_ten_thousand_reasons_are_told_in_few_lines() -> None:
    hosts = tuple(
        Host(f"h{number}", {"hardware": "a", "os": "old", "rack": f"r{number}"}, digest="d")
        for number in range(2000)
    )
    graph = compile_graph(a_plan(a_combo("a")), Fleet(hosts), {})
    held = tuple(Untouched(f"x{n}", "excluded", f"bios is {n}", "a", "require") for n in range(8000))
    graph = replace(graph, untouched=held)
    assert len(said(graph)) < 6000
    assert "and 7980 more reasons\n" in said(graph)
    assert len(plan_markdown.markdown(Compiled(graph, "", {}), NIGHT)) < 8000
    many = replace(graph.combos["a"], verdict="waived", because=tuple(f"bios is {n}" for n in range(2000)))
    assert "    bios is 7\n    and 1992 more reasons\n" in said(replace(graph, combos={"a": many}))


def test_the_markdown_of_a_plan_folds_away_what_is_long(tmp_path: Path) -> None:
    page = plan_markdown.markdown(Compiled(doubtful(), "plan.yml", {"": "4"}), NIGHT)
    for line in (
        "## Plan `plan`",
        "| `a` | supported | 3 | `os new` | `a1` | 6m | 9 | not known |",
        "| `b` | `waived, let pass by lab-nic` | 2 | `os new` | `b1` | 6m | 6 | 17 |",
        "```mermaid",
        "### Not touched",
        "<details><summary>Waivers</summary>",
    ):
        assert f"{line}\n" in page, line
    hostile = replace(doubtful(), plan="</details>`@all`", notes=("```\n</details>",))
    folded = plan_markdown.markdown(Compiled(hostile, "", {}), NIGHT)
    assert folded.count("\n</details>\n") == folded.count("<details>")
