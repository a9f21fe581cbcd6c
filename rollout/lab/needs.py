"""What this machine lacks to hold a lab, found by trying it in namespaces of its own."""

import os
import shutil
import subprocess

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


def missing() -> list[str]:
    """What is missing, one clause each, empty if a lab can run here; takes some 50 ms."""
    if os.geteuid() != 0:
        return ["root (run it with sudo, or in a container that may make namespaces)"]
    packages = sorted({package for tool, package in _TOOLS.items() if shutil.which(tool) is None})
    if packages:
        return [f"a few tools (apt-get install {' '.join(packages)})"]
    return [f"a kernel that allows {feature}" for feature, trial in _FEATURES.items() if not _works(trial)]


def check() -> None:
    """Raise LabError with everything missing in one line."""
    lacking = missing()
    if lacking:
        raise LabError(f"the lab needs {' and '.join(lacking)}")


def _works(trial: list[str]) -> bool:
    return subprocess.run(trial, capture_output=True, stdin=subprocess.DEVNULL, check=False).returncode == 0
