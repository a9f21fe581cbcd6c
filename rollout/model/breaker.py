"""What a breaker stops, and the key under which it is known: "" for the run, a combo's name, or `hardware=R650 & os=debian-12`.

A key says all: what it stops is read from it again. A value that could be misread in it is quoted, as JSON quotes text.
"""

import json
import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from rollout.model.graph import Node

Subset = tuple[tuple[str, str], ...]
"""Hosts that share these values of factors, in the order of the factors' names; () is every host."""

COMBO = ""
"""In place of a factor's name, which is never empty: the hosts of a combo."""

_PLAIN = re.compile(r'[^"&=\\\s](?:[^"&=\\]*[^"&=\\\s])?')
_PART = re.compile(r'([^=]+)=("(?:[^"\\]|\\.)*"|[^"&=\\]+?)(?: & |$)', re.DOTALL)


def key_of(subset: Subset) -> str:
    """How the breaker of these hosts is known."""
    if subset and subset[0][0] == COMBO:
        return subset[0][1]
    return " & ".join(f"{factor}={_quoted(value)}" for factor, value in subset)


@lru_cache(maxsize=1024)
def subset_of(key: str) -> Subset:
    """The hosts that a key means: the inverse of `key_of`."""
    if not key:
        return ()
    if "=" not in key:
        return ((COMBO, key),)
    found = _PART.findall(key)
    return tuple((factor, json.loads(value) if value.startswith('"') else value) for factor, value in found)


def covers(key: str, node: Node) -> bool:
    """Whether a host is among those that the breaker stops."""
    return all(
        (node.combo if factor == COMBO else node.factors.get(factor)) == value
        for factor, value in subset_of(key)
    )


def data_of(subset: Subset) -> dict[str, Any]:
    """How an event names the hosts: `combo`, or `factors`, or nothing for the whole run."""
    if not subset:
        return {}
    return {"combo": subset[0][1]} if subset[0][0] == COMBO else {"factors": dict(subset)}


def key_in(data: Mapping[str, Any]) -> str:
    """The key of the hosts that an event names."""
    return key_of(tuple(sorted(data["factors"].items()))) if "factors" in data else data.get("combo", "")


def _quoted(value: str) -> str:
    return value if _PLAIN.fullmatch(value) and value.isprintable() else json.dumps(value)
