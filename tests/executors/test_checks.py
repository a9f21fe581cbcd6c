"""Playbooks of gates: real Ansible, on this machine."""

import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from rollout.executors._processes import descendants
from rollout.executors.checks import Checks
from rollout.gates.playbook import Kind
from rollout.model.seams import Answer, Ending, Outcome, Ran, Verdict
from tests.executors.ansible_bench import LOCAL, PLAY
from tests.gates.any_connection import subject

PLAY = PLAY.replace('  environment: {ROLLOUT_MARK: "{{ rollout_mark }}"}\n', "")

SECRET = {**LOCAL, "ansible_become_password": "hunter2-secret"}


class Bench:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.variables: dict[str, Mapping[str, Any]] = {"web1": SECRET}
        self.checks = Checks(
            folder / "checks", self.variables.__getitem__, lambda _host: ("compute",), folder
        )

    def ask(self, tasks: str, timeout: float = 90.0, host: str = "web1") -> Verdict:
        (self.folder / "health.yml").write_text(PLAY + tasks, encoding="utf-8")
        run: Callable[[str], Outcome] = lambda playbook: self.checks(playbook, host, timeout)  # noqa: E731  as the engine does
        return Kind(playbook="health.yml").check(subject(Ran(0, "", ""), run_playbook=run, timeout=timeout))

    def left(self) -> list[Path]:
        return list((self.folder / "checks").iterdir())


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def test_a_playbook_that_ends_well_passes_and_leaves_nothing(bench: Bench) -> None:
    told = bench.ask(
        "    - {ansible.builtin.assert: {that: [\"rollout_host == 'web1'\", \"'compute' in group_names\"]}}\n"
    )
    assert told.value is Answer.PASS, told
    assert told.samples["ending"] == "done"
    assert not bench.left()


def test_a_task_that_fails_fails_by_name_and_without_secrets(bench: Bench) -> None:
    told = bench.ask(
        '    - {name: storage is there, ansible.builtin.fail: {msg: "no storage for hunter2-secret"}}\n'
    )
    assert told.value is Answer.FAIL
    assert told.because.startswith("health.yml failed at 'storage is there': no storage for")
    assert "hunter2" not in repr(told)
    assert not bench.left()


@pytest.mark.full
def test_one_that_hangs_is_ended_with_all_that_it_began(bench: Bench) -> None:
    told = bench.ask(
        f'    - {{ansible.builtin.raw: "echo $$ > {bench.folder}/pid; exec sleep 300"}}\n', timeout=16.0
    )
    assert told.value is Answer.ERROR
    assert told.samples["ending"] in {Ending.LATE, Ending.FAILED}
    pid = int((bench.folder / "pid").read_text())
    assert pid not in descendants(os.getpid())
    assert not Path(f"/proc/{pid}").exists()
    assert not bench.left()


def test_a_host_that_ansible_cannot_reach_fails_as_unreached(bench: Bench) -> None:
    bench.variables["web1"] = {
        "ansible_host": "127.0.0.1",
        "ansible_port": 1,
        "ansible_python_interpreter": sys.executable,
    }
    told = bench.ask("    - {ansible.builtin.ping: }\n")
    assert told.value is Answer.FAIL
    assert told.samples["reached"] is False


def test_what_is_not_the_hosts_doing_is_an_error(bench: Bench) -> None:
    told = bench.ask("    - {ansible.builtin.ping: }\n", host="nobody")
    assert told.value is Answer.ERROR
    assert Kind(playbook="x.yml").check(subject(Ran(0, "", ""))).value is Answer.ERROR


@pytest.mark.parametrize("ending", [one for one in Ending if one is not Ending.DONE])
def test_only_done_passes(ending: Ending) -> None:
    run: Callable[[str], Outcome] = lambda _playbook: Outcome("web1", "gate", 1, ending, "why")  # noqa: E731  as the engine does
    told = Kind(playbook="x.yml").check(subject(Ran(0, "", ""), run_playbook=run))
    assert told.value in {Answer.FAIL, Answer.ERROR}
    assert "why" in told.because
