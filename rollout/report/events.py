"""Events as lines of text and of JSON."""

import json
from collections import defaultdict
from typing import Any

from rollout.model.event import Event, Kind
from rollout.report import answers
from rollout.report.plain import clock, plain

WORDS = {
    Kind.TAKEN_UP: "a controller begins",
    Kind.ROUND: "gates {moment}",
    Kind.OPENED: "wave opens",
    Kind.PASSED: "wave has passed",
    Kind.TRIPPED: "STOPPED",
    Kind.RESET: "goes on",
    Kind.PAUSED: "pause asked",
    Kind.SUSPECTED: "PAUSED",
    Kind.RESTORED: "the pause lifts itself",
    Kind.AMENDED: "AMENDED",
    Kind.ENDED: "the controller ends ({exit_code})",
    Kind.CONTINUED: "the pause is lifted",
    Kind.ABORTED: "abort asked",
    Kind.APPROVED: "approved through {through}",
    Kind.WAIVED: "gate {gate} is waived",
    Kind.PROMOTED: "the soak is cut short",
    Kind.INTENDED: "{step} begins",
    Kind.DONE: "{step} is done",
    Kind.FAILED: "{step}: {ending}",
    Kind.VOID: "{step} may begin again",
    Kind.RETRYING: "{step} is tried again",
    Kind.ASKED: "gate {gate} is asked {when}",
    Kind.YIELDED: "gives its place back",
    Kind.STILL: "gate {gate} {when}: passes as before",
    Kind.ANSWERED: "gate {gate} {when}: {value}{mark}",
    Kind.ASK_AGAIN: "a gate is asked again",
    Kind.STUCK: "gate {gate} could not find out",
    Kind.STRANDED: "waits, and is not counted",
    Kind.SOAKING: "soaks",
    Kind.VERIFIED: "verified",
    Kind.HELD: "HELD",
    Kind.GONE: "gone",
    Kind.RETRIED: "retry asked",
    Kind.RESOLVED: "resolved as {as}",
    Kind.RETIRED: "retired",
    Kind.ROLLBACK: "rollback asked",
    Kind.SKIPPED: "left out",
    Kind.ROLLED_BACK: "rolled back",
    Kind.STAYS: "stays as it is",
    Kind.FOUND: "how it was found is noted",
}
"""What happened, in a few words; in brackets a value of the event."""


def what(event: Event) -> str:
    """What happened, in a few words."""
    if event.kind is Kind.PAUSED and "by" in event.data:
        return WORDS[Kind.SUSPECTED]  # no person asked for it
    values = {name: plain(value) for name, value in event.data.items()}
    more = {
        "step": plain(event.step or ""),
        "when": answers.moment(event.data),
        "mark": answers.mark(event.data),
    }
    return WORDS[event.kind].format_map(defaultdict(str, values, **more))


def line(event: Event, width: int = 0) -> str:
    """`17:03:12Z  host  what  because`; `width`: of the column of hosts."""
    host = plain(event.host or "-").ljust(width)
    because = plain(event.because)
    return f"{clock(event.at)}  {host}  {what(event)}{': ' + because if because else ''}"


def as_json(event: Event) -> str:
    """One line of JSON."""
    value: dict[str, Any] = {"seq": event.seq, "at": round(event.at, 3), "event": str(event.kind)}
    for name in ("host", "step", "attempt", "because"):
        if getattr(event, name):
            value[name] = getattr(event, name)
    if event.data:
        value["data"] = dict(event.data)
    return json.dumps(value)
