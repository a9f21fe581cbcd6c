"""A folder for units that belong to no journal: gone with the controller that made it, however that ends."""

import fcntl
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from rollout.executors._takeup import is_followable, terminate
from rollout.executors._unit import Unit

ENDING = 20.0
"""Seconds that units which a killed controller has left may take to end."""


@contextmanager
def scratch(state: Path, run: str) -> Iterator[Path]:
    """A new folder in `state`, for the units of `run`. What controllers that were killed have left goes first."""
    for old in state.glob(f"{run}-*"):
        _clear(old, run)
    folder, lock = _make(state, run)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(lock)


def _make(state: Path, run: str) -> tuple[Path, int]:
    while True:
        folder = Path(tempfile.mkdtemp(prefix=f"{run}-", dir=state))
        lock = _lock(folder)
        if lock is not None and folder.exists():  # else somebody has just cleared it away
            return folder, lock
        if lock is not None:
            os.close(lock)


def _clear(folder: Path, run: str) -> None:
    lock = _lock(folder)
    if lock is None:
        return
    until = time.monotonic() + ENDING
    while living := [unit for unit in Unit.all_of(folder, run) if is_followable(unit)]:
        for unit in living:
            terminate(unit)
        if time.monotonic() > until:
            break
        time.sleep(0.1)
    shutil.rmtree(folder, ignore_errors=True)
    os.close(lock)


def _lock(folder: Path) -> int | None:
    """Of the folder itself; None while its controller lives, or when it is gone."""
    with suppress(OSError):
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(handle)
            return None
        return handle
    return None
