"""A moment by which something must be done."""

import time

from rollout.errors import HostUnreachable
from rollout.ssh.printable import printable


class Deadline:
    """Counts down from `seconds`; `what` is the sentence for when they are over, e.g. "the command gave no answer"."""

    def __init__(self, host: str, seconds: float, what: str = "no connection") -> None:
        self._host = host
        self._seconds = seconds
        self._what = what
        self._end = time.monotonic() + seconds

    def left(self) -> float:
        """Seconds left, always above 0. Raises HostUnreachable when none are."""
        left = self._end - time.monotonic()
        if left <= 0:
            raise self.missed()
        return left

    def missed(self) -> HostUnreachable:
        """The error to raise when something timed out."""
        return HostUnreachable(f"{printable(self._host)}: {self._what} within {self._seconds:g} s")
