"""A host variable as plain text; rollout runs no templates and opens no vault for it."""

from typing import Any

MISSING = "missing"


class Unusable(Exception):
    """A value that is no plain word: why, and the way out."""


def text_of(variables: dict[str, Any], name: str) -> str:
    """A factor's value: the hostvar, or the fact of that name if the inventory carries facts."""
    value = variables.get(name)
    if value is None:
        facts = variables.get("ansible_facts")
        value = facts.get(name.removeprefix("ansible_")) if isinstance(facts, dict) else None
    if isinstance(value, dict) and "__ansible_unsafe" in value:
        value = value["__ansible_unsafe"]
    if isinstance(value, dict) and "__ansible_vault" in value:
        raise Unusable("is encrypted; a factor is no secret: give it as a plain hostvar")
    if isinstance(value, dict | list):
        raise Unusable("is a list or mapping; a factor is one word")
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
