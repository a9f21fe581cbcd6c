import json
from pathlib import Path

import pytest

from tests.cli.worlds import INVENTORY, PLAN, Typist, a_plan_folder

FORMATS = ["json", "codeclimate", "junit", "sarif"]


@pytest.fixture
def plan(tmp_path: Path) -> Path:
    a_plan_folder(tmp_path / "here")
    return Path("here/plan.yml")


def test_several_plans_are_checked_and_each_is_told_of(rollout: Typist, plan: Path, tmp_path: Path) -> None:
    wrong = a_plan_folder(tmp_path / "there")
    wrong.write_text(PLAN.replace("hosts: all", "hoosts: all"))
    said = rollout("validate", str(plan), "there/plan.yml")
    assert said.code == 65
    assert said.out == "here/plan.yml: no mistakes; 3 hosts to upgrade in 2 combos, 1 not touched\n"
    assert said.err.startswith("there/plan.yml:")


def test_an_inventory_that_cannot_be_read_is_a_finding_at_its_key(rollout: Typist, plan: Path) -> None:
    (plan.parent / "inventory.yml").write_text("all: [")
    said = rollout("validate", str(plan))
    assert said.code == 1
    assert said.err.startswith("here/plan.yml:2:1: ansible-inventory failed")
    report = json.loads(rollout("validate", str(plan), "--format", "sarif").out)
    (result,) = report["runs"][0]["results"]
    assert result["ruleId"] == "rollout-inventory-unreadable"
    assert result["locations"][0]["physicalLocation"]["region"]["startLine"] == 2


def test_a_host_without_a_combo_is_a_mistake_of_the_third_aspect(rollout: Typist, plan: Path) -> None:
    (plan.parent / "inventory.yml").write_text(INVENTORY.replace("hw: b, os: old", "hw: c, os: old"))
    report = rollout("validate", str(plan), "--format", "json")
    ((mistake,),) = [one["mistakes"] for one in json.loads(report.out)["plans"]]
    assert (report.code, mistake["rule"]) == (65, "rollout-hosts")
    assert "no combo matches" in mistake["message"]


@pytest.mark.parametrize("form", FORMATS)
def test_a_report_is_written_and_people_still_read(
    rollout: Typist, plan: Path, tmp_path: Path, form: str
) -> None:
    good = rollout("validate", str(plan), "--format", form, "-o", "report")
    assert (good.code, good.err) == (0, "")
    assert "no mistakes" in good.out
    without = (tmp_path / "report").read_text()
    plan.write_text(PLAN.replace("os: new", "oss: new"))
    bad = rollout("validate", str(plan), "--format", form, "-o", "report")
    assert bad.code == 65
    assert bad.err.count("unknown factor") == 2
    assert (tmp_path / "report").read_text() != without
    assert rollout("validate", str(plan), "--format", form).out == (tmp_path / "report").read_text()


def test_a_report_that_cannot_be_written_is_a_mistake_of_the_command_line(
    rollout: Typist, plan: Path
) -> None:
    said = rollout("validate", str(plan), "--format", "json", "-o", "nowhere/report")
    assert said.code == 64
    assert "nowhere/report: No such file" in said.err


def test_a_plan_that_is_not_there_is_65(rollout: Typist) -> None:
    said = rollout("validate", "nowhere.yml")
    assert said.code == 65
    assert said.err.startswith("nowhere.yml:1:1: cannot be read")
    assert rollout("validate").code == 64
