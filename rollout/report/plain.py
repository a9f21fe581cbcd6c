"""Words for people. Text from outside is made harmless here: no control character of it reaches a terminal."""

import time
from collections.abc import Iterable

LONGEST = 400
"""Characters of one piece of text from outside."""


def plain(text: object, limit: int = LONGEST) -> str:
    r"""The text on one line; what a terminal would act on is written as an escape, such as \x1b."""
    whole = " ".join(str(text).split(" "))
    safe = whole[: limit + 1]
    if not safe.isprintable():
        safe = "".join(
            char if char.isprintable() else char.encode("unicode_escape", "surrogatepass").decode()
            for char in safe
        )
    return safe if len(whole) <= limit else safe[: limit - 3] + "..."


def listed(names: Iterable[str], most: int = 5) -> str:
    """`a, b, c`; beyond `most` the rest is counted."""
    found = list(names)
    shown = ", ".join(plain(name) for name in found[:most])
    return shown if len(found) <= most else f"{shown} and {len(found) - most} more"


def counted(number: int, one: str, many: str = "") -> str:
    """`1 host`, `3 hosts`."""
    return f"{number} {one if number == 1 else many or one + 's'}"


def spoken(seconds: float) -> str:
    """About how long: the two largest units, such as `1h30m` or `45s`."""
    left, words = max(0, round(seconds)), []
    for unit, size in (("d", 86400), ("h", 3600), ("m", 60), ("s", 1)):
        number, left = divmod(left, size)
        if number:
            words.append(f"{number}{unit}")
    return "".join(words[:2]) or "0s"


def stamp(at: float) -> str:
    """Seconds since the epoch as date and time, UTC."""
    return time.strftime("%Y-%m-%d %H:%M:%SZ", time.gmtime(at))


def clock(at: float) -> str:
    """Seconds since the epoch as a time of day, UTC."""
    return time.strftime("%H:%M:%SZ", time.gmtime(at))


def table(rows: list[list[str]], indent: str = "  ") -> list[str]:
    """Lines with aligned columns; the last column is as long as it is."""
    if not rows:
        return []
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]) - 1)]
    return [
        indent
        + "  ".join([cell.ljust(width) for cell, width in zip(row, widths, strict=False)] + row[-1:]).rstrip()
        for row in rows
    ]
