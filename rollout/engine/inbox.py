"""Where everything that happens outside is reported. The engine alone waits, and only here."""

import heapq
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import count
from typing import Any

from rollout.engine.findings import Questioned
from rollout.model.seams import Outcome, Verdict


@dataclass(frozen=True, slots=True)
class Answered:
    """A gate's answer to the question of that number."""

    host: str
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


class Inbox:
    """Messages from any thread, in order of when they are due. The clock is the machine's, in seconds since the epoch."""

    def __init__(self) -> None:
        self._heap: list[_Entry] = []
        self._number = count()
        self._filled = threading.Condition()

    def now(self) -> float:
        return time.time()

    def post(self, message: Message, after: float = 0.0) -> None:
        """To be seen `after` seconds from now."""
        with self._filled:
            heapq.heappush(self._heap, (self.now() + after, next(self._number), message))
            self._filled.notify()

    def get(self, until: float | None) -> Message | None:
        """The next message that is due; None when `until` has come first."""
        with self._filled:
            while True:
                now = self.now()
                due = self._heap[0][0] if self._heap else None
                if due is not None and due <= now:
                    return heapq.heappop(self._heap)[2]
                if until is not None and until <= now:
                    return None
                ends = [end for end in (due, until) if end is not None]
                self._filled.wait(min(ends) - now if ends else None)


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
