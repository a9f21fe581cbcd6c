"""From Ansible's events to how a step came out. Events decide, never exit codes: 4 is unreachable and a syntax error alike."""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from rollout.executors._secrets import hide_within
from rollout.executors._text import last_lines, sentence
from rollout.executors._unit import Result
from rollout.model.seams import Ending

Event = Mapping[str, Any]

HOST_KEY = re.compile(r"host key verification failed|remote host identification has changed|host key .* has changed|no .* host key is known for", re.IGNORECASE)  # fmt: skip
WRAPPING = re.compile(r"^Data could not be sent to remote host \S+ Make sure this host can be reached over ssh:\s*(?=\S)|@{3,}|^@ +| +@\s*$", re.MULTILINE)  # fmt: skip
"""Ansible's words before ssh's own, and the frame of ssh's warning: they push the cause out of the sentence."""
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


def _without(secrets: tuple[str, ...], event: dict[str, Any]) -> Event:
    """Only texts of the playbook and the host: a password that is a word of Ansible's own must not change what happened."""
    data = event.get("event_data") or {}
    texts = {key: hide_within(data[key], secrets) for key in ("res", "task", "name") if key in data}
    return {**event, "event_data": {**data, **texts}}


def task_in_progress(events: Iterable[Event]) -> str:
    """The last task that began, with whether it is known to have ended; for a person."""
    name, ended = "", False
    for event in events:
        data = event.get("event_data") or {}
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
    return (
        f"the last task begun was {sentence(name, 120)!r}, {'which ended' if ended else 'which did not end'}"
    )


def judge(host: str, events: Sequence[Event], code: int | None, output: str) -> Result | None:
    """How the step came out; None when Ansible did not get to its end and did not say why: the host must be asked.

    `code`: of ansible-playbook, None when a signal ended it or it is not known. `output`: what it printed last.
    """
    stats = next((e["event_data"] for e in reversed(events) if e.get("event") == "playbook_on_stats"), None)
    if stats is None:
        if code is None:
            return None
        return Result(
            Ending.FAILED, _complaint(output) or f"ansible-playbook ended with {code} and said nothing"
        )
    if any((stats.get("dark") or {}).values()):
        return _unreachable(host, events)
    if any((stats.get("failures") or {}).values()):
        return _failed(host, events)
    if code:
        return Result(
            Ending.FAILED, _complaint(output) or f"ansible-playbook ended with {code} after its last task"
        )
    return _went_through(host, stats)


def _went_through(host: str, stats: Mapping[str, Any]) -> Result:
    """Nothing failed: but a play that did nothing on the host is no success."""
    if (stats.get("ok") or {}).get(host):
        return Result(Ending.DONE, "")
    skipped = (stats.get("skipped") or {}).get(host)
    return Result(
        Ending.FAILED, sentence(f"every task was skipped on {host}" if skipped else f"no task ran on {host}")
    )


def _unreachable(host: str, events: Sequence[Event]) -> Result:
    data = _last(events, "runner_on_unreachable")
    message = str((data.get("res") or {}).get("msg") or "the host is unreachable").removeprefix(
        "Task failed: "
    )
    message = WRAPPING.sub("", message)
    if HOST_KEY.search(message):
        return Result(Ending.REFUSED, f"the host key was refused: {sentence(message)}", _task(data))
    return Result(Ending.UNREACHABLE, _of_whom(host, data) + sentence(message), _task(data))


def _failed(host: str, events: Sequence[Event]) -> Result:
    data = _last(events, "runner_on_failed")
    return Result(Ending.FAILED, _of_whom(host, data) + cause(data.get("res") or {}), _task(data))


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


def cause(result: Mapping[str, Any]) -> str:
    """The sentence in a failing task's result that says why."""
    items = [item for item in result.get("results") or () if isinstance(item, Mapping) and item.get("failed")]
    if items:
        return cause(items[0])
    if "censored" in result:
        return "the task's result is hidden (no_log)"
    said = {
        key: str(result.get(key) or "").strip()
        for key in ("msg", "module_stderr", "module_stdout", "stderr", "stdout")
    }
    module = last_lines(said["module_stderr"]) or last_lines(said["module_stdout"])
    if module and (not said["msg"] or NOT_THE_CAUSE.search(said["msg"])):
        return sentence(module)
    printed = last_lines(said["stderr"]) or last_lines(said["stdout"])
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
