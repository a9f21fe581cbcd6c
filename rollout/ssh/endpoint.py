"""Where a connection goes and how, as OpenSSH itself reads ssh_config and the inventory's options.

`ssh -G` is asked instead of a parser of our own: Include, Match, tokens and precedence are then what Ansible's ssh uses.
"""

import os
import pwd
import re
import socket
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from urllib.parse import urlsplit

from rollout.errors import SshError, SshUnsupported
from rollout.ssh.options import option
from rollout.ssh.printable import printable

LONGEST_CHAIN = 8
"""Jump hosts that ssh_config may put before a host; more is a loop."""

ANSWER_TIME = 20.0
"""Seconds for `ssh -G`, which may run the `Match exec` commands of a user's ssh_config."""

UNSUPPORTED = {
    "bindinterface": "none",
    "certificatefile": "none",
    "knownhostscommand": "none",
    "pkcs11provider": "none",
    "proxyusefdpass": "no",
    "revokedhostkeys": "none",
}
"""What our connection cannot do, and the value that asks for nothing."""

FAMILIES = {"inet": socket.AF_INET, "inet6": socket.AF_INET6}


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A host to connect to. `via` is the jump host before it; `agent` the socket of an SSH agent.

    `names` are what its key may be called in the files of `known_hosts`, the best first.
    """

    address: str
    port: int
    user: str
    names: tuple[str, ...]
    known_hosts: tuple[Path, ...]
    identities: tuple[Path, ...]
    only_identities: bool
    agent: str | None
    connect_timeout: float | None
    family: socket.AddressFamily
    bind_address: str | None
    proxy_command: str | None
    via: "Endpoint | None"

    def __str__(self) -> str:
        """For a message about this very hop."""
        return printable(f"{self.user}@{self.address}:{self.port}")


def resolve(host: str, address: str, arguments: tuple[str, ...], depth: int = 0) -> Endpoint:
    """What ssh would do for `address` with these arguments. `host` is for messages. Raises SshUnsupported or SshError."""
    if depth > LONGEST_CHAIN:
        raise SshUnsupported(
            f"{printable(host)}: ssh_config puts more than {LONGEST_CHAIN} jump hosts before it: a loop?"
        )
    said = _ask_ssh(host, address, arguments)
    for key, nothing in UNSUPPORTED.items():
        value = said.get(key, [nothing])[0]
        if value != nothing:
            raise SshUnsupported(
                f"{printable(host)}: ssh_config sets {key} to {printable(value)!r} for {printable(address)}, "
                "which the gates' own connection cannot honour"
            )
    tokens = _tokens(said, address)
    home = pwd.getpwuid(os.getuid()).pw_dir
    identities = [Path(_expand(host, path, tokens, home)) for path in said.get("identityfile", [])]
    known = [
        path
        for key in ("userknownhostsfile", "globalknownhostsfile")
        for path in re.split(r"\s+(?=[/~])", said.get(key, ["none"])[0])
        if path != "none"
    ]
    proxy = said.get("proxycommand", ["none"])[0]
    timeout = said.get("connecttimeout", ["none"])[0]
    return Endpoint(
        address=said["hostname"][0],
        port=int(said["port"][0]),
        user=said["user"][0],
        names=_names(said),
        known_hosts=tuple(Path(_expand(host, path, tokens, home)) for path in known),
        identities=tuple(identities),
        only_identities=said.get("identitiesonly") == ["yes"],
        agent=_agent(said, home),
        connect_timeout=float(timeout) if timeout.isdecimal() else None,
        family=FAMILIES.get(said.get("addressfamily", ["any"])[0], socket.AF_UNSPEC),
        bind_address=said.get("bindaddress", [None])[0],
        proxy_command=None if proxy == "none" else _fill(host, proxy, tokens),
        via=_jump(host, said, arguments, depth),
    )


def _ask_ssh(host: str, address: str, arguments: tuple[str, ...]) -> Mapping[str, list[str]]:
    command = ["ssh", "-G", "-T", *arguments, "--", address]
    try:
        asked = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, check=False, timeout=ANSWER_TIME
        )
    except FileNotFoundError as error:
        raise SshError(
            "The program `ssh` is missing: install openssh-client, which Ansible needs too."
        ) from error
    except subprocess.TimeoutExpired as error:
        raise SshError(f"{printable(host)}: `ssh -G` gave no answer within {ANSWER_TIME:g} s") from error
    if asked.returncode:
        said = asked.stderr.decode("utf-8", "replace").strip().splitlines() or [
            f"exit code {asked.returncode}"
        ]
        raise SshUnsupported(f"{printable(host)}: ssh refuses its configuration: {printable(said[-1])}")
    found: dict[str, list[str]] = {}
    for line in asked.stdout.decode("utf-8", "replace").splitlines():
        key, _, value = line.partition(" ")
        found.setdefault(key, []).append(value)
    return found


def _names(said: Mapping[str, list[str]]) -> tuple[str, ...]:
    if "hostkeyalias" in said:
        return (said["hostkeyalias"][0].lower(),)
    name, port = said["hostname"][0].lower(), said["port"][0]
    # On another port ssh also takes the key that is listed without one, if it is the same key.
    return (name,) if port == "22" else (f"[{name}]:{port}", name)


def _agent(said: Mapping[str, list[str]], home: str) -> str | None:
    value = said.get("identityagent", ["SSH_AUTH_SOCK"])[0]
    if value == "none":
        return None
    if value == "SSH_AUTH_SOCK":
        return os.environ.get("SSH_AUTH_SOCK") or None
    if value.startswith("$"):
        return os.environ.get(value.strip("${}")) or None
    return re.sub(r"^~(?=/)", lambda _: home, value)


def _jump(
    host: str, said: Mapping[str, list[str]], arguments: tuple[str, ...], depth: int
) -> Endpoint | None:
    # As ssh does: the last jump host is reached through the others, with the same -F and none of the other options.
    chain = said.get("proxyjump", ["none"])[0]
    if chain == "none":
        return None
    *before, last = chain.split(",")
    user, address, port = _jump_host(host, last)
    onward = [word for flag, word in pairwise(arguments) if flag == "-F"]
    words = ["-F", onward[0]] if onward else []
    words += option("User", user) if user else []
    words += option("Port", str(port)) if port else []
    words += ["-o", f"ProxyJump={','.join(before)}"] if before else []
    return resolve(host, address, tuple(words), depth + 1)


def _jump_host(host: str, text: str) -> tuple[str | None, str, int | None]:
    parts = urlsplit(text if "://" in text else f"ssh://{text}")
    try:
        port = parts.port
    except ValueError as error:
        raise SshUnsupported(
            f"{printable(host)}: the jump host {printable(text)!r} has no valid port"
        ) from error
    # urlsplit lowers the name; ssh_config's patterns must see it as it was written
    name = parts.netloc.rpartition("@")[2]
    address = name[1 : name.index("]")] if name.startswith("[") and "]" in name else name.partition(":")[0]
    user = parts.netloc.rpartition("@")[0]
    if not address or address.startswith("-"):
        raise SshUnsupported(f"{printable(host)}: {printable(text)!r} is not a jump host")
    return user or None, address, port


def _tokens(said: Mapping[str, list[str]], address: str) -> Mapping[str, str]:
    here = pwd.getpwuid(os.getuid())
    return {
        "%": "%",
        "d": here.pw_dir,
        "h": said["hostname"][0],
        "i": str(here.pw_uid),
        "k": said.get("hostkeyalias", [address])[0],
        "L": socket.gethostname().partition(".")[0],
        "l": socket.gethostname(),
        "n": address,
        "p": said["port"][0],
        "r": said["user"][0],
        "u": here.pw_name,
    }


def _fill(host: str, text: str, tokens: Mapping[str, str]) -> str:
    def value(found: re.Match[str]) -> str:
        if found[1] not in tokens:
            raise SshUnsupported(
                f"{printable(host)}: the token %{printable(found[1])} of ssh_config cannot be filled in"
            )
        return tokens[found[1]]

    return re.sub(r"%(.)", value, text)


def _expand(host: str, path: str, tokens: Mapping[str, str], home: str) -> str:
    filled = os.path.expandvars(_fill(host, path, tokens))
    return os.path.expanduser(re.sub(r"^~(?=/)", lambda _: home, filled))  # noqa: PTH111  ~user, and text
