"""What was last heard of a step in flight: a sign of life for a person, read from its unit on this machine."""

import re
from pathlib import Path
from typing import NamedTuple

from rollout.executors._text import sentence
from rollout.executors._unit import Unit, file_name

HEADING = re.compile(r"((?:TASK|PLAY|RUNNING HANDLER) \[.*\]) \*+\s*")
"""The line of a task's name, filled up by Ansible."""


class Heard(NamedTuple):
    """`line`: what Ansible printed last, without secrets, such as a line of the guard's progress. `at`: seconds since the epoch."""

    at: float
    line: str


def last_heard(units: Path, run: str, host: str, step: str, attempt: int) -> Heard | None:
    """None when there is nothing here to read: no unit runs, it is on another machine, or it is another user's."""
    unit = Unit(units / file_name(run) / file_name(host) / f"{file_name(step)}.{attempt}")
    printed = unit.artifacts / "unit" / "stdout"
    try:
        at = printed.stat().st_mtime
        lines = [line for line in (unit.printed() or "").splitlines() if line.strip(" *")]
    except OSError:
        return None
    return Heard(at, sentence(HEADING.sub(r"\1", lines[-1]), 300)) if lines else None
