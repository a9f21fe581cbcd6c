"""Roles and collections that were installed on the controller are part of what a plan depends on."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from rollout.model.chain import Step
from rollout.model.plan import ComboRule, Plan
from rollout.model.verdict import Compatibility
from rollout.plan import folders
from rollout.plan.content import parts

STEPS = (Step("upgrade", "playbooks/upgrade.yml"),)


@pytest.fixture
def plan(tmp_path: Path) -> Plan:
    folder = tmp_path / "site"
    (folder / "playbooks").mkdir(parents=True)
    (folder / "playbooks" / "upgrade.yml").touch()
    (folder / "plan.yml").touch()
    return Plan("p", str(folder / "plan.yml"), (), "all", {}, (ComboRule("c", {}, {}, steps=STEPS),), STEPS)


def a_role(place: Path, name: str, content: str = "x") -> Path:
    file = place / name / "tasks" / "main.yml"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(content)
    return file


def a_collection(place: Path, name: str, version: str) -> None:
    folder = place.joinpath(*name.split("."))
    folder.mkdir(parents=True)
    (folder / "MANIFEST.json").write_text(json.dumps({"collection_info": {"version": version}}))


def test_a_role_that_is_installed_is_one_part_and_the_first_of_a_name_counts(
    plan: Plan, tmp_path: Path
) -> None:
    first, second = tmp_path / "home", tmp_path / "usr"
    file = a_role(first, "apt")
    a_role(second, "apt", "another")
    a_role(second, "net")
    before = parts(plan, roles=(first, second))
    assert list(before) == ["plan", "playbooks/upgrade.yml", "role apt", "role net"]
    file.write_text("changed")
    after = parts(plan, roles=(first, second))
    assert {name for name in after if after[name] != before[name]} == {"role apt"}
    (second / "apt" / "tasks" / "main.yml").write_text("nobody sees it")
    assert parts(plan, roles=(first, second)) == after


def test_roles_of_the_plans_own_folder_are_told_file_by_file_and_once(plan: Plan) -> None:
    folder = Path(plan.file).parent
    a_role(folder / "roles", "apt")
    a_role(folder / "playbooks" / "roles", "net")
    found = parts(plan, roles=(folder / "roles", folder / "playbooks" / "roles"))
    assert [name for name in found if "roles" in name] == [
        "playbooks/roles/net/tasks/main.yml",
        "roles/apt/tasks/main.yml",
    ]


def test_the_digest_is_the_same_on_another_machine(plan: Plan, tmp_path: Path) -> None:
    for home in ("one", "two"):
        a_role(tmp_path / home, "apt")
        a_collection(tmp_path / home / "ansible_collections", "a.b", "1.0.0")
    of = [
        parts(plan, roles=(home,), collections=(home / "ansible_collections",), ansible_core="2.19.4")
        for home in (tmp_path / "one", tmp_path / "two")
    ]
    assert of[0] == of[1]


def test_collections_are_one_part_by_name_and_version(plan: Plan, tmp_path: Path) -> None:
    place, other = tmp_path / "a", tmp_path / "b"
    a_collection(place, "community.general", "8.1.0")
    a_collection(other, "community.general", "7.0.0")
    a_collection(other, "ansible.posix", "1.5.4")
    (other / "site" / "ours").mkdir(parents=True)
    (other / "site" / "ours" / "galaxy.yml").write_text(
        "namespace: site\nname: ours\nversion: '0.3' # ours\n"
    )
    (other / "site" / "empty").mkdir()
    (other / "site" / "broken").mkdir()
    (other / "site" / "broken" / "MANIFEST.json").write_text("[")
    (other / "site" / "broken" / "galaxy.yml").write_text("name: broken\n")
    found = parts(plan, collections=(place, other, tmp_path / "none"), ansible_core="2.19.4")
    assert (
        found["collections"]
        == "ansible.posix 1.5.4, community.general 8.1.0, site.broken unversioned, site.ours 0.3"
    )
    assert found["ansible-core"] == "2.19.4"


def test_collections_beside_the_plan_are_told_file_by_file(plan: Plan) -> None:
    file = Path(plan.file).parent / "collections" / "requirements.yml"
    file.parent.mkdir()
    file.touch()
    assert "collections/requirements.yml" in parts(plan)


def test_a_role_of_too_many_files_stops_no_plan(
    plan: Plan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    a_role(tmp_path / "home", "apt")
    (tmp_path / "home" / "apt" / "README.md").touch()
    before = parts(plan, roles=(tmp_path / "home",))
    monkeypatch.setattr(folders, "MOST_FILES", 1)
    after = parts(plan, roles=(tmp_path / "home",))
    assert after.keys() == before.keys()
    assert after["role apt"] != before["role apt"]


def test_a_compatibility_file_is_a_part(plan: Plan) -> None:
    file = Path(plan.file).parent / "compat" / "nic.yml"
    file.parent.mkdir()
    file.write_text("[]")
    row = Compatibility({}, {}, "blocked", "x", place=f"{file}:1:3")
    assert "compat/nic.yml" in parts(replace(plan, compat=(row, row)))
