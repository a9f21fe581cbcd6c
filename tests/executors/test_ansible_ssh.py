"""Units over a real SSH connection to a loopback sshd: host keys, connections left behind, jobs that outlive Ansible."""

import os
import signal
import sys
from pathlib import Path

import pytest

from rollout import ssh
from rollout.executors._processes import descendants, stat
from rollout.model.seams import Ending
from tests.executors.ansible_bench import Bench, gone, wait_for
from tests.ssh.conftest import start  # noqa: F401  a fixture
from tests.ssh.loopback_sshd import Sshd, Start

PYTHON = {"ansible_python_interpreter": sys.executable}


@pytest.fixture(scope="module")
def sshd(start: Start) -> Sshd:  # noqa: F811  the fixture's shape
    return start()


def test_done_and_refused_over_ssh_and_no_connection_is_left(tmp_path: Path, sshd: Sshd) -> None:
    bench = Bench(tmp_path)
    changed = sshd.known_hosts(
        sshd.known.replace("AAAAC3NzaC1lZDI1NTE5AAAAI", "AAAAC3NzaC1lZDI1NTE5AAAAJ"), "changed"
    )
    bench.variables = {
        "good": sshd.variables(**PYTHON),
        "unknown": sshd.variables(sshd.known_hosts("", "empty"), **PYTHON),
        "changed": sshd.variables(changed, **PYTHON),
    }
    tasks = """
    - ansible.builtin.shell: readlink -f /proc/self/fd/0; echo "$ROLLOUT_MARK"
      register: ran
    - ansible.builtin.assert: {that: "'/dev/pts' not in ran.stdout and ran.stdout_lines[1] == rollout_mark"}
    - ansible.builtin.shell: printenv SSH_CONNECTION >> {{ playbook_dir }}/connections
"""
    outcomes = bench.carry_out(*(bench.order(host, tasks) for host in bench.variables))
    assert {host: outcome.ending for host, outcome in outcomes.items()} == {
        "good": Ending.DONE,
        "unknown": Ending.REFUSED,
        "changed": Ending.REFUSED,
    }, outcomes
    wait_for(lambda: all("sshd: " not in name for name in below(sshd)))


def below(sshd: Sshd) -> list[str]:
    names = []
    for pid in descendants(sshd.process.pid):
        try:
            names.append(Path(f"/proc/{pid}/cmdline").read_text())
        except (FileNotFoundError, ProcessLookupError):
            continue
    return names


def test_a_job_that_outlives_its_unit_is_waited_for(tmp_path: Path, sshd: Sshd) -> None:
    bench = Bench(tmp_path, {"h1": sshd.variables(**PYTHON)}, grace=2.0, connect=ssh.connect)
    tasks = """
    - name: Work
      ansible.builtin.shell: touch began; while ! [ -e go ]; do sleep 0.05; done; touch ended
      args: {chdir: "{{ playbook_dir }}"}
"""
    executor = bench.executor()
    order = bench.order("h1", tasks)
    executor.run(order, bench.post)
    wait_for((tmp_path / "began").exists)
    process = bench.unit(order).process()
    assert process is not None
    living = {pid: found[2] for pid in descendants(process[0]) if (found := stat(pid))}
    os.kill(process[0], signal.SIGTERM)
    wait_for(lambda: gone(living))
    assert bench.inbox.empty()
    (tmp_path / "go").touch()
    outcome = bench.answer()
    executor.close()
    assert outcome.ending is Ending.INTERRUPTED, outcome
    assert (tmp_path / "ended").exists()
