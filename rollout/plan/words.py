"""How a plan's own words are shown in a message: on one line, harmless to a terminal, with the nearest known word."""

from collections.abc import Iterable
from difflib import get_close_matches

LONGEST = 60

COMMA = "; inside {} a comma begins the next key, so text that holds one needs quotes"
"""Said of a key without a value there."""


def plain(text: str) -> str:
    """The text without anything that could move a cursor: what is not printable is written as an escape."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def shown(text: object) -> str:
    """The text in quotes, cut when it is long."""
    whole = str(text)
    cut = whole if len(whole) <= LONGEST else whole[: LONGEST - 3] + "..."
    return f'"{plain(cut)}"'


def meant(word: str, known: Iterable[str]) -> str:
    """`; did you mean "x"?` for the nearest known word, or nothing. Never the word itself: that was not the mistake."""
    close = get_close_matches(word, [name for name in known if name != word], n=1)
    return f"; did you mean {shown(close[0])}?" if close else ""


def expected(word: str, known: Iterable[str]) -> str:
    """`, expected one of a, b; did you mean "a"?`, or what to say if nothing is known."""
    listed = [plain(name) for name in known]
    return f", expected one of {', '.join(listed)}{meant(word, listed)}" if listed else ""


def some(names: Iterable[str], most: int = 5) -> str:
    """The first few names, and how many more there are."""
    listed = list(names)
    more = len(listed) - most
    return ", ".join(plain(name) for name in listed[:most]) + (f" and {more} more" if more > 0 else "")
