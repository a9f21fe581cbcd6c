"""`apply --dry-run` with real Ansible, on hosts that are this machine."""

import os
import shlex
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from rollout.executors._processes import descendants, stat
from tests.cli.worlds import INVENTORY, Typist, a_plan_folder
from tests.executors.ansible_bench import gone, wait_for

PRECHECK = """- hosts: all
  gather_facts: false
  tasks:
    - {name: Look, ansible.builtin.raw: "%s", changed_when: false}
    - {name: Judge, ansible.builtin.assert: {that: "inventory_hostname != 'a2' and rollout_combo in ['a', 'b']"}}
"""


def a_folder(folder: Path, look: str) -> Path:
    plan = a_plan_folder(folder)
    text = plan.read_text().replace(
        "precheck, playbook: playbooks/step", "precheck, playbook: playbooks/look"
    )
    plan.write_text(text)
    (folder / "playbooks" / "look.yml").write_text(PRECHECK % look)
    local = f"{{ansible_connection: local, ansible_python_interpreter: {shlex.quote(sys.executable)}}}"
    (folder / "inventory.yml").write_text(INVENTORY.replace("{ansible_connection: local}", local))
    return plan


def test_the_prechecks_of_all_combos_are_one_sweep(rollout: Typist, tmp_path: Path) -> None:
    a_folder(tmp_path / "here", "true")
    said = rollout("apply", "here/plan.yml", "--dry-run")
    assert said.code == 1, said.err
    assert "precheck: 2 of 3 hosts pass" in said.out
    assert "a2 would not be upgraded: precheck: failed, Assertion failed" in said.out
    assert {path.name for path in (tmp_path / "here" / ".rollout").iterdir()} == {"inventory"}


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_nothing_goes_on_after_a_dry_run(tmp_path: Path, number: signal.Signals) -> None:
    folder = tmp_path / "here"
    a_folder(folder, "touch begun; sleep 300")
    command = [sys.executable, "-m", "rollout", "apply", "plan.yml", "--dry-run"]
    with subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL) as process:
        try:
            wait_for((folder / "playbooks" / "begun").is_file, 90)
            below = {pid: found[2] for pid in descendants(process.pid) if (found := stat(pid))}
            os.kill(process.pid, number)
            process.wait(60)
        finally:
            process.kill()
    assert process.returncode == (130 if number == signal.SIGINT else -number)
    wait_for(lambda: gone(below))
    left = {path.name for path in (folder / ".rollout").iterdir()} - {"inventory"}
    assert bool(left) == (number == signal.SIGKILL)  # the next dry run clears it away
