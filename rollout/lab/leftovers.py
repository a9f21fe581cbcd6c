"""What is left of a lab whose supervisor was killed: its processes, told by their mark, and nothing else."""

import os
import signal
import time
from contextlib import suppress
from pathlib import Path

from rollout.errors import LabError
from rollout.lab.places import Places

_PATIENCE = 10.0
_EXEC_PATIENCE = 5.0
_EXEC_GLANCE = 0.0005
_EMPTY_PATIENCE = 0.05
_KERNEL_THREAD = 0x00200000  # PF_KTHREAD of linux/sched.h


def processes(places: Places) -> list[int]:
    """The processes that this lab's supervisor started and the supervisor itself, by the mark in their environment."""
    mark = places.mark.encode()
    return [pid for pid in _pids() if mark in _environment(pid)]


def end(places: Places) -> None:
    """Kill them and wait until they are gone; mounts, cables and namespaces go with them."""
    deadline = time.monotonic() + _PATIENCE
    while left := processes(places):
        if time.monotonic() > deadline:
            raise LabError(
                f"processes of the lab in {places.directory} do not die: {', '.join(map(str, left))}"
            )
        for pid in left:
            _kill(pid, places.mark.encode())
        time.sleep(0.02)


def _kill(pid: int, mark: bytes) -> None:
    """Kill a process, never another one that has got its number meanwhile: the mark is read again with the pidfd open."""
    with suppress(ProcessLookupError):
        handle = os.pidfd_open(pid)
        try:
            if mark in _environment(pid):
                signal.pidfd_send_signal(handle, signal.SIGKILL)
        finally:
            os.close(handle)


def _pids() -> list[int]:
    return [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdecimal()]


def _environment(pid: int) -> list[bytes]:
    """The environment that a process began with; none for a zombie, for threads of the kernel, and for what is gone."""
    begun = time.monotonic()
    try:
        while not (found := Path(f"/proc/{pid}/environ").read_bytes()):
            if time.monotonic() - begun > _patience(pid):
                return []
            time.sleep(_EXEC_GLANCE)
    except OSError:
        return []
    return found.split(b"\0")


def _patience(pid: int) -> float:
    """Seconds for which an environment that reads as empty may yet be one of a process between two programs.

    For a moment of execve(2) the old program is gone and the new one not laid out: memory, but no bounds of an environment; just before
    and after, none of either (proc_pid_stat(5): fields 3, 9, 23, 50 and 51).
    """
    fields = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
    if fields[0] in {b"Z", b"X"} or int(fields[9 - 3]) & _KERNEL_THREAD:
        return 0.0
    memory, start, end = (int(fields[number - 3]) for number in (23, 50, 51))
    return _EMPTY_PATIENCE if not memory or start == end != 0 else _EXEC_PATIENCE
