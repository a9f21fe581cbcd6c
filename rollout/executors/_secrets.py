"""Values of a host's variables that no log may repeat, known by the names of the variables."""

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

NAMES = re.compile(
    r"pass(word|wd|phrase)?s?(_|$)|secret|token|private_key|api_?key|credential|^key$|(?<!public)_key$|(^|_)psk$",
    re.IGNORECASE,
)
NOT_VALUES = re.compile(r"(file|path|dir|name|type|method|prompt|mechanism)$", re.IGNORECASE)
SHORTEST = 4
"""A shorter value would blot out half of every text."""

SHORTEST_LINE = 8
"""The same for one line of several, as a private key has."""

HIDDEN = "********"

_IN_URL = re.compile(r"(://[^/\s:@\"']*:)[^/\s\"']+@")
"""A password in a URL (RFC 3986, 3.2.1: `user:password@`), whatever the variable is called that the URL stands in."""


def secrets_of(inventory: Path) -> tuple[str, ...]:
    """Of the inventory of a unit; nothing when it is gone already. Longest first, for one may contain another."""
    try:
        hostvars = json.loads(inventory.read_text(encoding="utf-8"))["_meta"]["hostvars"]
    except FileNotFoundError:
        return ()
    found = {
        form
        for variables in hostvars.values()
        for text in _planted(variables, within=False)
        for form in _forms(text)
    }
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


def _forms(text: str) -> Iterator[str]:
    """As it is, and as Ansible prints it: within JSON, or a line alone."""
    lines = [line.strip() for line in text.strip().splitlines()]
    long = [line for line in lines if len(line) >= SHORTEST_LINE] if len(lines) > 1 else []
    for part in (text, text.strip(), *long):
        if len(part) >= SHORTEST:
            yield from (part, json.dumps(part)[1:-1], json.dumps(part, ensure_ascii=False)[1:-1])


def hide_within(value: Any, secrets: tuple[str, ...]) -> Any:
    """The same value, every text in it without a secret: before it is shortened, which may leave half of one."""
    if isinstance(value, str):
        return hide(value, secrets)
    if isinstance(value, Mapping):
        return {key: hide_within(item, secrets) for key, item in value.items()}
    if isinstance(value, list):
        return [hide_within(item, secrets) for item in value]
    return value


def hide(text: str, secrets: tuple[str, ...]) -> str:
    """The text with every secret blotted out, and every password in a URL."""
    for secret in secrets:
        text = text.replace(secret, HIDDEN)
    return _IN_URL.sub(rf"\1{HIDDEN}@", text)
