"""What a lab is asked to hold: hosts with their factors."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from rollout.errors import LabError

_NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,40}[a-z0-9])?")
MOST_HOSTS = 1000

# The combos that `rollout lab up --hosts N` deals out in turn.
_HARDWARE = ("Dell R650", "HPE DL360", "Supermicro X11")
_RACK_SIZE = 4


@dataclass(frozen=True, slots=True)
class HostSpec:
    """One host. `os_release` is the release it begins with; the other factors are words of the inventory alone.

    A host that has `guests` has `virsh` too, which lists them. `variables` are further hostvars.
    """

    name: str
    hw_model: str = _HARDWARE[0]
    os_release: str = "labos-1"
    hypervisor: str = "kvm-7.2"
    rack: str = "r1"
    site: str = "lab"
    guests: tuple[str, ...] = ()
    variables: dict[str, Any] = field(default_factory=dict)

    def factors(self) -> dict[str, str]:
        """The hostvars that plans read factors from."""
        return {
            "hw_model": self.hw_model,
            "os_release": self.os_release,
            "hypervisor": self.hypervisor,
            "rack": self.rack,
            "site": self.site,
        }


def default_hosts(count: int) -> list[HostSpec]:
    """`count` hosts in three hardware combos, four to a rack, a rack holding one combo."""
    hosts = []
    for number in range(count):
        rack = number // _RACK_SIZE
        hosts.append(
            HostSpec(f"h{number + 1:02d}", hw_model=_HARDWARE[rack % len(_HARDWARE)], rack=f"r{rack + 1}")
        )
    return hosts


def read_spec(path: Path) -> list[HostSpec]:
    """Hosts from a YAML file: `hosts:` a list of HostSpec's fields, `defaults:` what they have in common."""
    try:
        document = yaml.safe_load(path.read_text())
    except (OSError, yaml.YAMLError) as error:
        raise LabError(f"the lab spec {path} cannot be read: {str(error).splitlines()[0]}") from error
    if not isinstance(document, dict) or not isinstance(document.get("hosts"), list):
        raise LabError(f"the lab spec {path} needs a list under `hosts:`")
    if unknown := set(document) - {"hosts", "defaults"}:
        raise LabError(f"the lab spec {path} has unknown keys: {', '.join(sorted(map(str, unknown)))}")
    common = document.get("defaults") or {}
    return [_read_host(path, common, entry) for entry in document["hosts"]]


def _read_host(path: Path, common: dict[str, Any], entry: object) -> HostSpec:
    if not isinstance(entry, dict) or not isinstance(common, dict):
        raise LabError(
            f"the lab spec {path} has something that is not a mapping under `hosts:` or `defaults:`"
        )
    fields = {**common, **entry}
    guests = fields.pop("guests", None) or ()
    variables = fields.pop("variables", None) or {}
    if unknown := set(fields) - set(HostSpec.__dataclass_fields__):
        raise LabError(
            f"the lab spec {path} gives a host unknown keys: {', '.join(sorted(map(str, unknown)))}"
        )
    if "name" not in fields:
        raise LabError(f"the lab spec {path} has a host without a name")
    words = {key: str(value) for key, value in fields.items()}
    return HostSpec(**words, guests=tuple(map(str, guests)), variables=variables)


def check_hosts(hosts: Sequence[HostSpec], releases: Sequence[str]) -> None:
    """Raise LabError for the first thing that no lab can hold."""
    if not 0 < len(hosts) <= MOST_HOSTS:
        raise LabError(f"a lab holds 1 to {MOST_HOSTS} hosts, not {len(hosts)}")
    seen: set[str] = set()
    for host in hosts:
        if not _NAME.fullmatch(host.name):
            raise LabError(
                f"{host.name!r} is no name for a lab host: lower-case letters, digits and inner hyphens"
            )
        if host.name in seen:
            raise LabError(f"two lab hosts are called {host.name}")
        if host.os_release not in releases:
            raise LabError(
                f"lab hosts can begin with {' or '.join(releases)}, not {host.os_release} ({host.name})"
            )
        seen.add(host.name)
