"""What a command prints: kept up to a limit, and marked when it was more."""

CAPACITY = 1_048_576
"""Bytes kept of each stream."""

CUT = f"\n[output cut after {CAPACITY} bytes]"


def is_cut(text: str) -> bool:
    """Whether the command printed more than was kept."""
    return text.endswith(CUT)


class Stream:
    """One stream of a command. Takes everything, keeps the beginning."""

    def __init__(self) -> None:
        self._kept = bytearray()
        self._cut = False

    def add(self, data: bytes) -> None:
        """Take what was read."""
        room = CAPACITY - len(self._kept)
        self._kept += data[:room]
        self._cut = self._cut or len(data) > room

    def text(self) -> str:
        """What was kept; undecodable bytes are replaced."""
        return self._kept.decode("utf-8", "replace") + (CUT if self._cut else "")
