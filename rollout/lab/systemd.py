"""The systemd engine: hosts whose init is systemd, with sshd, journald and logind as on any Debian server.

It differs from the light engine in what PID 1 is and in what that one wants: a control group of its own, and a terminal
for its console. Like light hosts, these have no CAP_SYS_ADMIN: systemd does without the sandboxes of its units then.
"""

import hashlib
import os
import subprocess
import threading
import tty
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, ClassVar

from rollout.lab.light import Host, Light
from rollout.lab.places import Places

# The namespace of control groups begins at the group that its maker is in.
_ENTER = 'echo 0 >"$LAB_GROUP/cgroup.procs" && exec unshare --cgroup "$@"'
# Groups vanish only when the last process in them has: that takes moments.
_REMOVE = """
mount -t cgroup2 cgroup2 /mnt && cd /mnt || exit
tries=0
while [ -d "$1" ] && [ $tries -lt 100 ]; do
    find "$1" -depth -type d -exec rmdir {} + 2>/dev/null || sleep 0.05
    tries=$((tries + 1))
done"""


@dataclass(frozen=True, slots=True)
class Systemd(Light):
    """Hosts with a real systemd; see Light."""

    engine: ClassVar[str] = "systemd"
    start_sshd: ClassVar[tuple[str, ...]] = ("systemctl", "start", "ssh")

    _terminals: dict[str, int] = field(default_factory=dict)

    def lay_ground(self) -> None:
        """As for light hosts, and the control groups, wherever the machine itself has them mounted."""
        Light.lay_ground(self)
        self._groups.mkdir(parents=True)
        subprocess.run(["mount", "-t", "cgroup2", "cgroup2", str(self._groups)], check=True)

    def lay_disk(self, host: Host) -> None:
        """As for a light host, and its console: one terminal for all its boots, copied to the log for as long as we live."""
        Light.lay_disk(self, host)
        master, slave = os.openpty()
        tty.setraw(slave)
        self._terminals[host.name] = slave
        log = self.places.host(host.name) / "console.log"
        threading.Thread(target=_copy, args=(master, log), daemon=True).start()

    @property
    def _groups(self) -> Path:
        return self.places.disks / ".groups"

    def _new_group(self, host: Host, boot: str) -> Path:
        """A group for one boot; those of boots that are over go, as far as their last processes have."""
        groups = self._groups / group(self.places) / host.name
        for directory, _, _ in os.walk(groups, topdown=False):
            with suppress(OSError):
                Path(directory).rmdir()
        new = groups / boot
        new.mkdir(parents=True)
        return new

    @property
    def _into_group(self) -> tuple[str, ...]:
        return ("sh", "-c", _ENTER, "sh")

    @contextmanager
    def _console(self, host: Host) -> Iterator[IO[bytes] | int]:
        yield self._terminals[host.name]

    def _own_environment(self, host: Host, boot: str) -> dict[str, str]:
        return {
            "LAB_GROUP": str(self._new_group(host, boot)),
            "LAB_CONSOLE": os.ttyname(self._terminals[host.name]),
        }


def group(places: Places) -> str:
    """The control group that holds those of a lab's hosts."""
    return f"rollout-lab-{hashlib.sha256(str(places.directory).encode()).hexdigest()[:16]}"


def remove_groups(places: Places) -> None:
    """Take a dead lab's control groups away, if it had any, in a mount namespace that ends with this."""
    subprocess.run(
        ["unshare", "--mount", "sh", "-c", _REMOVE, "sh", group(places)], capture_output=True, check=False
    )


def _copy(master: int, log: Path) -> None:
    with log.open("ab", buffering=0) as file:
        while True:
            said = os.read(master, 65536)
            with suppress(OSError):  # no room for the log is no reason to stop the host
                file.write(said)
