"""plan, show, diff and graph: what is read of a plan."""

import json
from pathlib import Path

import pytest

from tests.cli.worlds import INVENTORY, PLAN, STEP, Typist, a_plan_folder


@pytest.fixture
def plan(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return a_plan_folder(tmp_path / "here")


def test_a_saved_plan_is_compared_with_now(rollout: Typist, plan: Path) -> None:
    rollout("plan", str(plan), "-o", "saved.json")
    same = rollout("diff", "saved.json", "--exit-code")
    assert (same.code, same.out.split(",")[0]) == (0, "plan imagined: no difference")
    (plan.parent / "playbooks" / "step.yml").write_text(STEP + "# changed\n")
    (plan.parent / "inventory.yml").write_text(
        INVENTORY.replace("a2: {hw: a, os: old", "a2: {hw: a, os: new")
    )
    said = rollout("diff", "saved.json", "--exit-code")
    assert said.code == 2
    assert "  playbooks/step.yml has changed\n" in said.out
    assert "  place was wave a/2, is current: already what combo a leads to: 1 host: a2\n" in said.out
    assert rollout("diff", "saved.json").code == 0


def test_two_plans_are_compared_saved_or_not(rollout: Typist, plan: Path) -> None:
    other = plan.with_name("other.yml")
    other.write_text(PLAN.replace("at_once: 2", "at_once: 1").replace("expect: 10m", "expect: 20m"))
    rollout("plan", str(other), "-o", "other.json")
    texts = [rollout("diff", str(plan), name).out for name in (str(other), "other.json")]
    assert texts[0] == texts[1]
    assert "limits\n  limit at once was 2, is 1\n" in texts[0]
    assert "step upgrade: expect was 10m, is 20m: 2 combos: a, b" in texts[0]
    head, *rest = map(
        json.loads, rollout("diff", str(plan), "other.json", "--format", "json").out.splitlines()
    )
    assert head["differs"] is True
    assert {
        "type": "difference",
        "topic": "limits",
        "subject": "limit at once",
        "was": "2",
        "now": "1",
        "of": [],
    } in rest
    page = rollout("diff", str(plan), "other.json", "--format", "markdown").out
    assert page.startswith("## Plan `imagined`: what differs\n")
    assert "### Limits\n```text\nlimit at once was 2, is 1\n```\n" in page


def test_what_is_no_plan_is_said(rollout: Typist, plan: Path) -> None:
    assert rollout("diff", str(plan), "nowhere.json").code == 64
    assert rollout("diff").code == 64


def test_a_plan_and_a_saved_one_are_shown_in_three_forms(rollout: Typist, plan: Path) -> None:
    rollout("plan", str(plan), "-o", "saved.json")
    for form in ("text", "json", "markdown"):
        shown = rollout("plan", str(plan), "--format", form).out
        assert rollout("show", "saved.json", "--format", form).out == shown
    assert rollout("show", "saved.json", "--json").out == rollout("plan", str(plan), "--json").out
    kinds = [json.loads(line)["type"] for line in rollout("show", "saved.json", "--json").out.splitlines()]
    assert kinds == ["plan", "combo", "combo", "wave", "wave", "wave", "untouched"]
    assert rollout("plan", str(plan), "--format", "markdown").out.startswith("## Plan `imagined`\n")


def test_a_plan_is_expected_by_its_digest(rollout: Typist, plan: Path) -> None:
    digest = json.loads(rollout("plan", str(plan), "--json").out.splitlines()[0])["digest"]
    for expected in (digest, digest[:8]):
        assert rollout("plan", str(plan), "--expect", expected).code == 0
    said = rollout("plan", str(plan), "--expect", "0123456789ab", "-o", "saved.json")
    assert said.code == 6
    assert f"its digest is {digest}, and 0123456789ab was expected" in said.err
    assert f"then expect {digest[:12]}" in said.err
    assert said.out == ""
    assert not Path("saved.json").exists()
    for wrong in (digest[:7], "not-a-digest"):
        assert rollout("plan", str(plan), "--expect", wrong).code == 64


def test_a_saved_plan_of_another_version_is_refused(rollout: Typist, plan: Path) -> None:
    rollout("plan", str(plan), "-o", "saved.json")
    saved = json.loads(Path("saved.json").read_text())
    Path("saved.json").write_text(json.dumps({**saved, "saved_plan": saved["saved_plan"] - 1}))
    for words in (
        ["show", "saved.json"],
        ["diff", "saved.json"],
        ["apply", "saved.json"],
        ["graph", "saved.json"],
    ):
        said = rollout(*words)
        assert (said.code, said.err) == (
            64,
            "rollout: saved.json: a saved plan of another version of rollout; plan again\n",
        )


def test_a_plan_is_drawn(rollout: Typist, plan: Path) -> None:
    rollout("plan", str(plan), "-o", "saved.json")
    chart = rollout("graph", str(plan)).out
    assert chart.startswith("flowchart LR\n  n0([")
    assert rollout("graph", "saved.json").out == chart
    assert rollout("graph", "saved.json", "--format", "dot", "-o", "plan.dot").out == ""
    assert Path("plan.dot").read_text().startswith('digraph "imagined" {\n')
    assert rollout("graph", str(plan), "-o", "nowhere/plan.mmd").code == 64


def test_one_host_is_explained(rollout: Typist, plan: Path) -> None:
    said = rollout("plan", str(plan), "--explain", "a2")
    assert said.code == 0
    assert said.out.startswith("host a2: wave a/2 of plan imagined, digest ")
    assert "  os        old  hostvar os\n" in said.out
    assert json.loads(rollout("plan", str(plan), "--explain", "b2", "--json").out)["word"] == "current"
    assert rollout("plan", str(plan), "--explain", "a2", "--format", "markdown").code == 64


def test_a_host_that_is_not_there_is_told_with_the_nearest_name(rollout: Typist, plan: Path) -> None:
    said = rollout("plan", str(plan), "--explain", "a22")
    assert (said.code, said.err) == (64, "rollout: the inventory has no host 'a22'; did you mean 'a2'?\n")
    plan.write_text(PLAN.replace("hosts: all", "hosts: 'all:!b1'"))
    said = rollout("plan", str(plan), "--explain", "b1")
    assert said.err == "rollout: b1 is in the inventory, but the pattern 'all:!b1' does not select it\n"


def test_a_deadline_that_has_passed_is_told_by_validate_and_plan(rollout: Typist, plan: Path) -> None:
    plan.write_text(PLAN + "deadline: 2020-01-02 03:04\n")
    told = "deadline: Thu 2020-01-02 03:04 (UTC) has passed: nothing begins; write a later `deadline`, and plan again\n"
    said = rollout("validate", str(plan))
    assert (said.code, said.out.split("\n", 1)[1]) == (0, f"  {told}")
    assert told in rollout("plan", str(plan)).out


def test_one_compilation_writes_every_form(rollout: Typist, plan: Path) -> None:
    here = plan.parent
    forms = {"markdown": "p.md", "json": "p.jsonl", "widget": "w.json", "dotenv": "d.env", "text": "p.txt"}
    words = [word for form, file in forms.items() for word in ("--write", f"{form}={here / file}")]
    typed = rollout("plan", str(plan), *words)
    assert typed.code == 0, typed.err
    head = json.loads((here / "p.jsonl").read_text().splitlines()[0])
    assert json.loads((here / "w.json").read_text()) == {"create": 0, "update": head["hosts"], "delete": 0}
    assert (here / "d.env").read_text() == f"ROLLOUT_DIGEST={head['digest']}\n"
    assert (here / "p.txt").read_text() == typed.out
    assert (here / "p.md").read_text() == rollout("plan", str(plan), "--format", "markdown").out


def test_a_plan_with_a_mistake_writes_nothing(rollout: Typist, plan: Path) -> None:
    plan.write_text(PLAN.replace("at_once: 2", "at_onec: 2"))
    assert rollout("plan", str(plan), "--write", "widget=w.json").code == 65
    assert not Path("w.json").exists()
