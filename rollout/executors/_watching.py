"""One thread that follows all units: it hears when a supervisor is gone, and notices when one is late."""

import heapq
import itertools
import os
import selectors
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Followed:
    """`handle`: a pidfd, closed by the watcher. `late_in`: seconds from now. Both calls come from the watcher's thread."""

    handle: int
    late_in: float
    late: Callable[[], None]
    gone: Callable[[], None]


class Watcher:
    """Started with the first unit, so that an executor that is never used costs no thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._new: list[Followed] = []
        self._thread: threading.Thread | None = None
        self._bell = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self._closing = False

    def follow(self, unit: Followed) -> None:
        """From any thread."""
        with self._lock:
            if self._closing:
                os.close(unit.handle)
                return
            self._new.append(unit)
            if self._thread is None:
                self._thread = threading.Thread(target=self._watch, name="units", daemon=True)
                self._thread.start()
            os.eventfd_write(self._bell, 1)

    def close(self) -> None:
        """Follow no more; the units are not touched."""
        with self._lock:
            if self._closing:
                return
            self._closing = True
            os.eventfd_write(self._bell, 1)
        if self._thread is not None:
            self._thread.join()
        os.close(self._bell)

    def _watch(self) -> None:
        deadlines: list[tuple[float, int, Followed]] = []
        living: dict[int, Followed] = {}
        count = itertools.count()
        with selectors.DefaultSelector() as selector:
            selector.register(self._bell, selectors.EVENT_READ)
            while not self._closing:
                wait = max(0.0, deadlines[0][0] - time.monotonic()) if deadlines else None
                for key, _ in selector.select(wait):
                    if key.data is None:
                        for unit in self._arrivals():
                            selector.register(unit.handle, selectors.EVENT_READ, unit)
                            living[unit.handle] = unit
                            heapq.heappush(deadlines, (time.monotonic() + unit.late_in, next(count), unit))
                        continue
                    selector.unregister(key.fileobj)
                    del living[key.fd]
                    _reap(key.fd)
                    key.data.gone()
                while deadlines and deadlines[0][0] <= time.monotonic():
                    unit = heapq.heappop(deadlines)[2]
                    if living.get(unit.handle) is unit:  # the number may be another's by now
                        unit.late()
            for handle in living.keys() | {unit.handle for unit in self._arrivals()}:
                os.close(handle)

    def _arrivals(self) -> list[Followed]:
        with suppress(BlockingIOError):
            os.eventfd_read(self._bell)
        with self._lock:
            fresh, self._new = self._new, []
        return fresh


def _reap(handle: int) -> None:
    """One that an earlier controller started is not our child: init has reaped it."""
    with suppress(ChildProcessError):
        os.waitid(os.P_PIDFD, handle, os.WEXITED)
    os.close(handle)
