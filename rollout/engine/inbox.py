"""Where everything that happens outside is reported. The engine alone waits, and only here."""

import heapq
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import count
from typing import Any

from rollout.engine.findings import Questioned
from rollout.model.seams import Outcome, Verdict


@dataclass(frozen=True, slots=True)
class Answered:
    """A gate's answer to the question of that number. `subject`: the host, or the question about the fleet, of `Ask.subject`."""

    subject: str
    question: int
    verdict: Verdict


@dataclass(frozen=True, slots=True)
class Found:
    """How the drain of an order found its host, before anything was done: to be written down first."""

    host: str
    step: str
    attempt: int
    found: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class StopAsked:
    """A person or the system wants the controller to stop; `exit_code` as a shell gives it for the signal."""

    exit_code: int
    because: str


Message = Outcome | Answered | Found | StopAsked | Questioned
_Entry = tuple[float, int, Message]

SLICE = 1.0
"""Seconds that the engine sleeps at most: how late it wakes tells how long this process stood still."""

FROZEN = 3.0
"""Seconds of oversleeping from which on it was frozen. So long its threads have afterwards for their own words."""

BUSY = 30.0
"""The same between two looks: an engine that is only slow, turn after turn, must not put off for ever what is late."""


class Inbox:
    """Messages from any thread, in order of when they are due. The clock is the machine's, in seconds since the epoch.

    Delays are counted on a clock that nobody sets. What this process was frozen for (SIGSTOP, a suspended machine) counts for
    nothing: whoever was to report meanwhile could not, and is not late.
    """

    def __init__(
        self, clock: Callable[[], float] = time.time, steady: Callable[[], float] = time.monotonic
    ) -> None:
        self._clock, self._steady = clock, steady
        self._due: deque[Message] = deque()
        self._delayed: list[_Entry] = []
        self._number = count()
        self._filled = threading.Condition()
        self._expected = steady()

    def now(self) -> float:
        return self._clock()

    def post(self, message: Message, after: float = 0.0) -> None:
        """To be seen `after` seconds from now."""
        with self._filled:
            if after > 0:
                heapq.heappush(self._delayed, (self._steady() + after, next(self._number), message))
            else:
                self._due.append(message)
            self._filled.notify()

    def get(self, until: float | None) -> Message | None:
        """The next message that is due; None when `until` has come first."""
        with self._filled:
            most = BUSY
            while True:
                steady = self._steady()
                if steady - self._expected > most:
                    self._put_off(steady - self._expected + FROZEN)
                self._expected, most = steady, FROZEN
                if self._due:
                    return self._due.popleft()
                if self._delayed and self._delayed[0][0] <= steady:
                    return heapq.heappop(self._delayed)[2]
                now = self.now()
                if until is not None and until <= now:
                    return None
                waits = [until - now] if until is not None else []
                waits += [self._delayed[0][0] - steady] if self._delayed else []
                wait = min((*waits, SLICE))
                self._expected = steady + wait
                self._filled.wait(wait)

    def _put_off(self, by: float) -> None:
        """Whoever is to be told late has as long as before, and a little, for it wakes only now.

        Adding the same to each keeps the order. A signal's handler may post meanwhile, but nothing that is delayed.
        """
        self._delayed = [(at + by, number, message) for at, number, message in self._delayed]


class VirtualInbox:
    """An inbox whose clock jumps to whatever is next: nothing waits. For simulation and tests, in one thread."""

    def __init__(self, start: float = 0.0) -> None:
        self._now = start
        self._heap: list[_Entry] = []
        self._number = count()

    def now(self) -> float:
        return self._now

    def post(self, message: Message, after: float = 0.0) -> None:
        """To be seen `after` virtual seconds from now."""
        heapq.heappush(self._heap, (self._now + after, next(self._number), message))

    def get(self, until: float | None) -> Message | None:
        """The next message, its time becoming now; None when `until` comes first. Raises RuntimeError when nothing ever comes."""
        if self._heap and (until is None or self._heap[0][0] <= until):
            due, _, message = heapq.heappop(self._heap)
            self._now = max(self._now, due)
            return message
        if until is None:
            raise RuntimeError("the engine waits for a report that nobody will send")
        self._now = max(self._now, until)
        return None
