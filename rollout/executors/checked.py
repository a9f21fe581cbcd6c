"""What Ansible's check mode could say of a step's tasks, and what it could not."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rollout.executors._chunk import told
from rollout.executors._outcome import Event
from rollout.executors._secrets import hide_within
from rollout.executors._text import sentence
from rollout.executors._unit import Unit, write
from rollout.model.seams import Order

FILE = "checked.json"


@dataclass(frozen=True, slots=True)
class CheckedTask:
    """`word` is one of `_check_plugin.word`, or `failed`; `action` the module or action plugin."""

    name: str
    action: str
    word: str


def tasks_of(units: Path, order: Order) -> tuple[CheckedTask, ...]:
    """Of a unit in check mode that is over, in the order in which they came. Empty when it never got to a task."""
    try:
        found = json.loads((Unit.of(units, order).path / FILE).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return ()
    return tuple(CheckedTask(*task) for task in found)


def keep(unit: Unit) -> None:
    """What the plugin has told, without secrets, before the unit's private files go."""
    try:
        lines = told(unit).read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return
    read: list[dict[str, Any]] = [json.loads(line) for line in lines]
    hidden = hide_within([[one["task"], one["action"], one["word"]] for one in read], unit.secrets())
    write(unit.path / FILE, json.dumps([[sentence(text, 200) for text in task] for task in hidden]))


def with_skipped(events: Iterable[Event]) -> Sequence[Event]:
    """The events as they would be judged had each task that was skipped gone well: in check mode that is no failure."""
    return [_counting(event) if event.get("event") == "playbook_on_stats" else event for event in events]


def _counting(stats: Event) -> Event:
    data = stats.get("event_data") or {}
    return {**stats, "event_data": {**data, "ok": {**(data.get("skipped") or {}), **(data.get("ok") or {})}}}
