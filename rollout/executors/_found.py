"""What a step hands on to later steps of its host: its playbook calls `set_stats: {data: {rollout_found: {...}}}`."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from rollout.executors._secrets import hide, hide_within

NAME = "rollout_found"
"""The only key of the statistics that is read; the extra variable by which later steps get it has the same name."""

LIMIT = 16_384
"""Bytes of JSON: the journal keeps them for every host, and every later step is given them."""

OF_ANSIBLE = "__ansible_"
"""Ansible reads a mapping with such a key as something else."""


def found_of(stats: Mapping[str, Any]) -> tuple[Mapping[str, Any], str]:
    """What the play's last event holds of it, and what is wrong with that; one of the two is empty."""
    told = stats.get("artifact_data")
    found = told.get(NAME, {}) if isinstance(told, Mapping) else {}
    if not isinstance(found, Mapping):
        return {}, f"{NAME} (set_stats) is {_word(found)}, and must be a mapping of names to values"
    try:
        size = len(json.dumps(found, allow_nan=False))
    except ValueError:
        return {}, f"{NAME} (set_stats) holds a number that JSON does not know"
    if size > LIMIT:
        return {}, f"{NAME} (set_stats) has {size:,} bytes of JSON, and a step may hand on {LIMIT:,}"
    strange = next(_strange(found), None)
    if strange is not None:
        return {}, f"{NAME} (set_stats) has a key that Ansible takes for something else: {strange}"
    return found, ""


def blotted(found: Any, secrets: tuple[str, ...]) -> Any:
    """The same without secrets, in names as in values."""
    if isinstance(found, Mapping):
        return {hide(str(name), secrets): blotted(value, secrets) for name, value in found.items()}
    if isinstance(found, list):
        return [blotted(value, secrets) for value in found]
    return hide_within(found, secrets)


def _strange(found: Any) -> Iterator[str]:
    if isinstance(found, Mapping):
        for name, value in found.items():
            if str(name).startswith(OF_ANSIBLE):
                yield str(name)
            yield from _strange(value)
    elif isinstance(found, list):
        for value in found:
            yield from _strange(value)


def _word(value: Any) -> str:
    if value is None:
        return "null"
    return {list: "a list", str: "text", bool: "true or false"}.get(type(value), "a number")
