"""The key exchange, and the one question that matters in it, whether this is the host that we know."""

from contextlib import suppress

import paramiko

from rollout.errors import HostKeyRefused, HostUnreachable
from rollout.ssh.deadline import Deadline
from rollout.ssh.dial import Complaint, reason
from rollout.ssh.endpoint import Endpoint
from rollout.ssh.known_hosts import look_up
from rollout.ssh.printable import printable

RSA_SIGNATURES = ("rsa-sha2-512", "rsa-sha2-256")
"""What a key of type ssh-rsa signs with; SHA-1 is not taken."""


def agree_on_key(
    host: str, endpoint: Endpoint, transport: paramiko.Transport, deadline: Deadline, complaint: Complaint
) -> None:
    """Exchange keys; nothing has been said to the host before its key is known to be right.

    Raises HostKeyRefused for a key that is unknown, changed or revoked; HostUnreachable when no key is shown.
    """
    known = look_up(endpoint.known_hosts, endpoint.names)
    security = transport.get_security_options()
    first = [name for key in known.algorithms for name in (RSA_SIGNATURES if key == "ssh-rsa" else (key,))]
    offered = [name for name in security.key_types if name != "ssh-rsa"]
    security.key_types = (
        *(name for name in first if name in offered),
        *(n for n in offered if n not in first),
    )
    left = deadline.left()
    transport.banner_timeout = transport.handshake_timeout = left + 1  # later than start_client's own
    try:
        transport.start_client(timeout=left)
    except (paramiko.SSHException, OSError, EOFError) as error:
        deadline.left()
        message = f"{printable(host)}: {endpoint} does not speak SSH with us: {complaint() or reason(error)}"
        raise HostUnreachable(message) from error
    with suppress(paramiko.SSHException):  # raised when the time was over before a key was shown
        key = transport.get_remote_server_key()
        refusal = known.refusal(key.get_name(), key.asbytes())
        if refusal is not None:
            name = printable(host)
            where = "" if endpoint.address == host else f" ({printable(endpoint.names[0])})"
            raise HostKeyRefused(f"{name}{where} {refusal}")
        return
    raise deadline.missed()
