"""A process and everything below it: the processor time and the memory that they take, read from /proc while they live."""

import os
from pathlib import Path
from typing import NamedTuple

_TICKS = os.sysconf("SC_CLK_TCK")
_PARENT, _TIMES = 1, slice(11, 15)
"""Of /proc/PID/stat behind the name: its parent; then user, system, and both of the children that it has waited for, in ticks."""


class Memory(NamedTuple):
    """MB: PSS of the whole tree, in which a page that several share is shared out; PSS and RSS of the first process alone."""

    tree: float
    own_pss: float
    own_rss: float


def members(root: int) -> dict[int, list[str]]:
    """The process and all below it, whatever session they moved to, each with the fields of its stat behind the name."""
    seen: dict[int, list[str]] = {}
    for entry in os.scandir("/proc"):
        if entry.name.isdigit() and (fields := _fields(int(entry.name))):
            seen[int(entry.name)] = fields
    below, grown = {root} & seen.keys(), True
    while grown:
        more = {pid for pid, fields in seen.items() if int(fields[_PARENT]) in below} - below
        below |= more
        grown = bool(more)
    return {pid: seen[pid] for pid in below}


def cpu(root: int) -> tuple[float, float]:
    """Seconds of processor time: of the process alone, and of the tree with all that has ended in it and was waited for."""
    found = members(root)
    total = sum(sum(map(int, fields[_TIMES])) for fields in found.values())
    own = sum(map(int, found[root][_TIMES][:2])) if root in found else 0
    return own / _TICKS, total / _TICKS


def memory(root: int) -> Memory:
    """Of the tree at this moment."""
    return Memory(sum(_kilobytes(pid, "Pss:") for pid in members(root)) / 1024,
        _kilobytes(root, "Pss:") / 1024, _kilobytes(root, "Rss:") / 1024)  # fmt: skip


def _fields(pid: int) -> list[str]:
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return []
    return text.rpartition(")")[2].split()  # the name before it may hold spaces and brackets


def _kilobytes(pid: int, key: str) -> int:
    try:
        text = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii")
    except OSError:  # it has ended, or is a zombie
        return 0
    return next((int(line.split()[1]) for line in text.splitlines() if line.startswith(key)), 0)
