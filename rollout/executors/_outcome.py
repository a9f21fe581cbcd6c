"""From Ansible's events to how a step came out. Events decide, never exit codes: 4 is unreachable and a syntax error alike."""

import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rollout.executors._classes import class_of, told
from rollout.executors._found import found_of
from rollout.executors._secrets import hide_within
from rollout.executors._text import last_lines, sentence
from rollout.executors._unit import Result
from rollout.model.seams import Ending

Event = Mapping[str, Any]

WRAPPING = re.compile(r"^Data could not be sent to remote host \S+ Make sure this host can be reached over ssh:\s*(?=\S)|@{3,}|^@ +| +@\s*$", re.MULTILINE)  # fmt: skip
"""Ansible's words before ssh's own, and the frame of ssh's warning: they push the cause out of the sentence."""
BEFORE = re.compile(r"^(Task failed: |Unexpected \w+ error: )+")
"""Ansible's words before the cause that every failure has."""
MACHINERY = ("msg", "reason", "module_stderr", "module_stdout")
"""What Ansible, and what runs its modules, say in a result; the rest is what a program printed."""
ERROR = re.compile(r"(?:\[ERROR\]:|ERROR!)\s+((?:(?!\[ERROR\]:|ERROR!).)*)", re.DOTALL)
NOT_THE_CAUSE = re.compile(r"no start of json char|module result deserialization failed|module failure|see stdout/stderr for the exact error", re.IGNORECASE)  # fmt: skip
"""Messages of Ansible about the answer that it could not read: what happened is in the module's own output."""


def read_events(artifacts: Path, secrets: tuple[str, ...]) -> list[Event]:
    """What Ansible's callback wrote, in the order of time, without secrets; whatever ansible-runner itself saw of it.

    Each event is a file of its own, put in place by rename. One that is no JSON is one that a full disk cut short.
    """
    found = []
    for path in artifacts.glob("*/job_events/*.json"):
        try:
            event = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            continue
        if isinstance(event, dict):
            found.append(_without(secrets, event))
    return sorted(found, key=lambda event: str(event.get("created", "")))


def read_log(file: Path) -> list[Event]:
    """The events of a unit that runs, from its log for persons; nothing when that cannot be read."""
    try:
        lines = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
    except (OSError, ValueError):
        return []
    return [
        {"event": line.get("event"), "created": line.get("at"), "event_data": {"name": line.get("task")}}
        for line in lines
    ]


def _without(secrets: tuple[str, ...], event: dict[str, Any]) -> Event:
    """Only texts of the playbook and the host: a password that is a word of Ansible's own must not change what happened."""
    data = event.get("event_data") or {}
    texts = {key: hide_within(data[key], secrets) for key in ("res", "task", "name") if key in data}
    return {**event, "event_data": {**data, **texts}}


def task_in_progress(events: Iterable[Event], now: float | None = None) -> str:
    """The last task that began, with whether it is known to have ended, and for how long it has been silent; for a person.

    `now`: seconds since the epoch; without it nothing is said about silence.
    """
    name, ended, last = "", False, ""
    for event in events:
        data = event.get("event_data") or {}
        last = str(event.get("created") or last)
        if event.get("event") in {"playbook_on_task_start", "playbook_on_handler_task_start"}:
            name, ended = str(data.get("name") or data.get("task") or ""), False
        elif str(event.get("event")) in {
            "runner_on_ok",
            "runner_on_failed",
            "runner_on_skipped",
            "runner_on_unreachable",
        }:
            ended = True
    if not name:
        return "no task had begun"
    how = "which ended" if ended else f"which did not end{_silence(last, now)}"
    return f"the last task begun was {sentence(name, 120)!r}, {how}"


def _silence(last: str, now: float | None) -> str:
    """A task that has said nothing for a minute or more may well hang."""
    try:
        heard = datetime.fromisoformat(last)
    except ValueError:
        return ""
    minutes = int((now or 0.0) - (heard if heard.tzinfo else heard.replace(tzinfo=UTC)).timestamp()) // 60
    return f": nothing has been heard of it for {minutes} min" if minutes >= 1 else ""


def judge(
    host: str,
    events: Sequence[Event],
    code: int | None,
    output: str,
    emptied: Callable[[], Mapping[str, Any]] = dict,
) -> Result | None:
    """How the step came out; None when Ansible did not get to its end and did not say why: the host must be asked.

    `code`: of ansible-playbook, None when a signal ended it or it is not known. `output`: what it printed last.
    `emptied`: finds the failing task's result elsewhere, when it was too long for Ansible's callback.
    """
    stats = next((e["event_data"] for e in reversed(events) if e.get("event") == "playbook_on_stats"), None)
    if stats is None:
        return None if code is None else _complained(code, output, "and said nothing")
    if any((stats.get("dark") or {}).values()):
        return _unreachable(host, events)
    if any((stats.get("failures") or {}).values()):
        return _failed(host, events, emptied)
    if code:
        return _complained(code, output, "after its last task")
    return _went_through(host, stats)


