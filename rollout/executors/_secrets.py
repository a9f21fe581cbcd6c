"""Values of a host's variables that no log may repeat, known by the names of the variables."""

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

NAMES = re.compile(
    r"pass(word|wd|phrase)?s?(_|$)|secret|token|private_key|api_?key|credential", re.IGNORECASE
)
NOT_VALUES = re.compile(r"(file|path|dir|name|type|method|prompt|mechanism)$", re.IGNORECASE)
SHORTEST = 4
"""A shorter value would blot out half of every text."""

HIDDEN = "********"


def secrets_of(inventory: Path) -> tuple[str, ...]:
    """Of the inventory of a unit; nothing when it is gone already. Longest first, for one may contain another."""
    try:
        hostvars = json.loads(inventory.read_text(encoding="utf-8"))["_meta"]["hostvars"]
    except FileNotFoundError:
        return ()
    found = {text for variables in hostvars.values() for text in _planted(variables, within=False)}
    return tuple(sorted(found, key=len, reverse=True))


def _planted(value: Any, *, within: bool) -> Iterator[str]:
    if isinstance(value, Mapping):
        for name, item in value.items():
            named = bool(NAMES.search(str(name))) and not NOT_VALUES.search(str(name))
            yield from _planted(item, within=within or named)
    elif isinstance(value, list):
        for item in value:
            yield from _planted(item, within=within)
    elif within and not isinstance(value, bool) and len(str(value)) >= SHORTEST and "{{" not in str(value):
        yield str(value)


def hide(text: str, secrets: tuple[str, ...]) -> str:
    """The text with every secret blotted out."""
    for secret in secrets:
        text = text.replace(secret, HIDDEN)
    return text
