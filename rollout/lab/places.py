"""Where things of one lab are: its directory, and the addresses and marks that are derived from it."""

import hashlib
import re
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path

from rollout.errors import LabError

# Reserved for tests of network devices (RFC 2544): no lab address can be one that the machine needs.
_ALL = IPv4Network("198.18.0.0/15")
_PREFIX = 22
_FIRST_HOST = 10
_SAFE = re.compile(r"[\w./@+=-]+")

# In the environment of every process that a lab's supervisor starts: how what is left of a lab is told from all else.
MARK = "_ROLLOUT_LAB_STARTED_BY"


@dataclass(frozen=True, slots=True)
class Places:
    """The paths of one lab; `directory` is absolute and holds everything that the lab writes."""

    directory: Path

    @classmethod
    def of(cls, directory: Path | str) -> "Places":
        """The places under a directory, which need not exist yet."""
        absolute = Path(directory).expanduser().resolve()
        if not _SAFE.fullmatch(
            str(absolute)
        ):  # ssh, overlayfs and Ansible each quote differently: none of them has to
            raise LabError(
                f"the lab's directory has characters that mount or ssh would misread: {str(absolute)!r}"
            )
        return cls(absolute)

    @property
    def mark(self) -> str:
        """The environment entry of this lab's processes."""
        return f"{MARK}={self.directory}"

    @property
    def network(self) -> IPv4Network:
        """The lab's share of 198.18.0.0/15; two labs may share it and still never meet."""
        number = int(hashlib.sha256(str(self.directory).encode()).hexdigest(), 16)
        shares = 2 ** (_PREFIX - _ALL.prefixlen)
        return IPv4Network((int(_ALL.network_address) + (number % shares) * 2 ** (32 - _PREFIX), _PREFIX))

    @property
    def gateway(self) -> IPv4Address:
        """The control namespace's end of the bridge."""
        return self.network.network_address + 1

    def address(self, index: int) -> IPv4Address:
        """The address of the host with that index, from 0."""
        return self.network.network_address + _FIRST_HOST + index

    @property
    def description(self) -> Path:
        """What the supervisor is to hold, as JSON; its presence says that the directory is a lab's."""
        return self.directory / "lab.json"

    @property
    def lock(self) -> Path:
        """Held by `up` and `down`."""
        return self.directory / "lock"

    @property
    def socket(self) -> Path:
        """Where the supervisor listens."""
        return self.directory / "supervisor.sock"

    @property
    def log(self) -> Path:
        """What the supervisor itself has to say; empty if all is well."""
        return self.directory / "supervisor.log"

    @property
    def key(self) -> Path:
        """The private key that opens every host."""
        return self.directory / "id_ed25519"

    @property
    def known_hosts(self) -> Path:
        """The host keys, made before the hosts."""
        return self.directory / "known_hosts"

    @property
    def ssh_config(self) -> Path:
        """For `ssh -F`."""
        return self.directory / "ssh_config"

    @property
    def inventory(self) -> Path:
        """The Ansible inventory."""
        return self.directory / "inventory" / "hosts.yml"

    @property
    def disks(self) -> Path:
        """Where the supervisor, alone, sees the hosts' disks and roots."""
        return self.directory / "disks"

    def host(self, name: str) -> Path:
        """Files about one host: its console, its keys, and `run`, which it sees as /run/lab."""
        return self.directory / "hosts" / name
