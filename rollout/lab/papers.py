"""What a lab writes for those who drive it: keys, known_hosts, ssh_config and the Ansible inventory."""

import shlex
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from rollout.lab.places import Places
from rollout.lab.spec import HostSpec


def write(places: Places, hosts: Sequence[HostSpec]) -> None:
    """Everything, from nothing; host keys are the lab's to make, so that strict checking holds from the first contact."""
    _make_key(places.key, "rollout-lab")
    known, config = [], []
    for index, host in enumerate(hosts):
        directory = places.host(host.name)
        (directory / "run").mkdir(parents=True)
        key = directory / "ssh_host_ed25519_key"
        _make_key(key, host.name)
        address = places.address(index)
        kind, public, *_ = key.with_suffix(".pub").read_text().split()
        known.append(f"{host.name},{address} {kind} {public}\n")
        config.append(f"Host {host.name} {address}\n  HostName {address}\n")
    places.known_hosts.write_text("".join(known))
    config.append(
        "Host *\n  User root\n"
        f"  IdentityFile {places.key}\n  IdentitiesOnly yes\n"
        f"  UserKnownHostsFile {places.known_hosts}\n  StrictHostKeyChecking yes\n"
    )
    places.ssh_config.write_text("".join(config))
    places.inventory.parent.mkdir()
    places.inventory.write_text(
        "# Written by `rollout lab up`; the hosts answer inside the lab: rollout lab exec -- COMMAND\n"
        + yaml.safe_dump(_inventory(places, hosts), sort_keys=False)
    )


def _inventory(places: Places, hosts: Sequence[HostSpec]) -> dict[str, Any]:
    strict = ["-o", f"UserKnownHostsFile={places.known_hosts}", "-o", "StrictHostKeyChecking=yes"]
    common = {
        "ansible_user": "root",
        "ansible_ssh_private_key_file": str(places.key),
        "ansible_ssh_common_args": shlex.join(strict),
        "ansible_python_interpreter": "/usr/bin/python3",
    }
    listed = {
        host.name: {"ansible_host": str(places.address(index)), **host.factors(), **host.variables}
        for index, host in enumerate(hosts)
    }
    return {"all": {"children": {"lab": {"vars": common, "hosts": listed}}}}


def _make_key(path: Path, comment: str) -> None:
    subprocess.run(
        ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", comment, "-f", str(path)], check=True
    )
