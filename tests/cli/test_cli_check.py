"""`apply --dry-run --check HOST`: Ansible's own check mode, on hosts that are this machine."""

import json
import sys
from pathlib import Path

import pytest

from rollout.executors._check_plugin import word
from tests.cli.worlds import INVENTORY, PLAN, Typist

PRECHECK = """- hosts: all
  gather_facts: false
  tasks:
    - {name: Look, ansible.builtin.command: {cmd: "true"}, check_mode: false, changed_when: false}
    - {name: Touch for real, ansible.builtin.file: {path: "{{ playbook_dir }}/real", state: touch, mode: "0600"}, check_mode: false}
    - {name: Not today, ansible.builtin.command: {cmd: "false"}, when: false}
    - {name: Not of this, ansible.builtin.command: {cmd: "false"}, when: not ansible_check_mode}
"""

UPGRADE = """- hosts: all
  gather_facts: false
  tasks:
    - name: "Write {{ bmc_password }}"
      ansible.builtin.copy: {dest: "{{ playbook_dir }}/written", content: "{{ bmc_password }}", mode: "0600"}
    - {name: Upgrade, ansible.builtin.command: {cmd: "touch upgraded"}, loop: [1, 2], register: upgraded}
    - {name: Hidden, ansible.builtin.raw: "touch upgraded", no_log: true}
    - {name: Depend on it, ansible.builtin.assert: {that: "upgraded.results[0].stdout == 'all went well'"}, when: inventory_hostname == 'a2'}
"""


CHECKED = """a1, combo a, in Ansible's check mode:
  precheck: 3 tasks, 0 would change, 1 not covered
    not covered: Not of this (ansible.builtin.command)
    CHANGED (check_mode: false): Touch for real (ansible.builtin.file)
  upgrade: 3 tasks, 1 would change, 2 not covered
    would change: Write ******** (ansible.builtin.copy)
    not covered: Upgrade (ansible.builtin.command)
    not covered: Hidden (ansible.builtin.raw)
check mode: 1 host, 6 tasks, 1 would change something, 3 could not be covered; \
1 task changed something all the same, and the journal was not written
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    found = tmp_path / "here"
    (found / "playbooks").mkdir(parents=True)
    (found / "playbooks" / "precheck.yml").write_text(PRECHECK)
    (found / "playbooks" / "upgrade.yml").write_text(UPGRADE)
    local = f"{{ansible_connection: local, ansible_python_interpreter: {sys.executable}, bmc_password: hunter2-x}}"
    (found / "inventory.yml").write_text(INVENTORY.replace("{ansible_connection: local}", local))
    plan = PLAN.replace("precheck, playbook: playbooks/step", "precheck, playbook: playbooks/precheck")
    (found / "plan.yml").write_text(plan.replace("playbooks/step.yml", "playbooks/upgrade.yml"))
    return found


def test_what_check_mode_cannot_cover_is_counted_and_named(rollout: Typist, folder: Path) -> None:
    said = rollout("apply", "here/plan.yml", "--dry-run", "--check", "a1", "--check", "a1")
    assert (said.code, said.err) == (0, "")
    assert said.out.splitlines() == CHECKED.splitlines()
    assert not (folder / "playbooks" / "written").exists()
    assert {path.name for path in (folder / ".rollout").iterdir()} == {"inventory"}


def test_a_step_that_fails_in_check_mode_says_why(rollout: Typist, folder: Path) -> None:
    said = rollout("apply", "here/plan.yml", "--dry-run", "--check", "a2", "--json")
    assert said.code == 1
    lines = [json.loads(line) for line in said.out.splitlines()]
    assert [(line["host"], line["step"], "because" in line) for line in lines] == [
        ("a2", "precheck", False),
        ("a2", "upgrade", True),
    ]
    assert lines[1]["because"] == "failed, Assertion failed"
    assert lines[1]["tasks"][-1] == {
        "task": "Depend on it", "action": "ansible.builtin.assert", "word": "failed"
    }  # fmt: skip
    assert "hunter2" not in said.out


def test_only_hosts_of_the_plan_are_checked(rollout: Typist, folder: Path) -> None:
    assert folder.is_dir()
    for words, error in (
        (["--check", "a1"], "--check goes with --dry-run"),
        (["--dry-run", "--check", "a11"], "the plan upgrades no host of that name; did you mean 'a1'?"),
        (["--dry-run", "--check", "b2"], "--check b2: it is current and would not be touched: "),
    ):
        said = rollout("apply", "here/plan.yml", *words)
        assert said.code == 64
        assert error in said.err


@pytest.mark.parametrize(
    ("result", "skipped", "expected"),
    [
        ({"changed": True}, False, "would-change"),
        ({"changed": False}, False, "same"),
        ({"msg": "remote module (x) does not support check mode"}, True, "not-covered"),
        ({"skip_reason": "Conditional result was False", "false_condition": "x"}, True, "skipped"),
        ({"skip_reason": "", "false_condition": "not ansible_check_mode"}, True, "not-covered"),
        ({"skipped_reason": "No items in the list", "results": []}, True, "skipped"),
        ({"results": [{"skip_reason": "x"}, {"skip_reason": "x"}]}, True, "skipped"),
        ({"results": [{"skip_reason": "x"}, {"skipped": True}]}, True, "not-covered"),
        ({"results": [{"changed": True}, {"skipped": True}], "changed": True}, False, "not-covered"),
        ({"results": [{"changed": True}, {"skip_reason": "x"}], "changed": True}, False, "would-change"),
        ({"censored": "hidden"}, True, "not-covered"),
    ],
)
def test_words_of_tasks(result: dict[str, object], *, skipped: bool, expected: str) -> None:
    assert word("ansible.builtin.command", result, skipped=skipped, real=False) == expected


def test_what_a_reboot_would_do_is_not_covered_unless_it_was_done() -> None:
    assert word("ansible.builtin.reboot", {"changed": True}, skipped=False, real=False) == "not-covered"
    assert word("reboot", {"changed": True}, skipped=False, real=True) == "changed"
