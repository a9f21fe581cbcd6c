"""The last line of a step in flight, from a real unit."""

import json
from pathlib import Path

from rollout.executors._secrets import HIDDEN
from rollout.executors._unit import Unit
from rollout.executors.heard import last_heard
from rollout.model.seams import Ending
from tests.executors.ansible_bench import LOCAL, Bench, wait_for

BEAT = """
import os, time
from ansible.plugins.action import ActionBase

class ActionModule(ActionBase):
    def run(self, tmp=None, task_vars=None):
        self._display.display("guard: dist-upgrade has run for 62 s: Unpacking hunter2-hunter2")
        while not os.path.exists(self._task.args["until"]):
            time.sleep(0.05)
        return {"changed": False}
"""


def test_a_line_of_progress_is_heard_while_the_task_runs_and_without_secrets(tmp_path: Path) -> None:
    bench = Bench(tmp_path, variables={"h1": {**LOCAL, "disk_password": "hunter2-hunter2"}})
    (tmp_path / "action_plugins").mkdir()
    (tmp_path / "action_plugins" / "beat.py").write_text(BEAT)
    order = bench.order("h1", f"    - name: Upgrade\n      beat: {{until: {tmp_path}/go}}\n")
    executor = bench.executor()

    def heard() -> str:
        found = last_heard(tmp_path / "units", "run-1", "h1", "upgrade", 1)
        return found.line if found else ""

    try:
        assert heard() == "", "it has not begun"
        executor.run(order, bench.post)
        wait_for(lambda: "guard" in heard())
        assert heard() == "guard: dist-upgrade has run for 62 s: Unpacking " + HIDDEN
        (tmp_path / "go").touch()
        assert bench.answer().ending is Ending.DONE
        assert heard() == "", "it runs no more"
    finally:
        executor.close()


def test_a_unit_that_is_just_being_tidied_is_not_heard_unhidden(tmp_path: Path) -> None:
    unit = Unit(tmp_path / "run-1" / "h1" / "upgrade.1")
    unit.make({})
    (unit.artifacts / "unit").mkdir(parents=True)
    (unit.artifacts / "unit" / "stdout").write_text("the password is hunter2-hunter2\n")
    hostvars = {"h1": {"disk_password": "hunter2-hunter2"}}
    (unit.private / "inventory.json").write_text(json.dumps({"_meta": {"hostvars": hostvars}}))
    found = last_heard(tmp_path, "run-1", "h1", "upgrade", 1)
    assert found is not None
    assert found.line == f"the password is {HIDDEN}"
    (unit.private / "inventory.json").unlink()  # a folder is removed in whatever order
    assert last_heard(tmp_path, "run-1", "h1", "upgrade", 1) is None
