"""A host variable or fact as plain text; rollout runs no templates and opens no vault for it."""

import re
from collections.abc import Mapping
from typing import Any

MISSING = "missing"

PREFIX = "ansible_"
"""Before the names of facts that Ansible sets beside a host's own variables."""


CONNECTION = re.compile(
    r"ansible_(host|port|user|connection|password|ssh_|become|python_interpreter|remote_|shell_|pipelining)"
)
"""How Ansible gets to a host: no facts, and some of them secret."""


class Unusable(Exception):
    """A value that is no plain word: why, and the way out."""


def text_of(variables: Mapping[str, Any], name: str) -> str:
    """The hostvar of that name, or the fact if the inventory carries facts."""
    value = _plain(_found(variables, name))
    if isinstance(value, dict | list):
        raise Unusable("is a list or mapping; a factor is one word")
    return _text(value)


def texts_of(variables: Mapping[str, Any], name: str) -> tuple[str, ...]:
    """The same for what may have several values, those of lists within lists among them; none when it is not known, or not readable."""
    value = _found(variables, name)
    try:
        return () if value is None else tuple(dict.fromkeys(_flat(value)))
    except Unusable:
        return ()


def address_of(variables: Mapping[str, Any]) -> str:
    """`ansible_host`, unless only Ansible itself could tell what it means."""
    address = variables.get("ansible_host", "")
    usable = isinstance(address, str) and address.isprintable() and "{{" not in address
    return address if usable else ""


def _found(variables: Mapping[str, Any], name: str) -> Any:
    value = variables.get(name)
    if value is None:
        facts = variables.get("ansible_facts")
        value = facts.get(name.removeprefix(PREFIX)) if isinstance(facts, dict) else None
    if value is None and not CONNECTION.match(PREFIX + name):
        value = variables.get(PREFIX + name)
    return value


def _plain(value: Any) -> Any:
    if isinstance(value, dict) and "__ansible_unsafe" in value:
        value = value["__ansible_unsafe"]
    if isinstance(value, dict) and "__ansible_vault" in value:
        raise Unusable("is encrypted; a factor is no secret: give it as a plain hostvar")
    return value


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    text = "" if value is None else str(value).strip()
    if not text:
        raise Unusable(MISSING)
    if "{{" in text or "{%" in text:
        raise Unusable(
            "still holds a template, which rollout does not run: give it as a plain hostvar, or by a script"
        )
    if not text.isprintable():
        raise Unusable("holds a line break or control character")
    return text


def _flat(value: Any) -> list[str]:
    value = _plain(value)
    if isinstance(value, dict):
        raise Unusable("is a mapping")
    if isinstance(value, list):
        return [text for item in value for text in _flat(item)]
    return [_text(value)]
