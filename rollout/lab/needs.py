"""What this machine lacks to hold a lab, found by trying it in namespaces of its own."""

import os
import shutil
import subprocess
from contextlib import suppress
from pathlib import Path

from rollout.errors import LabError

# Tool -> the Debian package that brings it.
_TOOLS = {
    "mmdebstrap": "mmdebstrap",
    "dpkg-deb": "dpkg",
    "apt-get": "apt",
    "ip": "iproute2",
    "unshare": "util-linux",
    "nsenter": "util-linux",
    "setpriv": "util-linux",
    "mount": "mount",
    "ssh": "openssh-client",
    "ssh-keygen": "openssh-client",
}

_OVERLAY = """
mount -t tmpfs tmpfs /mnt && mkdir /mnt/lower /mnt/upper /mnt/work /mnt/root &&
mount -t overlay lab -o lowerdir=/mnt/lower,upperdir=/mnt/upper,workdir=/mnt/work /mnt/root"""

# What the kernel (or the container around us) must allow -> how it is tried.
_FEATURES = {
    "network namespaces with bridges and veths": [
        *("unshare", "--net", "sh", "-c"),
        "ip link add lab0 type bridge && ip link add lab1 type veth peer name lab2",
    ],
    "PID, UTS, IPC and cgroup namespaces": [
        "unshare",
        "--pid",
        "--fork",
        "--uts",
        "--ipc",
        "--cgroup",
        "true",
    ],
    "time namespaces (Linux 5.6)": ["unshare", "--fork", "--time", "--boottime", "1", "true"],
    "overlayfs over tmpfs in a mount namespace": ["unshare", "--mount", "sh", "-ec", _OVERLAY],
}

_FEATURES_OF = {
    "light": {},
    "systemd": {
        "control groups of version 2 to be made": [
            *("unshare", "--mount", "sh", "-ec"),
            "mount -t cgroup2 cgroup2 /mnt && mkdir /mnt/rollout-lab-trial-$$ && rmdir /mnt/rollout-lab-trial-$$",
        ]
    },
}
# systemd and its logind take four; the fifth is for what a rehearsal starts, such as journalctl --follow.
_INSTANCES_A_HOST = 5
_INSTANCES = Path("/proc/sys/fs/inotify/max_user_instances")


def missing(engine: str = "light", hosts: int = 1) -> list[str]:
    """What is missing for so many hosts, one clause each, empty if such a lab can run here; takes some 50 ms."""
    if os.geteuid() != 0:
        return ["root (run it with sudo, or in a container that may make namespaces)"]
    packages = sorted({package for tool, package in _TOOLS.items() if shutil.which(tool) is None})
    if packages:
        return [f"a few tools (apt-get install {' '.join(packages)})"]
    trials = {**_FEATURES, **_FEATURES_OF[engine]}
    lacking = [f"a kernel that allows {feature}" for feature, trial in trials.items() if not _works(trial)]
    return [*lacking, *(_too_few_instances(hosts) if engine == "systemd" else [])]


def check(engine: str = "light", hosts: int = 1) -> None:
    """Raise LabError with everything missing in one line."""
    lacking = missing(engine, hosts)
    if lacking:
        raise LabError(f"the lab needs {' and '.join(lacking)}")


def _works(trial: list[str]) -> bool:
    return subprocess.run(trial, capture_output=True, stdin=subprocess.DEVNULL, check=False).returncode == 0


def _too_few_instances(hosts: int) -> list[str]:
    """All hosts are one user to the kernel, and systemd without inotify does not boot."""
    limit = int(_INSTANCES.read_text())
    used = _used_instances()
    wanted = hosts * _INSTANCES_A_HOST
    if used + wanted <= limit:
        return []
    enough = 2 ** (used + wanted).bit_length()
    room = f"where {limit - used} of {limit} are free (sysctl -w fs.inotify.max_user_instances={enough})"
    return [f"{wanted} inotify instances for {hosts} systemd hosts, {room}"]


def _used_instances() -> int:
    """Those of our own user, as far as they are in sight."""
    used = 0
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if process.stat().st_uid == os.geteuid():
                used += sum(
                    handle.readlink().name == "anon_inode:inotify" for handle in (process / "fd").iterdir()
                )
    return used
