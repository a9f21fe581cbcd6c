"""Filling a unit's directory and starting its supervisor."""

import fcntl
import importlib.util
import os
import select
import signal
import sysconfig
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rollout.executors._config import ansible_cfg
from rollout.executors._inventory import write_extra_variables, write_inventory
from rollout.executors._processes import open_process, stat
from rollout.executors._unit import Unit, write
from rollout.model.seams import Order

SWEEP_PLUGIN, CHECK_PLUGIN = (Path(__file__).with_name(f"_{name}_plugin.py") for name in ("sweep", "check"))

HIGH = 64
"""Descriptors are lifted above the numbers that they take in the supervisor, so that none overwrites another."""


@dataclass(frozen=True, slots=True)
class Launcher:
    """What all units of an executor share. `users` is what their ansible.cfg takes over from the user's."""

    folder: Path
    python: str
    grace: float
    users: Mapping[str, Mapping[str, str]]
    environment: Mapping[str, str]
    check: bool = False
    """Ansible's check mode: nothing is to be changed on the host."""

    def prepare(
        self,
        unit: Unit,
        order: Order,
        ours: Mapping[str, Any],
        variables: Mapping[str, Any],
        groups: Sequence[str],
    ) -> None:
        """Everything that the supervisor and Ansible will read. `ours`: further extra variables."""
        unit.make({
            "host": order.host,
            "mark": order.mark,
            "step": order.step.name,
            "attempt": order.attempt,
            "once": order.step.once,
            "timeout": order.step.timeout,
            "grace": self.grace,
            "folder": str(self.folder),
            "playbook": str(self.folder / str(order.step.playbook)),
            "check": self.check,
        })  # fmt: skip
        if self.check:
            add_plugin(unit, CHECK_PLUGIN)
        cfg = ansible_cfg(self.users, password=has_password(variables))
        write(unit.private / "ansible.cfg", cfg)
        write_inventory(unit.private, order.host, variables, groups)
        named = {
            "rollout_run": order.run,
            "rollout_host": order.host,
            "rollout_step": order.step.name,
            "rollout_attempt": order.attempt,
            "rollout_mark": order.mark,
        }
        write_extra_variables(unit.private / "extra.json", {**order.variables, **ours, **named})

    def start(self, unit: Unit, lock: int, host_lock: int) -> int:
        """Pid of the supervisor, in a session of its own; it has both locks from before its first instruction."""
        high = [fcntl.fcntl(handle, fcntl.F_DUPFD_CLOEXEC, HIGH) for handle in (lock, host_lock)]
        log = str(unit.path / "supervisor.log")
        try:
            return os.posix_spawn(
                self.python,
                [self.python, "-P", "-m", "rollout.executors._supervisor", str(unit.path)],
                _with_us_importable(self.environment),
                file_actions=[
                    (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
                    (os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0),
                    (os.POSIX_SPAWN_OPEN, 2, log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600),
                    (os.POSIX_SPAWN_DUP2, high[0], 3),
                    (os.POSIX_SPAWN_DUP2, high[1], 4),
                ],
                setsid=True,
                setsigmask=(),
                setsigdef=(signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGPIPE),
            )
        finally:
            for handle in high:
                os.close(handle)


def await_supervisor(pid: int, seconds: float) -> None:
    """Until our child of that pid is gone, and reaped. One that does not keep its own deadline is killed after so many seconds."""
    found = stat(pid)  # our child: its number is not used again before it is reaped
    handle = open_process(pid, found[2]) if found else None
    if handle is not None:
        poll = select.poll()
        poll.register(handle, select.POLLIN)
        if not poll.poll(seconds * 1000):
            with suppress(ProcessLookupError):
                signal.pidfd_send_signal(handle, signal.SIGKILL)
        os.close(handle)
    with suppress(ChildProcessError):
        os.waitpid(pid, 0)


def add_plugin(unit: Unit, plugin: Path) -> None:
    """A callback plugin of ours, by itself: Ansible loads whatever is in the folder."""
    folder = unit.private / "callbacks"
    folder.mkdir(mode=0o700, exist_ok=True)
    write(folder / plugin.name.replace("_", "rollout_", 1), plugin.read_text(encoding="utf-8"))


def has_password(variables: Mapping[str, Any]) -> bool:
    """Whether ssh may have to give one."""
    return any(
        variables.get(name) for name in ("ansible_password", "ansible_ssh_pass", "ansible_ssh_password")
    )


def _with_us_importable(environ: Mapping[str, str]) -> dict[str, str]:
    """Knowing where this package is, also when it runs from a checkout that is not installed."""
    spec = importlib.util.find_spec("rollout")
    root = str(Path(spec.origin).parent.parent) if spec and spec.origin else ""
    if root in {"", sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}:
        return dict(environ)
    known = environ.get("PYTHONPATH")
    return {**environ, "PYTHONPATH": f"{known}{os.pathsep}{root}" if known else root}
