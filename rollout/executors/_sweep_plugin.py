"""A callback plugin, copied into each chunk of a sweep and loaded by Ansible: each host goes its own way, as it would in a unit.

Else the failure of one would end the play of all without a trace in what Ansible says of them (any_errors_fatal,
max_fail_percentage, run_once, serial), and `meta: end_play` of one as well.
"""

import functools
import os
from pathlib import Path
from typing import Any

from ansible.plugins.callback import CallbackBase
from ansible.plugins.strategy import StrategyBase

ENDS = {"end_play", "end_batch"}


class CallbackModule(CallbackBase):  # type: ignore[misc]  # Ansible ships no types
    """Writes the file ROLLOUT_TOLD when all is as it should be: without it nothing that Ansible says of a host counts."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "aggregate"
    CALLBACK_NAME = "rollout_sweep"

    def v2_playbook_on_start(self, playbook: Any) -> None:
        """Before the first play."""
        for play in playbook.get_plays():
            play.strategy, play.serial = "free", []
            play.any_errors_fatal, play.max_fail_percentage = False, None
        _end_only_the_host()
        Path(os.environ["ROLLOUT_TOLD"]).touch()


def _end_only_the_host() -> None:
    execute = StrategyBase._execute_meta  # noqa: SLF001  the one place that all strategies pass

    @functools.wraps(execute)
    def for_the_host(strategy: Any, task: Any, *args: Any, **named: Any) -> Any:
        if task.args.get("_raw_params") in ENDS:
            task = task.copy()
            task.args = {**task.args, "_raw_params": "end_host"}
        return execute(strategy, task, *args, **named)

    StrategyBase._execute_meta = for_the_host  # noqa: SLF001  as above
