"""The light engine: a host is a set of namespaces whose init is a shell that starts sshd.

All of it runs inside the supervisor's own mount and network namespaces. The systemd engine is this one with another
init; the supervisor and the faults know no more of a host than the methods here offer.
"""

import os
import signal
import subprocess
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, ClassVar

from rollout.lab.places import Places
from rollout.lab.trees import FILES, Trees

_DISK_MEGABYTES = 1024
# What would reach through to the machine that all hosts share: its clock, modules, devices, mounts, log.
_BOUNDS = "-sys_admin,-sys_module,-sys_rawio,-sys_time,-mknod,-syslog,-wake_alarm,-bpf,-perfmon"


@dataclass(frozen=True, slots=True)
class Host:
    """What the engine needs to know of a host."""

    name: str
    index: int
    release: str
    guests: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Light:
    """Hosts made of namespaces; a host's process is the `unshare` that waits for its init."""

    engine: ClassVar[str] = "light"
    start_sshd: ClassVar[tuple[str, ...]] = ("/usr/sbin/sshd",)

    places: Places
    trees: Trees

    def lay_ground(self) -> None:
        """What all hosts stand on: the bridge, in the network namespace that the supervisor was started in."""
        commands = (
            "link set lo up",
            "link add lab0 type bridge",
            f"address add {self.places.gateway}/{self.places.network.prefixlen} dev lab0",
            "link set lab0 up",
            f"route replace {self.places.network} dev lab0 proto kernel scope link src {self.places.gateway} quickack 1",
        )
        subprocess.run(["ip", "-batch", "-"], input="\n".join(commands), text=True, check=True)

    def lay_disk(self, host: Host) -> None:
        """The host's disk, a tmpfs that outlives its boots and dies with the supervisor, with what makes the host itself."""
        disk = self._disk(host)
        disk.mkdir(parents=True)
        self._mount_disk(host, f"mode=755,size={_DISK_MEGABYTES}m")
        upper = disk / "upper"
        for directory in ("upper/etc/ssh", "upper/var/lib/lab", "upper/usr/bin", "work", "root"):
            (disk / directory).mkdir(parents=True)
        own = f"{self.places.address(host.index)} {host.name}"
        texts = {
            "etc/hostname": host.name,
            "etc/hosts": f"127.0.0.1 localhost\n{own}",
            "etc/machine-id": uuid.uuid4().hex,
            "root/.ssh/authorized_keys": self.places.key.with_suffix(".pub").read_text().strip(),
            "etc/ssh/ssh_host_ed25519_key.pub": (
                self.places.host(host.name) / "ssh_host_ed25519_key.pub"
            ).read_text(),
        }
        (upper / "root/.ssh").mkdir(parents=True, mode=0o700)
        (upper / "root").chmod(0o700)
        for name, text in texts.items():
            (upper / name).write_text(text.strip() + "\n")
        key = upper / "etc/ssh/ssh_host_ed25519_key"
        key.touch(0o600)
        key.write_text((self.places.host(host.name) / key.name).read_text())
        if host.guests:
            (upper / "var/lib/lab/guests").write_text("".join(f"{guest}\n" for guest in host.guests))
            (upper / "usr/bin/virsh").symlink_to("/usr/lib/lab/virsh")

    def start(self, host: Host, *, linked: bool) -> subprocess.Popen[bytes]:
        """Begin a boot: new namespaces, a clock that starts near 0, a new boot id.

        The child dies with the *thread* that calls this (PR_SET_PDEATHSIG), which therefore has to wait for it.
        """
        directory = self.places.host(host.name)
        boot_id = directory / "boot_id"
        boot_id.write_text(f"{uuid.uuid4()}\n")
        (directory / "run" / "listening").unlink(missing_ok=True)
        clocks = [
            *("--boottime", str(-int(time.clock_gettime(time.CLOCK_BOOTTIME)))),
            *("--monotonic", str(-int(time.clock_gettime(time.CLOCK_MONOTONIC)))),
        ]
        with self._console(host) as console:
            return subprocess.Popen(
                [
                    *(
                        "setpriv",
                        "--pdeathsig",
                        "KILL",
                        "unshare",
                        "--fork",
                        "--kill-child",
                        "--net",
                        "--pid",
                    ),
                    *("--mount", "--uts", "--ipc", "--time", *clocks, *self._into_group),
                    *("sh", str(FILES / "launch.sh")),
                ],
                env=self._environment(host, boot_id, linked=linked),
                stdin=subprocess.DEVNULL,
                stdout=console,
                stderr=console,
                start_new_session=True,
            )

    @property
    def _into_group(self) -> tuple[str, ...]:
        """The last words of `unshare`: how the host gets its cgroup namespace."""
        return ("--cgroup",)

    @contextmanager
    def _console(self, host: Host) -> Iterator[IO[bytes] | int]:
        """What the host's init writes to."""
        with (self.places.host(host.name) / "console.log").open("ab") as console:
            yield console

    def _environment(self, host: Host, boot_id: Path, *, linked: bool) -> dict[str, str]:
        address = self.places.address(host.index)
        disk = self._disk(host)
        mark, _, value = self.places.mark.partition("=")
        return {
            "PATH": os.environ.get("PATH", os.defpath),
            mark: value,
            "LAB_ENGINE": self.engine,
            "LAB_NAME": host.name,
            "LAB_BASE": str(self.trees.base),
            "LAB_MACHINERY": str(self.trees.machinery),
            "LAB_RELEASE": str(self.trees.release(host.release)),
            "LAB_REPOSITORY": str(self.trees.repository),
            "LAB_DISK": str(disk),
            "LAB_ROOT": str(disk / "root"),
            "LAB_RUN": str(self.places.host(host.name) / "run"),
            "LAB_BOOT_ID": str(boot_id),
            "LAB_CONTROL": f"/proc/{os.getpid()}/ns/net",
            "LAB_CABLE": self._cable(host),
            "LAB_LINK": "up" if linked else "down",
            # The same card after each boot: a new MAC would leave stale neighbours behind for seconds.
            "LAB_MAC": "02:1a:b0:" + ":".join(f"{byte:02x}" for byte in address.packed[1:]),
            "LAB_ADDRESS": f"{address}/{self.places.network.prefixlen}",
            "LAB_NETWORK": str(self.places.network),
            "LAB_GATEWAY": str(self.places.gateway),
            "LAB_WITHOUT": _BOUNDS,
            **self._own_environment(host, boot_id.read_text().strip()),
        }

    def _own_environment(self, _host: Host, _boot: str) -> dict[str, str]:
        """What this engine alone tells the boot with that id."""
        return {}

    def link(self, host: Host, *, up: bool) -> None:
        """Plug or pull the host's cable, at the switch's end; no harm if the host has none now."""
        subprocess.run(
            ["ip", "link", "set", self._cable(host), "up" if up else "down"], capture_output=True, check=False
        )

    def fill_disk(self, host: Host, *, full: bool) -> None:
        """Leave no room on the disk, or give it back."""
        room = os.statvfs(self._disk(host))
        used = (room.f_blocks - room.f_bfree) * room.f_frsize
        self._mount_disk(host, f"remount,size={used if full else _DISK_MEGABYTES * 2**20}")

    def processes(self, process: subprocess.Popen[bytes], name: str = "") -> list[int]:
        """The host's processes, or those whose name begins so (sshd's sessions have names of their own)."""
        try:
            mine = Path(f"/proc/{process.pid}/ns/pid_for_children").readlink()
        except OSError:
            return []
        found = []
        for entry in Path("/proc").iterdir():
            with suppress(OSError):
                if (
                    entry.name.isdecimal()
                    and (entry / "ns/pid").readlink() == mine
                    and (entry / "comm").read_text().startswith(name)
                ):
                    found.append(int(entry.name))
        return found

    def signal(self, process: subprocess.Popen[bytes], number: signal.Signals, name: str = "") -> None:
        """Signal all processes of the host (or those with that name) until no new one turns up."""
        signalled: set[int] = set()
        while new := set(self.processes(process, name)) - signalled:
            for pid in new:
                with suppress(ProcessLookupError):
                    os.kill(pid, number)
            signalled |= new

    def _mount_disk(self, host: Host, options: str) -> None:
        subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(self._disk(host))], check=True)

    def _disk(self, host: Host) -> Path:
        return self.places.disks / host.name

    def _cable(self, host: Host) -> str:
        return f"lab.{host.index}"


def inside(pid: int) -> list[str]:
    """What puts a command into the host whose `unshare` has this pid, whatever state its network and sshd are in."""
    spaces = f"/proc/{pid}/ns"
    return [
        *(
            "nsenter",
            f"--net={spaces}/net",
            f"--mount={spaces}/mnt",
            f"--uts={spaces}/uts",
            f"--ipc={spaces}/ipc",
        ),
        *(f"--pid={spaces}/pid_for_children", f"--time={spaces}/time_for_children", "--"),
        *("env", "-i", "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root"),
        *("setpriv", "--bounding-set", _BOUNDS, "--"),
    ]
