"""Words from hosts and playbooks, made harmless for a terminal, a file and a report."""

import re

ESCAPES = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[@-_])")
LIMIT = 500


def clean(text: str) -> str:
    """Without escape sequences, control characters and invisible ones that reorder text; lines are kept."""
    plain = ESCAPES.sub("", text.replace("\r\n", "\n"))
    return "".join(char if char == "\n" or char.isprintable() else " " for char in plain)


def sentence(text: str, limit: int = LIMIT) -> str:
    """On one line, at most `limit` characters; the middle is left out, for the cause is often at the end."""
    words = " ".join(clean(text).split())
    if len(words) <= limit:
        return words
    head = (limit - 5) // 3
    return f"{words[:head]} ... {words[-(limit - 5 - head) :]}"


def last_lines(text: str, count: int = 3) -> str:
    """What a failing program said last: of a Python traceback the exception alone."""
    lines = [line.strip() for line in clean(text).splitlines() if line.strip()]
    if any(line.startswith("Traceback (most recent call last)") for line in lines):
        return lines[-1]
    return " / ".join(lines[-count:])
