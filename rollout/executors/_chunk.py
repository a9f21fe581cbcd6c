"""A chunk of a sweep: many hosts in one `ansible-playbook`. How each of them came out, and its directory, which is a unit's.

results.json is what became of each host; the rest is as in a unit.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

from rollout.executors._found import blotted
from rollout.executors._outcome import Event, judge, read_events
from rollout.executors._secrets import hide
from rollout.executors._text import sentence
from rollout.executors._unit import Result, Unit, write
from rollout.model.seams import Ending

OF_HOSTS = 2 | 4
"""Bits of Ansible's exit code that say no more than that hosts failed, or were unreachable."""

BROKEN_OFF = "the play ended early because other hosts failed: take any_errors_fatal, max_fail_percentage and serial out of it"

NOT_APART = "Ansible did not let each host go its own way"

NOTHING: Mapping[str, Any] = MappingProxyType({})

COUNTS = ("ok", "failures", "dark", "skipped")


def judge_each(
    hosts: Sequence[str],
    events: Sequence[Event],
    code: int | None,
    output: str,
    cut: str = "",
    *,
    apart: bool = True,
) -> dict[str, Result]:
    """How the step came out on each host.

    `cut`: why Ansible did not come to its end, when it was made to. Without an end of the play only a failure is known: that a
    host's last task went well says nothing of the next. `apart`: no host could end the play of another (_sweep_plugin.py).
    """
    ours = set(hosts)
    of: dict[str, list[Event]] = {host: [] for host in hosts}
    elsewhere: list[Event] = []
    for event in events:
        if str(event.get("event")).startswith("runner_"):
            of.get(str(_data(event).get("host")), elsewhere).append(event)
    stats = next((_data(e) for e in reversed(events) if e.get("event") == "playbook_on_stats"), None)
    if stats is None:
        complaint = None if cut or code is None else judge("", (), code, output)
        return {host: _of_cut(of[host], complaint, cut or "Ansible died") for host in hosts}
    unexplained = _unexplained(code, stats)
    whole = judge("", [_stats(stats, ())], unexplained, output) if unexplained else None
    found: dict[str, Result] = {}
    for host in hosts:
        mine = [*elsewhere, *of[host], _stats(stats, {host} | (_named(stats) - ours), _handed_on(of[host]))]
        result = judge(host, mine, 0, output)
        if result is None or (result.ending == Ending.DONE and not apart):
            result = Result(Ending.UNKNOWN, f"could not find out: {NOT_APART}")
        found[host] = whole if whole and result.ending == Ending.DONE else result
    return found


def _of_cut(mine: Sequence[Event], complaint: Result | None, cut: str) -> Result:
    ended = [event for event in mine if event.get("event") in {"runner_on_failed", "runner_on_unreachable"}]
    if ended and ended[-1] is mine[-1] and not _data(ended[-1]).get("ignore_errors"):
        host = str(_data(ended[-1]).get("host"))
        kind = "dark" if ended[-1]["event"] == "runner_on_unreachable" else "failures"
        stats = {"event": "playbook_on_stats", "event_data": {kind: {host: 1}}}
        if (found := judge(host, [*mine, stats], 0, "")) is not None:
            return found
    if complaint is not None:
        return complaint
    task = next((str(_data(event).get("task") or "") for event in reversed(mine)), "")
    where = f"its last task was {sentence(task, 120)!r}" if task else "no task had begun on it"
    return Result(Ending.UNKNOWN, f"could not find out: {cut}; {where}")


def _data(event: Event) -> Mapping[str, Any]:
    found = event.get("event_data")
    return found if isinstance(found, Mapping) else {}


def _named(stats: Mapping[str, Any]) -> set[str]:
    return {host for count in COUNTS for host in stats.get(count) or {}}


def _handed_on(mine: Iterable[Event]) -> Mapping[str, Any]:
    """What the host's own `set_stats` say: Ansible's sum of them mixes what all hosts of the play say."""
    told: dict[str, Any] = {}
    for event in mine:
        result = _data(event).get("res")
        stats = result.get("ansible_stats") if isinstance(result, Mapping) else None
        data = stats.get("data") if isinstance(stats, Mapping) else None
        told |= data if isinstance(data, Mapping) else {}
    return told


def _stats(stats: Mapping[str, Any], hosts: Iterable[str], told: Mapping[str, Any] = NOTHING) -> Event:
    """As Ansible would have given them had it known no other host."""
    kept = {
        count: {host: stats[count][host] for host in hosts if host in (stats.get(count) or {})}
        for count in COUNTS
    }
    return {"event": "playbook_on_stats", "event_data": {**kept, "artifact_data": told}}


def _unexplained(code: int | None, stats: Mapping[str, Any]) -> int:
    """An exit code that failed hosts do not explain, else 0."""
    harmed = any((stats.get("failures") or {}).values()) or any((stats.get("dark") or {}).values())
    return 0 if code is None or (harmed and not code & ~OF_HOSTS) else code


def told(unit: Unit) -> Path:
    """What the plugin writes."""
    return unit.private / "told"


def conclude(unit: Unit, code: int | None, cut: str) -> dict[str, Result]:
    """The results as written, without secrets; then what a unit leaves behind. `cut` as in `judge_each`."""
    secrets, output = unit.secrets(), unit.printed() or ""
    events = read_events(unit.artifacts, secrets)
    results = judge_each(unit.order()["hosts"], events, code, output, cut, apart=told(unit).exists())
    known = {
        host: [
            result.ending,
            hide(result.because, secrets),
            hide(result.task, secrets),
            blotted(result.found, secrets),
        ]
        for host, result in results.items()
    }
    write(unit.path / "results.json", json.dumps(known))
    unit.conclude(Result(Ending.DONE, ""), output)
    return results


def results_of(unit: Unit) -> dict[str, Result] | None:
    """None while there are none."""
    try:
        found = json.loads((unit.path / "results.json").read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    return {host: Result(*result) for host, result in found.items()}
