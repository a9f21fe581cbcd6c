"""Events as lines of text and of JSON."""

import json
from typing import Any

from rollout.model.event import Event, Kind
from rollout.report.plain import clock, plain

_WORDS = {
    Kind.TAKEN_UP: "a controller begins",
    Kind.PAUSED: "pause asked",
    Kind.CONTINUED: "the pause is lifted",
    Kind.ABORTED: "abort asked",
    Kind.SOAKING: "soaks",
    Kind.VERIFIED: "verified",
    Kind.HELD: "HELD",
    Kind.GONE: "gone",
    Kind.RETRIED: "retry asked",
    Kind.RETIRED: "retired",
}


def what(event: Event) -> str:
    """What happened, in a few words."""
    data, step = event.data, plain(event.step or "")
    match event.kind:
        case Kind.INTENDED:
            return f"{step} begins"
        case Kind.DONE:
            return f"{step} is done"
        case Kind.FAILED:
            return f"{step}: {plain(data.get('ending', 'failed'))}"
        case Kind.VOID:
            return f"{step} may begin again"
        case Kind.RETRYING:
            return f"{step} is tried again"
        case Kind.ROUND:
            return f"gates {plain(data.get('moment', ''))}"
        case Kind.OPENED:
            return "wave opens"
        case Kind.PASSED:
            return "wave has passed"
        case Kind.TRIPPED:
            return "STOPPED"
        case Kind.RESET:
            return "goes on"
        case Kind.ANSWERED:
            moment, value = plain(data.get("moment", "")), plain(data.get("value", ""))
            return f"gate {plain(data.get('gate', ''))} {moment}: {value}"
        case Kind.STUCK | Kind.ASK_AGAIN:
            return f"gate {plain(data.get('gate', ''))}".strip() + " could not find out"
        case Kind.RESOLVED:
            return f"resolved as {plain(data.get('as', ''))}"
        case Kind.ENDED:
            return f"the controller ends ({plain(data.get('exit_code', ''))})"
    return _WORDS.get(event.kind, str(event.kind))


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
