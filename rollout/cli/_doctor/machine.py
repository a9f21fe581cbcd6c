"""The controller: its clock, its encoding, and whether there is room for as many Ansible processes as the plan allows."""

import ctypes
import locale
import os
import resource
import struct
import sys
from collections.abc import Iterator
from pathlib import Path

from rollout.cli._doctor.finding import Finding, Situation, Word

MEMORY, OWN_MEMORY = 83e6, 54e6
"""Bytes of a host in the middle of a step, and of the controller, as measured (docs/guides/execution.md)."""

FILES, OWN_FILES = 8, 100
TASKS, OWN_TASKS = 10, 50
"""Open files of the controller, and processes of its user: for each Ansible process, and beside them. Rounded up."""

CGROUPS = Path("/sys/fs/cgroup")
_UNSYNCHRONISED, _BAD_CLOCK = 0x40, 5
"""STA_UNSYNC and TIME_ERROR of adjtimex(2)."""


def clock(_: Situation) -> Iterator[Finding]:
    """What the kernel was told by whoever keeps its clock (NTP, or the host of a virtual machine)."""
    source = "the kernel (adjtimex)"
    told = _adjtimex()
    if told is None:
        yield Finding(
            "warn",
            "clock",
            "unknown",
            source,
            "whether it is synchronised could not be found out: look at `timedatectl`",
        )
        return
    status, state = told
    if state == _BAD_CLOCK or status & _UNSYNCHRONISED:
        advice = "run chrony or systemd-timesyncd: windows, soaks and leases go by this clock"
        yield Finding("warn", "clock", "not synchronised", source, advice)
    else:
        yield Finding("ok", "clock", "synchronised", source)


def _adjtimex() -> tuple[int, int] | None:
    """`status` and the state, by a call that sets nothing (`modes` is 0)."""
    buffer = ctypes.create_string_buffer(512)
    try:
        state = ctypes.CDLL(None, use_errno=True).adjtimex(buffer)
    except (AttributeError, OSError):
        return None
    if state < 0:
        return None
    # struct timex: modes, then offset, freq, maxerror and esterror as longs, then status
    (status,) = struct.unpack_from("@i", buffer, struct.calcsize("@I4l"))
    return status, state


def encoding(_: Situation) -> Iterator[Finding]:
    """Ansible refuses to run in any other than UTF-8."""
    name = next((name for name in ("LC_ALL", "LC_CTYPE", "LANG") if os.environ.get(name)), "")
    source = f"{name}={os.environ[name]}" if name else "LC_ALL, LC_CTYPE and LANG are not set"
    found = locale.getpreferredencoding(False) if not sys.flags.utf8_mode else "UTF-8"
    if found.upper().replace("-", "") == "UTF8":
        yield Finding("ok", "encoding", found, source)
    else:
        yield Finding("bad", "encoding", found, source, "export LC_ALL=C.UTF-8: Ansible runs in UTF-8 only")


def files(situation: Situation) -> Iterator[Finding]:
    """Open files of the controller."""
    count, who = situation.processes
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = OWN_FILES + FILES * count
    yield _room("open files", soft, needed, f"ulimit -n; {count} at once by {who}", f"ulimit -n {needed}")


def processes(situation: Situation) -> Iterator[Finding]:
    """Processes of this user, and of this control group. The first does not bind root."""
    count, who = situation.processes
    needed = OWN_TASKS + TASKS * count
    limits = [
        (_in_group("pids.max"), "pids.max of our control group", "raise TasksMax of the unit or container")
    ]
    if os.getuid() != 0:
        soft, _ = resource.getrlimit(resource.RLIMIT_NPROC)
        limits.append((soft, "ulimit -u", f"ulimit -u {needed}"))
    bound = min(limits, key=lambda one: float("inf") if one[0] < 0 else one[0])
    yield _room("processes", bound[0], needed, f"{bound[1]}; {count} at once by {who}", bound[2])


def _room(name: str, limit: int, needed: int, source: str, advice: str) -> Finding:
    shown = "no limit" if limit < 0 else f"{limit} allowed"
    word: Word = "ok" if limit < 0 or limit >= needed else "bad"
    advice = "" if word == "ok" else f"{advice}, or lower limits.controller"
    return Finding(word, name, f"{shown}, about {needed} needed", source, advice)


def memory(situation: Situation) -> Iterator[Finding]:
    """An estimate, by what was measured of units that run plain playbooks."""
    count, who = situation.processes
    needed = OWN_MEMORY + MEMORY * count
    total, free = _memory()
    if not total:
        yield Finding(
            "warn", "memory", "unknown", "/proc/meminfo", "how much there is could not be found out"
        )
        return
    fitting = max(1, int((free - OWN_MEMORY) / MEMORY))
    word: Word = "ok" if needed <= free else "warn" if needed <= total else "bad"
    value = f"{_gb(free)} free of {_gb(total)}, about {_gb(needed)} needed"
    advice = "" if word == "ok" else f"lower limits.controller to {fitting}, or free memory"
    yield Finding(word, "memory", value, f"/proc/meminfo, control group; {count} at once by {who}", advice)


def _memory() -> tuple[float, float]:
    """In all, and free: the lesser of the machine's and the control group's. Zeros when it is not known."""
    found = {}
    try:
        for line in Path("/proc/meminfo").read_text(encoding="ascii").splitlines():
            name, _, rest = line.partition(":")
            found[name] = float(rest.split()[0]) * 1024
    except (OSError, ValueError, IndexError):
        return 0.0, 0.0
    total, free = found.get("MemTotal", 0.0), found.get("MemAvailable", 0.0)
    most, used = _in_group("memory.max"), _in_group("memory.current")
    if most >= 0:
        total, free = min(total, most), min(free, most - max(used, 0))
    return total, free


def _in_group(name: str) -> int:
    """A number of our control group (version 2); -1 when there is none, or no limit."""
    try:
        line = next(
            line
            for line in Path("/proc/self/cgroup").read_text(encoding="utf-8").splitlines()
            if line.startswith("0::")
        )
        text = (CGROUPS / line.removeprefix("0::").lstrip("/") / name).read_text(encoding="ascii").strip()
    except (OSError, StopIteration, ValueError):
        return -1
    return int(text) if text.isdigit() else -1


def _gb(size: float) -> str:
    return f"{size / 1e9:.1f} GB"