def _complained(code: int, output: str, otherwise: str) -> Result:
    """What Ansible says that no event tells, such as a mistake in the playbook."""
    complaint = _complaint(output)
    if not complaint:
        return Result(Ending.FAILED, f"ansible-playbook ended with {code} {otherwise}")
    return Result(*told(class_of(complaint), complaint, Ending.FAILED))


def _went_through(host: str, stats: Mapping[str, Any]) -> Result:
    """Nothing failed: but a play that did nothing on the host is no success."""
    if (stats.get("ok") or {}).get(host):
        found, fault = found_of(stats)
        return Result(Ending.FAILED if fault else Ending.DONE, sentence(fault), found=found)
    skipped = (stats.get("skipped") or {}).get(host)
    return Result(
        Ending.FAILED, sentence(f"every task was skipped on {host}" if skipped else f"no task ran on {host}")
    )


def _unreachable(host: str, events: Sequence[Event]) -> Result:
    data = _last(events, "runner_on_unreachable")
    message = str((data.get("res") or {}).get("msg") or "the host is unreachable")
    message = WRAPPING.sub("", BEFORE.sub("", message))
    ending, because = told(class_of(message, reached=False), sentence(message), Ending.UNREACHABLE)
    return Result(ending, _of_whom(host, data) + because, _task(data))


def _failed(host: str, events: Sequence[Event], emptied: Callable[[], Mapping[str, Any]]) -> Result:
    data = _last(events, "runner_on_failed")
    result = _culprit(data.get("res") or _last(events, "runner_item_on_failed").get("res") or emptied())
    because = cause(result)
    said = "\n".join(str(result.get(key) or "") for key in MACHINERY)
    printed = "\n".join(str(result.get(key) or "") for key in ("stderr", "stdout"))
    found = None if "censored" in result else class_of(said, printed, begun=_has_run(host, events))
    ending, because = told(found, because, Ending.FAILED)
    return Result(ending, _of_whom(host, data) + because, _task(data))


def _has_run(host: str, events: Iterable[Event]) -> bool:
    """Whether a module, which needs Python, has run on the host: only its results hold what it was invoked with."""
    return any(
        event.get("event") == "runner_on_ok"
        and data.get("host") == host
        and "invocation" in (data.get("res") or {})
        for event in events
        for data in (event.get("event_data") or {},)
    )


def _last(events: Sequence[Event], kind: str) -> Mapping[str, Any]:
    """The data of the last such event that the play did not ignore."""
    for event in reversed(events):
        data = event.get("event_data") or {}
        if event.get("event") == kind and not data.get("ignore_errors"):
            return data
    return {}


def _task(data: Mapping[str, Any]) -> str:
    return sentence(str(data.get("task") or ""), 200)


def _of_whom(host: str, data: Mapping[str, Any]) -> str:
    """A playbook may also have a play for the controller: say so when it was not the host."""
    other = data.get("host")
    return f"on {sentence(str(other), 80)}: " if other and other != host else ""


def _culprit(result: Mapping[str, Any]) -> Mapping[str, Any]:
    """Of a loop the first item that failed."""
    items = [item for item in result.get("results") or () if isinstance(item, Mapping) and item.get("failed")]
    return _culprit(items[0]) if items else result


def cause(result: Mapping[str, Any]) -> str:
    """The sentence in a failing task's result that says why."""
    result = _culprit(result)
    if "censored" in result:
        return "the task's result is hidden (no_log)"
    said = {key: str(result.get(key) or "").strip() for key in (*MACHINERY, "stderr", "stdout")}
    said["msg"] = BEFORE.sub("", said["msg"] or said["reason"])
    module = last_lines(said["module_stderr"]) or last_lines(said["module_stdout"])
    if module and (not said["msg"] or NOT_THE_CAUSE.search(said["msg"])):
        return sentence(module)
    printed = last_lines(said["stderr"]) or last_lines(said["stdout"])
    if "rc" in result and not printed and NOT_THE_CAUSE.search(said["msg"]):
        return (
            f"the module ended with exit code {result['rc']} and said nothing, as under a sudo that refuses"
        )
    if said["msg"].startswith("non-zero return code"):
        return sentence(
            f"exit code {result.get('rc')}: {printed}"
            if printed
            else f"exit code {result.get('rc')}, no output"
        )
    return sentence(said["msg"] or printed or "the task failed and said nothing")


def _complaint(output: str) -> str:
    """Ansible's own last error with the place that it names, else the last lines that it printed."""
    errors = list(ERROR.finditer(output))
    if not errors:
        return sentence(last_lines(output))
    message, _, rest = errors[-1][1].partition("Origin: ")
    place = rest.split("\n", 1)[0].strip()
    words = re.split(r"\n\s*\n|\nTraceback", message.strip())[0]
    return sentence(f"{words} ({place})" if place else words)
