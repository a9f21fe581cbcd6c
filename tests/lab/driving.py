"""How the lab's tests use its hosts: as any client would, over SSH."""

import subprocess
import time
from collections.abc import Callable

from rollout.lab import Lab

TO_BIRCH = "sed -i s/amber/birch/ /etc/apt/sources.list.d/labos.list"
UPGRADE = f"{TO_BIRCH} && apt-get -q update && DEBIAN_FRONTEND=noninteractive apt-get -qy dist-upgrade"

LOCAL = "printf '#!/bin/sh\\ntouch /run/local\\n' > /etc/rc.local && chmod 755 /etc/rc.local"
"""What a host is to do at each boot."""


def ssh(lab: Lab, host: str, command: str, timeout: float = 20.0) -> subprocess.CompletedProcess[str]:
    quick = ["-o", "ConnectTimeout=1", "-o", "ServerAliveInterval=1", "-o", "ServerAliveCountMax=1"]
    return subprocess.run(
        lab.inside(["ssh", "-F", str(lab.places.ssh_config), *quick, host, command]),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )


def said(lab: Lab, host: str, command: str) -> str:
    done = ssh(lab, host, command)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def reaches(lab: Lab, host: str) -> bool:
    return ssh(lab, host, "true").returncode == 0


def reboot(lab: Lab, host: str) -> None:
    boots = lab.host(host).boots
    ssh(lab, host, "shutdown -r now")
    eventually(lambda: lab.host(host).boots > boots and lab.host(host).state == "up")


def eventually(true: Callable[[], bool], seconds: float = 10.0) -> None:
    """Fail unless it becomes true in that time."""
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, f"not within {seconds} s"
        time.sleep(0.03)
