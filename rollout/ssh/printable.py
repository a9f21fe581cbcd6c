"""Text from a host, made harmless."""

LONGEST = 300


def printable(text: str, limit: int = LONGEST) -> str:
    """One line of at most `limit` characters without anything that a terminal would act on."""
    words = " ".join("".join(char if char.isprintable() else " " for char in text).split())
    return words if len(words) <= limit else words[: limit - 1] + "…"
