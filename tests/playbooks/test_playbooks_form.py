import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.playbooks.by_hand import ANSIBLE_PLAYBOOK, PLAYBOOKS

ROLE = PLAYBOOKS / "roles" / "rollout"


def test_every_playbook_is_understood_by_ansible() -> None:
    found = sorted(PLAYBOOKS.glob("*.yml"))
    assert {path.stem for path in found} >= {
        "precheck",
        "stage",
        "drain",
        "upgrade",
        "reboot",
        "verify",
        "restore",
    }

    done = subprocess.run(
        [ANSIBLE_PLAYBOOK, "--syntax-check", "-i", "localhost,", *map(str, found)],
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stderr


@pytest.mark.full
def test_ansible_lint_finds_nothing() -> None:
    done = subprocess.run(
        [str(Path(sys.executable).parent / "ansible-lint"), "--offline", "playbooks"],
        cwd=PLAYBOOKS.parent,
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("path", sorted(PLAYBOOKS.glob("*.yml")), ids=lambda path: path.stem)
def test_every_play_can_be_found_on_the_host_and_sets_no_limits_of_its_own(path: Path) -> None:
    for play in yaml.safe_load(path.read_text()):
        assert play["hosts"] == "all"
        if path.stem == "probe":
            (asked, *_) = yaml.safe_load((PLAYBOOKS / "roles" / "probe" / "tasks" / "main.yml").read_text())
            assert asked["ansible.builtin.raw"].startswith(": ROLLOUT_MARK={{ rollout_mark")
        else:
            assert play["environment"]["ROLLOUT_MARK"] == "{{ rollout_mark | default('by-hand') }}"
        assert not {"serial", "max_fail_percentage", "any_errors_fatal", "strategy"} & play.keys()


def test_every_setting_of_the_role_is_checked_by_ansible_and_told_in_the_guide() -> None:
    defaults = yaml.safe_load((ROLE / "defaults" / "main.yml").read_text())
    specs = yaml.safe_load((ROLE / "meta" / "argument_specs.yml").read_text())["argument_specs"]
    guide = (PLAYBOOKS.parent / "docs" / "guides" / "playbooks.md").read_text()

    for step in ("precheck", "stage", "upgrade", "verify"):
        assert specs[step]["options"].keys() == defaults.keys()
    assert [name for name in defaults if f"`{name}`" not in guide] == []


def test_every_setting_of_a_snapshot_is_checked_by_ansible_and_told_in_the_guide() -> None:
    role = PLAYBOOKS / "roles" / "snapshot"
    defaults = yaml.safe_load((role / "defaults" / "main.yml").read_text())
    specs = yaml.safe_load((role / "meta" / "argument_specs.yml").read_text())["argument_specs"]
    guide = (PLAYBOOKS.parent / "docs" / "guides" / "playbooks.md").read_text()

    assert {step: spec["options"].keys() for step, spec in specs.items()} == dict.fromkeys(
        ("take", "revert", "drop"), defaults.keys()
    )
    assert [name for name in defaults if f"`{name}`" not in guide] == []
