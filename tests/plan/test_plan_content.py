"""A stale plan can say which file changed: the plan, a playbook, or what stands beside it."""

from dataclasses import replace
from pathlib import Path

import pytest

from rollout.errors import PlanInvalid
from rollout.model.chain import Step
from rollout.model.plan import ComboRule, GateRule, Moment, Plan
from rollout.plan import content, folders
from rollout.plan.content import parts

STEPS = (Step("upgrade", "playbooks/upgrade.yml"), Step("drain", drain="none"))


def _plan(folder: Path, steps: tuple[Step, ...] = STEPS) -> Plan:
    combo = ComboRule("c", {}, {}, steps=steps)
    return Plan("p", str(folder / "plan.yml"), (), "all", {}, (combo,), steps)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in (
        "plan.yml",
        "playbooks/upgrade.yml",
        "playbooks/roles/apt/tasks/main.yml",
        "playbooks/templates/sources.list.j2",
        "playbooks/.git/HEAD",
        "playbooks/roles/__pycache__/x.pyc",
        "playbooks/upgrade.retry",
        "notes.txt",
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name)
    return tmp_path


def test_all_that_stands_beside_a_playbook_counts(folder: Path) -> None:
    assert list(parts(_plan(folder))) == [
        "plan",
        "playbooks/roles/apt/tasks/main.yml",
        "playbooks/templates/sources.list.j2",
        "playbooks/upgrade.yml",
    ]


def test_settings_count_with_all_that_is_in_their_folders(folder: Path) -> None:
    for name in ("ansible.cfg", "modules/apt.py"):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(name)
    found = parts(_plan(folder), settings=(folder / "ansible.cfg", folder / "modules"))
    assert found.keys() - parts(_plan(folder)).keys() == {"ansible.cfg", "modules/apt.py"}


def test_a_change_shows_at_the_file_alone(folder: Path) -> None:
    before = parts(_plan(folder))
    assert parts(_plan(folder)) == before
    (folder / "playbooks/templates/sources.list.j2").write_text("deb ...")
    after = parts(_plan(folder))
    assert {name for name in after if after[name] != before[name]} == {"playbooks/templates/sources.list.j2"}


def test_beside_the_plan_only_what_ansible_reads_counts(folder: Path) -> None:
    for name in ("upgrade.yml", "roles/x/tasks/main.yml", ".rollout/journal.sqlite3", "saved.json"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    found = parts(_plan(folder, (Step("upgrade", "upgrade.yml"),)))
    assert list(found) == ["plan", "plan.yml", "roles/x/tasks/main.yml", "upgrade.yml"]


def test_a_combos_own_playbook_counts_and_may_stand_elsewhere(
    folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    other = tmp_path_factory.mktemp("shared")
    (other / "hpe.yml").touch()
    plan = Plan(
        "p",
        str(folder / "plan.yml"),
        (),
        "all",
        {},
        (ComboRule("c", {}, {}, steps=(Step("u", str(other / "hpe.yml")),)),),
        (),
    )
    assert set(parts(plan)) == {"plan", f"../{other.name}/hpe.yml"}


def test_the_playbook_of_a_gate_counts_as_those_of_steps(folder: Path) -> None:
    (folder / "checks").mkdir()
    for name in ("health.yml", "vars.yml"):
        (folder / "checks" / name).write_text(name)
    rule = GateRule("healthy", "playbook", Moment("after", "upgrade"), {"playbook": "checks/health.yml"})
    found = parts(replace(_plan(folder), gates=(rule,)))
    assert {"checks/health.yml", "checks/vars.yml", "playbooks/upgrade.yml"} <= found.keys()


def test_links_in_a_circle_end(folder: Path) -> None:
    (folder / "playbooks/roles/loop").symlink_to(folder / "playbooks")
    assert "playbooks/upgrade.yml" in parts(_plan(folder))


def test_a_file_that_cannot_be_read_is_a_mistake(folder: Path) -> None:
    (folder / "playbooks/upgrade.yml").unlink()
    with pytest.raises(PlanInvalid, match=r"upgrade\.yml.* cannot be read: No such file"):
        parts(_plan(folder))


def test_a_folder_that_cannot_be_meant_is_a_mistake(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(folders, "MOST_FILES", 2)
    monkeypatch.setattr(content, "MOST_FILES", 2)
    with pytest.raises(PlanInvalid, match="holds more than 2 files; give playbooks one of their own"):
        parts(_plan(folder))
