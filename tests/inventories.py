"""Ansible's answers about inventories that many tests write alike: each content is asked about once, not in every test."""

import json
import os
from collections.abc import Mapping, Sequence
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

from rollout.plan import asking

Listed = tuple[dict[str, Any], tuple[str, ...]]

Content = tuple[tuple[str, bytes], ...]

_LISTED: dict[tuple[Content, str | None, str | None], Listed] = {}
_SELECTED: dict[tuple[str, str], list[str]] = {}
_ELSEWHERE = ("group_vars", "host_vars", "vars_plugins", "ansible.cfg")
"""Beside an inventory, these have a say in the answer."""


def asked_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have `ansible-inventory` and `ansible --list-hosts` answer again only where the question is a new one."""
    ask, select = asking.listed, asking.selected

    def listed(sources: Sequence[str], folder: Path, patience: float = asking.PATIENCE) -> Listed:
        content = _content(sources, folder)
        if content is None:
            return ask(sources, folder, patience)
        key = content, os.environ.get("HOME"), os.environ.get("PATH")
        if key not in _LISTED:
            answer = ask(sources, folder, patience)
            if str(folder) in json.dumps(answer):
                return answer
            _LISTED[key] = answer
        return deepcopy(_LISTED[key])

    def selected(pattern: str, groups: Mapping[str, Any], patience: float = asking.PATIENCE) -> list[str]:
        key = pattern, json.dumps(groups)
        if key not in _SELECTED:
            _SELECTED[key] = select(pattern, groups, patience)
        return [*_SELECTED[key]]

    monkeypatch.setattr(asking, "listed", listed)
    monkeypatch.setattr(asking, "selected", selected)


def _content(sources: Sequence[str], folder: Path) -> Content | None:
    """All that the answer depends on; None if that is more than plain YAML files beside the plan."""
    files = [Path(source) for source in sources]
    plain = all(
        file.parent == folder and file.suffix == ".yml" and file.is_file() and not file.stat().st_mode & 0o111
        for file in files
    )
    if not plain or any((folder / name).exists() for name in _ELSEWHERE):
        return None
    if any(name.startswith("ANSIBLE_") for name in os.environ):
        return None
    found = tuple((file.name, file.read_bytes()) for file in files)
    return None if any(b"plugin" in text or b"vault" in text for _, text in found) else found
