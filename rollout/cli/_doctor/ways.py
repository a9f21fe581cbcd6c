"""The ways to hosts: the SSH client, the agent, keys, known host keys; and, when asked, whether hosts let us in.

Without `reach` nothing is sent to anybody: ssh_config and files are read.
"""

import os
import shutil
import stat
import subprocess
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING

from rollout.cli._doctor.finding import Finding, Situation
from rollout.errors import SshError
from rollout.report.plain import counted, listed
from rollout.ssh.endpoint import Endpoint
from rollout.ssh.path import Way, way

if TYPE_CHECKING:
    from rollout.plan.inventory import Inventory

SAMPLE = 200
"""Hosts whose ssh_config is read: all of them, or so many, evenly spread over the list."""

TOGETHER = 8
WITHIN = 20.0
"""Hosts that are asked at once; seconds in which each has to let us in."""

_NO_AGENT, _NO_KEYS = 2, 1
"""Exit codes of `ssh-add -l`."""


def client(_: Situation) -> Iterator[Finding]:
    """OpenSSH: Ansible uses it, and our own connections read ssh_config through it."""
    path = shutil.which("ssh")
    if path is None:
        yield Finding("bad", "ssh", "not found", "PATH", "install openssh-client")
        return
    asked = subprocess.run([path, "-V"], capture_output=True, check=False, timeout=30)
    yield Finding("ok", "ssh", asked.stderr.decode(errors="replace").strip().split(",")[0], path)


def agent(_: Situation) -> Iterator[Finding]:
    """One that is named must answer; none need be."""
    where = os.environ.get("SSH_AUTH_SOCK", "")
    program = shutil.which("ssh-add")
    if not where or program is None:
        yield Finding(
            "ok", "ssh agent", "none", "SSH_AUTH_SOCK is not set" if not where else "no ssh-add on PATH"
        )
        return
    try:
        asked = subprocess.run([program, "-l"], capture_output=True, check=False, timeout=30)
    except subprocess.TimeoutExpired:
        asked = subprocess.CompletedProcess([], _NO_AGENT, b"", b"")
    source = f"SSH_AUTH_SOCK={where}"
    if asked.returncode == _NO_AGENT:
        yield Finding(
            "warn",
            "ssh agent",
            "does not answer",
            source,
            "start it anew, or unset SSH_AUTH_SOCK; a run outlives a forwarded one",
        )
    else:
        keys = 0 if asked.returncode == _NO_KEYS else asked.stdout.count(b"\n")
        yield Finding("ok", "ssh agent", counted(keys, "key"), source)


