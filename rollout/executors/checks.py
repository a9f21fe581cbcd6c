"""Playbooks of gates: one host, one run that changes nothing, nobody takes it up.

Each has a directory as a unit has, and a supervisor that ends with the controller that asked; of it nothing stays. It takes neither the
host's lock nor its guard, for it may be asked while nothing else is at work on the host, and is no step.
"""

import math
import os
import shutil
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from rollout.errors import of_this_machine
from rollout.executors._config import ansible_cfg, environment, passed_through, users_file
from rollout.executors._inventory import write_extra_variables, write_inventory
from rollout.executors._launch import Launcher, await_supervisor, has_password
from rollout.executors._text import sentence
from rollout.executors._unit import Result, Unit, file_name, write
from rollout.model.seams import Ending, Outcome

AT_ONCE = 8
"""Ansible processes of gates at most; those of steps are counted apart."""

SHARE, GRACE = 0.75, 0.05
"""Of the seconds given: for the playbook, and then for its processes to end by themselves."""

LEFT = 3600.0
"""Seconds after which what a killed controller has left behind is cleared away."""


class Checks:
    """Runs playbooks of gates; the folders and callables are those of `AnsibleExecutor`."""

    def __init__(
        self,
        folder: Path,
        variables_of: Callable[[str], Mapping[str, Any]],
        groups_of: Callable[[str], Sequence[str]],
        playbook_dir: Path,
        *,
        at_once: int = AT_ONCE,
        python: str = sys.executable,
        environ: Mapping[str, str] = os.environ,
    ) -> None:
        self._folder, self._variables_of, self._groups_of = folder.absolute(), variables_of, groups_of
        plans = playbook_dir.absolute()
        users = passed_through(users_file(plans, environ))
        self._launcher = Launcher(plans, python, 0.0, users, environment(environ, Path.cwd()))
        self._room = threading.BoundedSemaphore(max(1, min(AT_ONCE, at_once)))

    def __call__(self, playbook: str, host: str, seconds: float) -> Outcome:
        """Run it on the host and wait for it, at most so many seconds. Never raises: it is how it came out."""
        until = time.monotonic() + seconds * SHARE
        if not self._room.acquire(timeout=seconds * SHARE / 2):
            return _outcome(host, Result(Ending.CONTROLLER, "too many playbooks of gates run already"))
        try:
            return _outcome(host, self._run(playbook, host, until - time.monotonic(), seconds * GRACE))
        except Exception as error:  # noqa: BLE001  no exception is lost: it is how it came out
            because = of_this_machine(error) or f"{type(error).__name__}: {error}"
            return _outcome(host, Result(Ending.CONTROLLER, because))
        finally:
            self._room.release()

    def _run(self, playbook: str, host: str, seconds: float, grace: float) -> Result:
        variables, groups = self._variables_of(host), self._groups_of(host)
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._clear()
        unit = Unit(Path(tempfile.mkdtemp(prefix=f"{file_name(host)}.", dir=self._folder)))
        try:
            lock = unit.lock()
            if lock is None:
                return Result(Ending.CONTROLLER, f"{unit.path} is held by somebody else")
            try:
                self._prepare(unit, playbook, host, variables, groups, seconds, grace)
                pid = self._launcher.start(unit, lock, lock)
            finally:
                os.close(lock)
            await_supervisor(pid, seconds + 2 * grace + 5.0)
            unknown = Result(Ending.UNKNOWN, "its supervisor died without a last word")
            return unit.result() or unknown
        finally:
            unit.tidy()
            shutil.rmtree(unit.path, ignore_errors=True)

    def _prepare(
        self,
        unit: Unit,
        playbook: str,
        host: str,
        variables: Mapping[str, Any],
        groups: Sequence[str],
        seconds: float,
        grace: float,
    ) -> None:
        plans = self._launcher.folder
        unit.make({
            "host": host, "controller": os.getpid(), "mark": f"gate/{host}", "step": "gate", "attempt": 1, "once": False,
            "timeout": seconds, "grace": grace, "folder": str(plans), "playbook": str(plans / playbook),
        })  # fmt: skip
        ours = {"task_timeout": max(1, math.ceil(seconds))}
        cfg = ansible_cfg(self._launcher.users, password=has_password(variables), defaults=ours)
        write(unit.private / "ansible.cfg", cfg)
        write_inventory(unit.private, host, variables, groups)
        write_extra_variables(unit.private / "extra.json", {"rollout_host": host})

    def _clear(self) -> None:
        for old in self._folder.iterdir():
            with suppress(OSError):
                if time.time() - old.stat().st_mtime > LEFT and (lock := Unit(old).lock()) is not None:
                    Unit(old).tidy()
                    shutil.rmtree(old, ignore_errors=True)
                    os.close(lock)


def _outcome(host: str, result: Result) -> Outcome:
    return Outcome(host, "gate", 1, Ending(result.ending), sentence(result.because), result.task)
