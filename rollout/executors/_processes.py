"""Linux processes: telling one from a later one of the same number, and ending all that descend from us."""

import ctypes
import os
import signal
import time
from pathlib import Path

PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36
"""From linux/prctl.h."""

TICKS = os.sysconf("SC_CLK_TCK")


def become_subreaper() -> None:
    """Orphaned descendants become our children instead of init's, so that none can escape us."""
    if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0):
        raise OSError(ctypes.get_errno(), "this kernel has no child subreaper")


def die_with(parent: int, number: int) -> bool:
    """That signal for us when the thread that started us ends, and its process with it. False: it has ended already."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, number, 0, 0, 0)
    return os.getppid() == parent


def stat(pid: int) -> tuple[str, int, int] | None:
    """State letter, parent, and start in clock ticks since boot; None when there is no such process."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    fields = text.rpartition(")")[2].split()  # the name before it may hold spaces and brackets
    return fields[0], int(fields[1]), int(fields[19])


def age(started: int) -> float:
    """Seconds since a start in clock ticks since boot; no one can set this clock back."""
    return time.clock_gettime(time.CLOCK_BOOTTIME) - started / TICKS


def open_process(pid: int, started: int) -> int | None:
    """A pidfd of that very process, not of a later one with its number; None when it is gone."""
    try:
        handle = os.pidfd_open(pid)
    except ProcessLookupError:
        return None
    found = stat(pid)
    if found is None or found[2] != started:
        os.close(handle)
        return None
    return handle


def descendants(of: int) -> set[int]:
    """All living processes below one, whatever session or group they moved to."""
    parents = {}
    for entry in os.scandir("/proc"):
        if entry.name.isdigit() and (found := stat(int(entry.name))) and found[0] not in "ZX":
            parents[int(entry.name)] = found[1]
    below = {of}
    grown = True
    while grown:
        more = {pid for pid, parent in parents.items() if parent in below} - below
        below |= more
        grown = bool(more)
    return below - {of}


def end_descendants(grace: float) -> None:
    """SIGTERM to everything below us, `grace` seconds, then SIGKILL until nothing is left, zombies included."""
    _signal(descendants(os.getpid()), signal.SIGTERM)
    until = time.monotonic() + grace
    while _has_children():
        if time.monotonic() >= until:
            kill_descendants()
        time.sleep(0.02)


def kill_descendants() -> None:
    """SIGKILL to everything below us."""
    _signal(descendants(os.getpid()), signal.SIGKILL)


def _has_children() -> bool:
    """Reaps what has ended on the way."""
    try:
        while os.waitpid(-1, os.WNOHANG) != (0, 0):
            pass
    except ChildProcessError:
        return False
    return True


def _signal(pids: set[int], number: int) -> None:
    for pid in pids:
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            continue