def ways(situation: Situation, *, reach: bool = False) -> Iterator[Finding]:
    """Of the plan's hosts."""
    if situation.inventory is None:
        return
    hosts = situation.inventory.hosts
    sample = hosts[:: max(1, -(-len(hosts) // SAMPLE))]
    some = f"{len(sample)} of {len(hosts)} hosts" if len(sample) < len(hosts) else counted(len(hosts), "host")
    found, unusable = _ways(situation.inventory, situation.folder, sample)
    for said, names in unusable.items():
        yield Finding("bad", "way", listed(names), "the hosts' variables, ssh_config", said)
    local = len(sample) - len(found) - sum(map(len, unusable.values()))
    if local:
        yield Finding("ok", "local hosts", f"{local} of {some}", "ansible_connection: local")
    if not found:
        return
    yield from _keys(found, some)
    yield from _known(found, some)
    if reach:
        yield from _reached(situation, found)


def _ways(
    inventory: "Inventory", folder: Path, hosts: tuple[str, ...]
) -> tuple[dict[str, Way], dict[str, list[str]]]:
    """Of each host; and what is wrong, with the hosts of which it is."""
    from rollout.plan.vaults import Vaults

    vaults = Vaults(folder)

    def read(host: str) -> Way | str | None:
        try:
            return way(host, vaults.opened(host, inventory.variables(host)))
        except SshError as error:
            return str(error).removeprefix(f"{host}: ")

    found: dict[str, Way] = {}
    unusable: dict[str, list[str]] = {}
    with ThreadPoolExecutor(TOGETHER) as pool:
        for host, one in zip(hosts, pool.map(read, hosts), strict=True):
            if isinstance(one, str):
                unusable.setdefault(one, []).append(host)
            elif one is not None:
                found[host] = one
    return found, unusable


def _keys(found: dict[str, Way], some: str) -> Iterator[Finding]:
    """Each file once; a host whose files are all missing, and that has neither agent nor password, cannot be reached."""
    source = "ansible_ssh_private_key_file, ssh_config, or OpenSSH's defaults"
    files: dict[Path, int] = {}
    without = []
    for host, one in found.items():
        usable = [path for path in one.endpoint.identities if path.is_file()]
        for path in usable:
            files[path] = files.get(path, 0) + 1
        if (
            not usable
            and one.access.password is None
            and (one.endpoint.agent is None or one.endpoint.only_identities)
        ):
            without.append(host)
    for path, hosts in sorted(files.items()):
        mode = stat.S_IMODE(path.stat().st_mode)
        value = f"{path}, for {hosts} of {some}"
        if not os.access(path, os.R_OK):
            yield Finding(
                "bad", "key", f"{value}: cannot be read", source, f"make {path} readable for this user"
            )
        elif mode & 0o077:
            yield Finding(
                "bad",
                "key",
                f"{value}: mode {mode:03o}",
                source,
                f"chmod 600 {quote(str(path))}: OpenSSH refuses it as it is",
            )
        else:
            yield Finding("ok", "key", value, source)
    if without:
        tried = ", ".join(str(path) for path in found[without[0]].endpoint.identities) or "none is named"
        yield Finding(
            "bad",
            "keys",
            f"none for {listed(without)}",
            f"{source}: {tried}",
            "name a key in the inventory or in ssh_config, or load an agent",
        )


def _known(found: dict[str, Way], some: str) -> Iterator[Finding]:
    """Host keys are always checked: one that is not in a file keeps us out."""
    from rollout.ssh.known_hosts import look_up

    strangers: list[str] = []
    for host, one in found.items():
        endpoint: Endpoint | None = one.endpoint
        while endpoint is not None:
            known = look_up(endpoint.known_hosts, endpoint.names)
            if not known.algorithms:
                strangers.append(host if endpoint is one.endpoint else f"{host} (its bastion {endpoint})")
            endpoint = endpoint.via
    paths = dict.fromkeys(str(path) for one in found.values() for path in one.endpoint.known_hosts)
    source = listed(paths, 3)
    if strangers:
        advice = "put their keys, from a source that you trust, into the first of these files; host keys are always checked"
        yield Finding("bad", "host keys", f"unknown of {listed(strangers)}", source, advice)
    else:
        yield Finding("ok", "host keys", f"known of {some}", source)


def _reached(situation: Situation, found: dict[str, Way]) -> Iterator[Finding]:
    """The first host of each path and combo is asked to let us in, over a fresh connection that is closed at once."""
    graph = situation.graph
    first: dict[tuple[str, str], str] = {}
    for host, one in found.items():
        node = graph.nodes.get(host) if graph is not None else None
        first.setdefault((str(one.path), node.combo if node is not None else ""), host)
    with ThreadPoolExecutor(TOGETHER) as pool:
        answers = list(pool.map(_knocker(found), first.values()))
    for ((path, combo), host), said in zip(first.items(), answers, strict=True):
        source = f"{path}{f', combo {combo}' if combo else ''}"
        if said:
            yield Finding("bad", "reach", f"{host} does not let us in", source, said)
        else:
            yield Finding("ok", "reach", f"{host} lets us in", source)


def _knocker(found: dict[str, Way]) -> Callable[[str], str]:
    def knock(host: str) -> str:
        try:
            found[host].knock(WITHIN)
        except SshError as error:
            return str(error).removeprefix(f"{host}: ")
        return ""

    return knock
