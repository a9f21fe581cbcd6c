"""Where units look for roles and collections: as ansible-core itself has it, through our ansible.cfg."""

import json
import os
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

from rollout.executors._config import ansible_cfg, environment, passed_through, users_file
from rollout.executors.searched import searched


def some_folders(home: Path, *names: str) -> None:
    for name in names:
        (home / name).mkdir(parents=True)


def test_the_ansible_cfg_beside_the_plan_and_what_it_names_there(tmp_path: Path) -> None:
    some_folders(tmp_path, "plan/modules", "plan/filters", "outside")
    file = tmp_path / "plan" / "ansible.cfg"
    file.write_text(
        "[defaults]\nlibrary = modules:../outside:nowhere\nfilter_plugins = filters\nlog_path = /x\n"
    )
    found = searched(tmp_path / "plan", {"HOME": str(tmp_path)})
    assert found.settings == (file, tmp_path / "plan/modules", tmp_path / "plan/filters")
    elsewhere = {"ANSIBLE_CONFIG": str(tmp_path / "outside" / "ansible.cfg")}
    assert searched(tmp_path / "plan", elsewhere).settings == ()


def test_by_default_below_ansibles_home(tmp_path: Path) -> None:
    some_folders(tmp_path, "plan", "home/roles", "home/collections/ansible_collections")
    found = searched(tmp_path / "plan", {"ANSIBLE_HOME": str(tmp_path / "home")})
    assert found.roles[0] == tmp_path / "home" / "roles"
    assert found.collections[0] == tmp_path / "home" / "collections" / "ansible_collections"
    assert found.ansible_core == version("ansible-core")


def test_the_users_file_is_above_the_defaults_and_the_environment_above_it(tmp_path: Path) -> None:
    some_folders(tmp_path, "plan/roles", "plan/c/ansible_collections", "other", "home/roles")
    (tmp_path / "plan" / "ansible.cfg").write_text(
        "[defaults]\nroles_path = roles:/nowhere\ncollections_path = c\n"
    )
    found = searched(tmp_path / "plan", {"ANSIBLE_HOME": str(tmp_path / "home")})
    assert found.roles == (tmp_path / "plan" / "roles",)
    assert found.collections[0] == tmp_path / "plan" / "c" / "ansible_collections"
    environ = {"ANSIBLE_ROLES_PATH": str(tmp_path / "other"), "ANSIBLE_COLLECTIONS_PATH": str(tmp_path)}
    found = searched(tmp_path / "plan", environ)
    assert found.roles == (tmp_path / "other",)
    assert tmp_path / "plan" / "c" / "ansible_collections" not in found.collections


@pytest.mark.parametrize(
    "users", ["", "[defaults]\nroles_path = roles\ncollections_path = c\n"], ids=["defaults", "own"]
)
def test_ansible_itself_looks_there(tmp_path: Path, users: str) -> None:
    """With the ansible.cfg that a unit has. Folders that are not there are told by Ansible, and not by us."""
    some_folders(
        tmp_path,
        "plan/roles",
        "plan/c/ansible_collections",
        "home/roles",
        "home/collections/ansible_collections",
    )
    (tmp_path / "plan" / "ansible.cfg").write_text(users)
    environ = {"ANSIBLE_HOME": str(tmp_path / "home"), "PATH": os.environ["PATH"], "HOME": str(tmp_path)}
    cfg = tmp_path / "unit.cfg"
    cfg.write_text(ansible_cfg(passed_through(users_file(tmp_path / "plan", environ))))
    program = [sys.executable, "-m", "ansible", "config", "dump", "--format", "json"]
    said = subprocess.run(
        program,
        env={**environment(environ, tmp_path), "ANSIBLE_CONFIG": str(cfg)},
        capture_output=True,
        check=True,
        timeout=120,
    )
    told = {one["name"]: one["value"] for one in json.loads(said.stdout) if "name" in one}
    found = searched(tmp_path / "plan", environ)
    assert list(found.roles) == [Path(one) for one in told["DEFAULT_ROLES_PATH"] if Path(one).is_dir()]
    holding = [Path(one) / "ansible_collections" for one in told["COLLECTIONS_PATHS"]]
    here = [Path(one, "ansible_collections") for one in sys.path]
    assert list(found.collections) == [one for one in dict.fromkeys([*holding, *here]) if one.is_dir()]
