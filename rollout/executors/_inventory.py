"""What one unit is told about its host: an inventory of that host alone, and the extra variables.

The inventory is a script that prints JSON of the very form that `ansible-inventory --list` gave: templates stay templates,
vault values stay encrypted until Ansible reads them, and no name is read as a range or a port.
"""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from rollout.executors._unit import write

SCRIPT = """#!/bin/sh
exec cat "${0%/*}/inventory.json"
"""


def write_inventory(folder: Path, host: str, variables: Mapping[str, Any], groups: Iterable[str]) -> Path:
    """The path for `ansible-playbook -i`. `variables` are the host's merged ones."""
    known: dict[str, Any] = {"_meta": {"hostvars": {host: dict(variables)}}, "all": {"hosts": [host]}}
    known |= {group: {"hosts": [host]} for group in groups if group not in {"all", "_meta"}}
    write(folder / "inventory.json", json.dumps(known))
    script = folder / "inventory"
    write(script, SCRIPT, mode=0o700)
    return script


def write_extra_variables(file: Path, variables: Mapping[str, Any]) -> None:
    """As JSON in which every string is marked unsafe: a host's name or a glob is never read as a template."""
    write(file, json.dumps({name: _unsafe(value) for name, value in variables.items()}))


def _unsafe(value: Any) -> Any:
    if isinstance(value, str):
        return {"__ansible_unsafe": value}
    if isinstance(value, Mapping):
        return {str(key): _unsafe(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_unsafe(item) for item in value]
    return value
