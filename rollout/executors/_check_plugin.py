"""A callback plugin, copied into each unit in check mode and loaded by Ansible: what check mode could say of each task.

ansible-runner's own events do not tell a task that check mode skipped from one that its `when` skipped.
"""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ansible.plugins.callback import CallbackBase

UNSEEN = {"reboot", "rollout_guard"}
"""Actions that say something in check mode, and not what they would do."""

FILES = {"include_tasks", "include_role", "import_tasks", "import_role"}
"""They bring tasks and are none; one that check mode skips hides all of its tasks."""


def word(action: str, result: Mapping[str, Any], *, skipped: bool, real: bool) -> str:
    """`not-covered`, `would-change`, `same`, `skipped` (by its own condition); of a task that ran for real: `changed` or `same`."""
    name = action.rpartition(".")[2]
    items = [item for item in result.get("results") or () if isinstance(item, Mapping)]
    if any(_by_check_mode(item) for item in items if "skip_reason" in item or item.get("skipped")):
        return "not-covered"
    if skipped:
        whole = not items and "skipped_reason" not in result and _by_check_mode(result)
        return "not-covered" if whole else "skipped"
    if name in UNSEEN and not real:
        return "not-covered"
    if result.get("changed"):
        return "changed" if real else "would-change"
    return "same"


def _by_check_mode(result: Mapping[str, Any]) -> bool:
    """Not by a `when` of its own, unless that asks for check mode. One that is hidden (no_log) says neither."""
    return "skip_reason" not in result or "ansible_check_mode" in str(result.get("false_condition"))


class CallbackModule(CallbackBase):  # type: ignore[misc]  # Ansible ships no types
    """Writes a line of JSON for each task of a host to the file ROLLOUT_TOLD: names and words, nothing of what tasks print."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "aggregate"
    CALLBACK_NAME = "rollout_check"

    def v2_runner_on_ok(self, result: Any) -> None:
        """Its loop, if it has one, is over."""
        self._tell(result)

    def v2_runner_on_skipped(self, result: Any) -> None:
        """By a condition, or by check mode."""
        self._tell(result, skipped=True)

    def v2_runner_on_failed(self, result: Any, ignore_errors: bool = False) -> None:  # noqa: ARG002  Ansible's signature
        """Ignored or not: check mode said something of it."""
        self._write(result, "failed")

    def _tell(self, result: Any, *, skipped: bool = False) -> None:
        real = not result.task_fields.get("check_mode", True)
        found = word(result.task.action, result.result, skipped=skipped, real=real)
        if found == "not-covered" or result.task.action.rpartition(".")[2] not in FILES:
            self._write(result, found)

    def _write(self, result: Any, found: str) -> None:
        line = {"task": result.task.get_name(), "action": result.task.action, "word": found}
        with Path(os.environ["ROLLOUT_TOLD"]).open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")
