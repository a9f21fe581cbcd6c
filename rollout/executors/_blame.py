"""Whose fault a failure is, where that is not the host's: of the way there, or of this machine."""

import json
import re

from rollout.errors import OURS
from rollout.executors._unit import Result, Unit
from rollout.model.seams import Ending

NO_CONNECTION = re.compile(
    r"\bssh: (connect to (host|address) \S+( port \d+)?|Could not resolve hostname \S+): |Permission denied \(|Too many authentication failures|Invalid/incorrect (username/)?password|"
    r"the host key was refused|closed by UNKNOWN port|kex_exchange_identification|banner exchange|stdio forwarding failed",
    re.IGNORECASE,
)
"""What ssh says only of connections that it could not open: a network's own words count in its lines `ssh: connect to` alone."""

OPEN = re.compile(
    r"Read from remote host|client_loop|packet_write|connection to \S+ (port \d|closed)", re.IGNORECASE
)
"""What it says of one that was open, whatever else it says."""

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
    said = result.because.partition(ASIDE)[0]
    never = bool(NO_CONNECTION.search(said)) and not OPEN.search(said)
    return never and results == ["runner_on_unreachable"]


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
