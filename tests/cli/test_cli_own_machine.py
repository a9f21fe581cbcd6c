"""A controller whose own machine fails it: the run pauses, no host is blamed, and `resume` goes on."""

import resource
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.worlds import a_plan_folder

LIMIT = 32
"""Descriptors: enough for a controller, and too few for a unit."""


def rollout(folder: Path, *words: str, descriptors: int | None = None) -> "subprocess.CompletedProcess[str]":
    program = "import sys; from rollout.cli import main; sys.exit(main())"
    if descriptors is not None:
        limit = (
            f"import resource; resource.setrlimit(resource.RLIMIT_NOFILE, ({descriptors}, {descriptors})); "
        )
        program = limit + program
    command = [sys.executable, "-c", program, *words]
    return subprocess.run(
        command,
        cwd=folder,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """One host, one step."""
    plan = a_plan_folder(tmp_path)
    text = plan.read_text().replace("hosts: all", "hosts: a1")
    plan.write_text(
        "\n".join(line for line in text.splitlines() if "name: upgrade" not in line and "name: b" not in line)
    )
    (tmp_path / "playbooks" / "step.yml").write_text(
        "- hosts: all\n  gather_facts: false\n  tasks: [{ansible.builtin.ping: {}}]\n"
    )
    (tmp_path / "inventory.yml").write_text(
        (tmp_path / "inventory.yml")
        .read_text()
        .replace(
            "ansible_connection: local",
            f"ansible_connection: local, ansible_python_interpreter: {sys.executable}",
        )
    )
    return tmp_path


def test_a_machine_without_descriptors_pauses_the_run_and_counts_no_host(folder: Path) -> None:
    assert resource.getrlimit(resource.RLIMIT_NOFILE)[0] > LIMIT
    stopped = rollout(folder, "apply", "plan.yml", "--yes", descriptors=LIMIT)
    assert stopped.returncode == 3, stopped.stdout + stopped.stderr
    assert "PAUSED: this machine: " in stopped.stdout
    assert "; host a1 waits and is not counted; mend it, then `rollout resume`" in stopped.stdout
    assert (
        "not to blame, and not counted; once what is suspected is mended, `rollout resume` goes on with\n  a1: "
        in stopped.stdout
    )

    status = rollout(folder, "status")
    assert "in flight" not in status.stdout
    assert "held" not in status.stdout.partition("not counted")[0]
    why = rollout(folder, "why", "a1")
    assert why.stdout.startswith(
        "a1 (wave a/1) is under way: it is not counted, and waits until this is mended: "
    )
    refused = rollout(folder, "retry", "a1", "--reason", "try")
    assert "the run is paused because of the controller's own machine" in refused.stderr

    done = rollout(folder, "resume")
    assert done.returncode == 0, done.stdout + done.stderr
    events = rollout(folder, "events").stdout
    assert "failed" not in events
    assert "HELD" not in events
