"""The commands of `rollout lab`, as they are typed."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from rollout.lab import Lab, leftovers
from tests.lab.driving import eventually

pytestmark = pytest.mark.lab

COMMAND = [sys.executable, "-c", "from rollout.cli.lab import command; command()"]


def typed(*words: str, directory: Path) -> subprocess.CompletedProcess[str]:
    verb, *rest = words
    return subprocess.run(
        [*COMMAND, verb, "--dir", str(directory), *rest],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.usefixtures("lab")
def test_a_lab_by_command(directory: Path) -> None:
    assert "2 hosts are up" in typed("up", "--hosts", "2", directory=directory).stdout
    try:
        assert typed("fault", "h01", "link-cut", directory=directory).returncode == 0
        assert "link-cut" in typed("status", directory=directory).stdout.splitlines()[0]
        assert (
            typed("run", "h01", "--", "sh", "-c", "hostname; exit 3", directory=directory).stdout == "h01\n"
        )
        assert typed("run", "h01", "--", "sh", "-c", "hostname; exit 3", directory=directory).returncode == 3
        assert typed("fault", "h01", "link-cut", "--clear", directory=directory).returncode == 0
        config = str(directory / "ssh_config")
        assert (
            typed("exec", "--", "ssh", "-F", config, "h02", "hostname", directory=directory).stdout == "h02\n"
        )
        assert "Server listening" in typed("console", "h01", directory=directory).stdout
    finally:
        assert typed("down", directory=directory).stdout == "the lab is down\n"
    assert typed("down", directory=directory).stdout.startswith("no lab in")


@pytest.mark.usefixtures("lab")
def test_a_killed_up_is_cleaned_up(directory: Path) -> None:
    lab = Lab(directory)
    process = subprocess.Popen([*COMMAND, "up", "--hosts", "6", "--dir", str(directory)])
    eventually(lambda: len(leftovers.processes(lab.places)) > 1)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert lab.down()
    assert not leftovers.processes(lab.places)
    assert not directory.exists()
