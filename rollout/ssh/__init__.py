"""One fresh, strict SSH connection to a host, made from what the inventory and ssh_config say.

Importing this room costs nothing: paramiko is loaded by the first connection.
"""

from collections.abc import Mapping
from typing import Any

from rollout.model.seams import Connection


def connect(host: str, variables: Mapping[str, Any]) -> Connection:
    """Open a connection to an inventory host; the caller closes it with a `with` block.

    `variables` are the host's resolved variables; `ansible_connection: local` runs commands on this machine.
    Raises HostUnreachable with the cause, HostKeyRefused, SshUnsupported, or SshError when `ssh` is not installed.
    """
    from rollout.ssh.inventory import read  # noqa: PLC0415  `status` imports this room and must stay cheap

    access = read(host, variables)
    if access.local:
        from rollout.ssh.local import LocalConnection  # noqa: PLC0415  as above

        return LocalConnection(access)
    from rollout.ssh.remote import open_remote  # noqa: PLC0415  paramiko costs 190 ms CPU

    return open_remote(access)
