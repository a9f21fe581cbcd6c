"""What the hosts of each engine are made of: Debian packages, and the files that the lab lays over them."""

from collections.abc import Mapping
from dataclasses import dataclass

_PACKAGES = ("mount", "openssh-server", "python3", "python3-apt", "iproute2", "procps", "sudo")
_PROGRAMS = {"fault-point": "usr/lib/lab/fault-point", "virsh": "usr/lib/lab/virsh"}
_SETTINGS = {"sshd_config": "etc/ssh/sshd_config", "apt.conf": "etc/apt/apt.conf.d/90lab"}
# What starts by the clock would make two runs of one rehearsal differ; nobody sits at the console; a host may not mount;
# and of the machine's few inotify instances the others would take more than all that is left.
_UNWANTED_UNITS = (
    *(
        "apt-daily.timer",
        "apt-daily-upgrade.timer",
        "dpkg-db-backup.timer",
        "e2scrub_all.timer",
        "fstrim.timer",
    ),
    *("console-getty.service", "getty@tty1.service", "tmp.mount"),
    *("systemd-ask-password-console.path", "systemd-ask-password-wall.path", "user@.service"),
)


@dataclass(frozen=True, slots=True)
class Flavour:
    """The hosts of one engine: `programs` and `settings` map a file of ours to its path in the host, `links` a path to its target."""

    packages: tuple[str, ...]
    programs: Mapping[str, str]
    settings: Mapping[str, str]
    links: Mapping[str, str]


FLAVOURS = {
    "light": Flavour(
        _PACKAGES,
        {
            **_PROGRAMS,
            "init": "usr/lib/lab/init",
            "shutdown": "usr/sbin/shutdown",
        },
        _SETTINGS,
        {f"usr/sbin/{name}": "shutdown" for name in ("reboot", "poweroff", "halt")},
    ),
    "systemd": Flavour(
        (*_PACKAGES, "systemd-sysv", "dbus", "libpam-systemd"),
        _PROGRAMS,
        {
            **_SETTINGS,
            "ssh.service.conf": "etc/systemd/system/ssh.service.d/lab.conf",
            "journald.conf": "etc/systemd/journald.conf.d/lab.conf",
        },
        {f"etc/systemd/system/{unit}": "/dev/null" for unit in _UNWANTED_UNITS},
    ),
}
