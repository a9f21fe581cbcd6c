"""A failing task's result as Ansible printed it: its callback empties results of over 700,000 characters (MAX_EVENT_RES)."""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rollout.executors._secrets import hide_within

LONGEST = 32_000_000
"""Bytes of one printed line that are read: a longer result is named as such."""


def last_failure(stdout: Path, secrets: tuple[str, ...]) -> Mapping[str, Any]:
    """Of the last task that failed and was not ignored, without secrets; a sentence instead when it cannot be read."""
    found, before = b"", b""
    try:
        with stdout.open("rb") as file:
            while line := file.readline(LONGEST):
                if line.startswith(b"...ignoring"):
                    found, before = before, b""
                elif line.startswith((b"fatal: [", b"failed: [")):
                    found, before = line, found
    except OSError:
        found = b""
    result = _object(found)
    if result is None:
        return {"msg": "the task failed, and its result is too long to be kept"}
    kept: dict[str, Any] = hide_within(result, secrets)
    return kept


def _object(line: bytes) -> Any:
    """What follows an arrow; the item of a loop, which comes before, may hold one itself."""
    for arrow in re.finditer(rb"=> (?=\{)", line):
        try:
            return json.loads(line[arrow.end() :].decode(errors="replace"))
        except ValueError:
            continue
    return None
