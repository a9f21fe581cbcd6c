"""Markdown that says what was meant: text from outside is shown, and never acts on the page that holds it."""

from collections.abc import Sequence

from rollout.report.plain import plain


def code(text: object) -> str:
    """As a code span, in which neither Markdown nor the references of a forge (`@all`, `#1`, `!2`) mean anything; it may stand in a table."""
    shown = plain(text).strip().replace("|", "\\|") or " "
    fence = "`" * (_longest_run(shown) + 1)
    space = " " if shown.startswith("`") or shown.endswith("`") else ""
    return f"{fence}{space}{shown}{space}{fence}"


def fenced(lines: Sequence[str], language: str = "text") -> list[str]:
    """A block of code, whatever stands in it."""
    fence = "`" * max(3, 1 + max((_longest_run(line) for line in lines), default=0))
    return [f"{fence}{language}", *lines, fence]


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Cells are Markdown already."""
    lines = [head, ["---"] * len(head), *rows]
    return [f"| {' | '.join(cells)} |" for cells in lines] if rows else []


def _longest_run(text: str) -> int:
    longest = run = 0
    for char in text:
        run = run + 1 if char == "`" else 0
        longest = max(longest, run)
    return longest
