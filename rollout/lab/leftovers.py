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
    deadline = time.monotonic() + _EXEC_PATIENCE
    try:
        while not (found := Path(f"/proc/{pid}/environ").read_bytes()):
            if _has_none(pid) or time.monotonic() > deadline:
                return []
            time.sleep(_EXEC_GLANCE)
    except OSError:
        return []
    return found.split(b"\0")


def _has_none(pid: int) -> bool:
    """Whether a process whose environment reads as empty has none, and is not just between two programs.

    For a moment of execve(2) the old program is gone and the new one not laid out: memory, but no bounds of an environment
    (proc_pid_stat(5), fields 23, 50 and 51).
    """
    fields = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
    memory, start, end = (int(fields[number - 3]) for number in (23, 50, 51))
    return not memory or start == end != 0
