"""The folder of a dry run is gone with it, and with the next one if it was killed."""

import os
import signal
import subprocess
import sys
from pathlib import Path

from rollout.executors._unit import Unit
from rollout.executors.scratch import scratch
from tests.executors.ansible_bench import LOCAL, Bench, wait_for

KILLED = """
import queue
from pathlib import Path
from rollout.executors.ansible import AnsibleExecutor
from rollout.executors.scratch import scratch
from rollout.model.plan import Step
from rollout.model.seams import Order
here = Path({here!r})
with scratch(here, "dry-run") as folder:
    executor = AnsibleExecutor(folder, lambda host: {local!r}, lambda host: (), here)
    executor.run(Order("dry-run", "h1", Step("slow", playbook="slow.yml"), 1, 1), print)
    queue.Queue().get()
"""


def test_a_folder_lives_as_long_as_its_controller(tmp_path: Path) -> None:
    with scratch(tmp_path, "dry-run") as one, scratch(tmp_path, "dry-run") as other:
        assert one != other
        assert one.is_dir()
        (one / "left").touch()
    assert not list(tmp_path.iterdir())


def test_what_a_killed_one_has_left_is_ended_and_cleared_away(tmp_path: Path) -> None:
    Bench(tmp_path).order("h1", "\n    - {ansible.builtin.raw: 'touch begun; sleep 300'}\n", step="slow")
    script = KILLED.format(here=str(tmp_path), local=LOCAL)
    with subprocess.Popen([sys.executable, "-c", script]) as controller:
        wait_for((tmp_path / "begun").is_file, 60)
        os.kill(controller.pid, signal.SIGKILL)
    (old,) = tmp_path.glob("dry-run-*")
    (unit,) = Unit.all_of(old, "dry-run")
    known = unit.process()
    assert known
    assert Path(f"/proc/{known[0]}").exists()
    with scratch(tmp_path, "dry-run") as folder:
        assert [path.name for path in tmp_path.glob("dry-run-*")] == [folder.name]
        wait_for(lambda: not Path(f"/proc/{known[0]}").exists())
