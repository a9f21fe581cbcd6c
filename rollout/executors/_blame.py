"""Whose fault a failure is, where that is not the host's: of the way there, or of this machine."""

import json
import re

from rollout.errors import OURS
from rollout.executors._unit import Result, Unit
from rollout.model.seams import Ending

NO_CONNECTION = re.compile(
    r"Connection refused|Connection timed out|Operation timed out|No route to host|Network is unreachable|Host is down|"
    r"Could not resolve hostname|Permission denied \(|Too many authentication failures|Invalid/incorrect (username/)?password|"
    r"the host key was refused|closed by UNKNOWN port|kex_exchange_identification|banner exchange|stdio forwarding failed",
    re.IGNORECASE,
)
"""What ssh says only of connections that it could not open."""

ASIDE = "; a connection of our own"
"""From here on a failure speaks of another connection (`_way.py`)."""

LACKS = re.compile(
    rf"\[Errno ({'|'.join(str(number) for number in sorted(OURS))})\]|can't start new thread|MemoryError"
)
"""How Python says what this machine lacks (`rollout.errors.of_this_machine`)."""


def never_reached(unit: Unit) -> bool:
    """Whether its first task was already lost for want of a connection. A task may open several, so the host's guard is asked as well."""
    result = unit.result()
    if result is None or result.ending not in {Ending.UNREACHABLE, Ending.REFUSED}:
        return False
    try:
        lines = (unit.path / "events.jsonl").read_text(encoding="utf-8").splitlines()
        events = [str(json.loads(line)["event"]) for line in lines]
    except (OSError, ValueError, KeyError):
        return False
    results = [event for event in events if event.startswith("runner_")]
    return results == ["runner_on_unreachable"] and bool(
        NO_CONNECTION.search(result.because.partition(ASIDE)[0])
    )


def lacking(unit: Unit, result: Result) -> str | None:
    """What this machine lacked, if the unit came to grief for that: room on the disk of its own files, say.

    A task may say the same of the host: then the failure has its name, and no file of the unit.
    """
    if result.ending in {Ending.DONE, Ending.LATE, Ending.REFUSED}:
        return None
    ours = not result.task or str(unit.path) in result.because
    said = result.because.partition("; ")[0] if result.ending == Ending.INTERRUPTED else result.because
    found = LACKS.search(said)
    return result.because[found.start() :] if ours and found else None
