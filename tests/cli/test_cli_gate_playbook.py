"""A gate's own playbook: tried with real Ansible on this machine, left alone by a dry run, and part of what a saved plan depends on."""

import shlex
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from rollout.cli import _dry_run
from rollout.model.plan import GateRule, Moment
from tests.cli.worlds import INVENTORY, Typist, a_plan_folder
from tests.fleet import a_combo, a_graph, a_plan

CHECK = """- hosts: all
  gather_facts: false
  tasks:
    - {name: Judge, ansible.builtin.assert: {that: "inventory_hostname == 'a1'"}}
"""
GATES = "gates: [{name: healthy, kind: playbook, when: after upgrade, playbook: checks/health.yml}]\n"


@pytest.fixture
def plan(tmp_path: Path) -> Path:
    path = a_plan_folder(tmp_path / "here")
    path.write_text(path.read_text() + GATES)
    (path.parent / "checks").mkdir()
    (path.parent / "checks" / "health.yml").write_text(CHECK)
    local = f"{{ansible_connection: local, ansible_python_interpreter: {shlex.quote(sys.executable)}}}"
    (path.parent / "inventory.yml").write_text(INVENTORY.replace("{ansible_connection: local}", local))
    return path


def test_it_is_tried_on_one_host(rollout: Typist, plan: Path) -> None:
    said = rollout("gate", "test", str(plan), "healthy", "--host", "a2")
    assert said.code == 1
    assert "checks/health.yml failed at 'Judge': Assertion failed" in " ".join(said.out.split())


def test_a_changed_check_makes_a_saved_plan_stale(rollout: Typist, plan: Path) -> None:
    assert rollout("plan", str(plan), "-o", "saved.json").code == 0
    (plan.parent / "checks" / "health.yml").write_text(CHECK + "# changed\n")
    said = rollout("apply", "saved.json", "--yes")
    assert said.code == 6
    assert "  checks/health.yml has changed" in said.err


def test_a_dry_run_does_not_ask_it(capsys: pytest.CaptureFixture[str]) -> None:
    rules = (
        GateRule("healthy", "playbook", Moment("before", "run"), {"playbook": "checks/health.yml"}),
        GateRule("fresh", "ssh", Moment("before", "run")),
    )
    graph = a_graph({"a": 1}, replace(a_plan(a_combo("a")), gates=rules))
    assert {ask.gate.name for ask in _dry_run._of_hosts(graph)} == {"fresh"}
    assert "gate healthy is not asked" in capsys.readouterr().out
