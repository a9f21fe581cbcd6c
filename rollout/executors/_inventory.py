"""What one unit is told about its host: an inventory of that host alone, and the extra variables. A sweep is told of several.

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
    return write_shared_inventory(folder, {host: variables}, {host: groups})


def write_shared_inventory(
    folder: Path, variables: Mapping[str, Mapping[str, Any]], groups: Mapping[str, Iterable[str]]
) -> Path:
    """The same for the hosts of a sweep; both by host."""
    members: dict[str, list[str]] = {"all": list(variables)}
    for host in variables:
        for group in groups[host]:
            if group not in {"all", "_meta"}:
                members.setdefault(group, []).append(host)
    known: dict[str, Any] = {"_meta": {"hostvars": {host: dict(own) for host, own in variables.items()}}}
    known |= {group: {"hosts": hosts} for group, hosts in members.items()}
    write(folder / "inventory.json", json.dumps(known))
    script = folder / "inventory"
    write(script, SCRIPT, mode=0o700)
    return script


def write_extra_variables(file: Path, variables: Mapping[str, Any]) -> None:
    """As JSON in which every string is marked unsafe: a host's name or a glob is never read as a template."""
    write(file, json.dumps({name: unsafe(value) for name, value in variables.items()}))


def unsafe(value: Any) -> Any:
    """As JSON that Ansible takes for data, never for a template."""
    if isinstance(value, str):
        return {"__ansible_unsafe": value}
    if isinstance(value, Mapping):
        return {str(key): unsafe(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [unsafe(item) for item in value]
    return value
