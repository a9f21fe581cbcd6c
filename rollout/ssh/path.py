"""What a host shares with others on the way to it from here: the bastions, and the credential that lets us in."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from rollout.errors import SshError
from rollout.ssh.endpoint import Endpoint, resolve
from rollout.ssh.inventory import Access, read
from rollout.ssh.printable import printable

SHOWN = 3


@dataclass(frozen=True, slots=True)
class Path:
    """`bastions` are named nearest first; `credential` is the user, with where the keys or the password come from."""

    bastions: tuple[str, ...]
    credential: str

    def __str__(self) -> str:
        """For a person; equal paths have equal names."""
        return " ".join(
            [f"through {' and '.join(self.bastions)}"] * bool(self.bastions) + [f"as {self.credential}"]
        )


@dataclass(frozen=True, slots=True)
class Way:
    """How one host is reached, and over which path."""

    access: Access
    endpoint: Endpoint

    @property
    def path(self) -> Path:
        """What other hosts may share."""
        return Path(tuple(_bastions(self.endpoint)), _credential(self.endpoint, self.access))

    @property
    def bastion(self) -> str | None:
        """The last one before the host, if it can be asked itself."""
        return str(self.endpoint.via) if self.endpoint.via else None

    def knock(self, within: float, *, at_bastion: bool = False) -> None:
        """Log in to the host, or to the bastion before it, and leave. Raises SshError kinds; `within` is in seconds."""
        from rollout.ssh.remote import log_in_and_out  # noqa: PLC0415  paramiko costs 190 ms CPU

        endpoint = self.endpoint.via if at_bastion else self.endpoint
        if endpoint is None:
            raise SshError(f"{printable(self.access.host)} has no bastion")
        log_in_and_out(self.access, endpoint, within, last=not at_bastion)


def way(host: str, variables: Mapping[str, Any]) -> Way | None:
    """How the host is reached; None when it is this machine. Raises SshUnsupported or SshError."""
    access = read(host, variables)
    if access.local:
        return None
    return Way(access, resolve(access.host, access.address, access.arguments))


def may_share(host: str, variables: Mapping[str, Any], known: Access) -> bool:
    """Whether the inventory says nothing else of this host than of a known one; far cheaper than `way`."""
    try:
        access = read(host, variables)
    except SshError:
        return False
    asked, wanted = ((a.local, _of_the_way(a), a.password is None) for a in (access, known))
    return asked == wanted


OWN = ("port=", "hostname=", "hostkeyalias=")
"""Options that tell one host from another, and not one way from another."""


def _of_the_way(access: Access) -> list[str]:
    return [word for word in access.arguments if word != "-o" and not word.lower().startswith(OWN)]


def _bastions(endpoint: Endpoint) -> list[str]:
    if endpoint.proxy_command is not None:
        own = "|".join(
            re.escape(name) for name in sorted({endpoint.address, *endpoint.names}, key=len, reverse=True)
        )
        return [printable(re.sub(rf"(?<![\w.-])(?:{own})(?![\w.-])", "HOST", endpoint.proxy_command))]
    return [*_bastions(endpoint.via), str(endpoint.via)] if endpoint.via else []


def _credential(endpoint: Endpoint, access: Access) -> str:
    keys = [str(path) for path in endpoint.identities if path.is_file()][:SHOWN]
    origins = [*keys, *(["an agent"] if endpoint.agent and not endpoint.only_identities else [])]
    origins += ["the inventory's password"] if access.password is not None else []
    return printable(f"{endpoint.user} with {' or '.join(origins) or 'no key'}", 300)
