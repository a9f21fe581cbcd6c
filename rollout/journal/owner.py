"""Who holds a run, and whether that process still lives."""

import os
import pwd
import socket
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Any, Self


class Life(StrEnum):
    """What is known of an owner. UNKNOWN is never taken for dead."""

    ALIVE = "alive"
    DEAD = "dead"
    UNKNOWN = "unknown"
    LAPSED = "lapsed"
    """It cannot be seen, and was silent for longer than its lease: it may be taken over, and can write nothing from then on."""


@dataclass(frozen=True, slots=True)
class Owner:
    """A controller process. A pid alone is not enough: pids are used again, machines reboot, containers number their own.

    `start_time` is in clock ticks since boot, as in /proc/PID/stat. `pid_namespace` tells whose numbers `pid` counts in.
    """

    boot_id: str
    pid: int
    start_time: int
    user: str
    machine: str
    pid_namespace: str = ""

    def __str__(self) -> str:
        """For a person."""
        return f"{self.user} on {self.machine} (pid {self.pid})"

    @classmethod
    def current(cls) -> Self:
        """The process that asks."""
        pid = os.getpid()
        return cls(
            boot_id=_boot_id(),
            pid=pid,
            start_time=_start_time(pid) or 0,
            user=_user(),
            machine=socket.gethostname(),
            pid_namespace=_pid_namespace(),
        )

    def to_json(self) -> dict[str, Any]:
        """A value for json.dumps."""
        return asdict(self)

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> Self:
        """The owner that `to_json` wrote."""
        return cls(**value)

    def life(self, seen_by: "Owner") -> Life:
        """Whether this process lives, as far as `seen_by` (on its own machine) can tell.

        Another machine with another boot id may be anything: only a person knows.
        """
        if self.boot_id != seen_by.boot_id:
            return Life.DEAD if self.machine == seen_by.machine else Life.UNKNOWN
        if self.pid_namespace != seen_by.pid_namespace:
            return Life.UNKNOWN
        return Life.ALIVE if _start_time(self.pid) == self.start_time else Life.DEAD


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to write a run. `fence` grows with each claim: an older one is refused."""

    run: str
    fence: int
    owner: Owner


def stamp(at: float) -> str:
    """Seconds since the epoch as a UTC time for a person."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def _boot_id() -> str:
    return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()


def _pid_namespace() -> str:
    try:
        return str(Path("/proc/self/ns/pid").readlink())
    except OSError:
        return ""


def _start_time(pid: int) -> int | None:
    """When a process began; None if it is gone, or is a zombie that nobody has waited for yet."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return None
    state, *fields = stat.rpartition(")")[2].split()
    return None if state in {"Z", "X"} else int(fields[18])


def _user() -> str:
    """The login name of the effective user; a user without an entry is known by number."""
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        return f"uid {os.geteuid()}"
