"""A world in, the text of its plan out. ROLLOUT_GOLDEN=write writes the texts anew: read the difference before it is committed."""

import os
import re
from pathlib import Path

import pytest

from rollout.cli import main
from rollout.model.plan import Amount, Limits
from rollout.report import plans
from rollout.report.estimate import bound, seconds_of_run
from rollout.report.saved import Compiled, amounts, from_text, to_text
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
