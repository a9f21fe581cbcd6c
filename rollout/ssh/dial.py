"""The stream of bytes to a host: a socket, a channel through a jump host, or a proxy command."""

import socket
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

import paramiko

from rollout.errors import HostUnreachable
from rollout.ssh.deadline import Deadline
from rollout.ssh.endpoint import Endpoint
from rollout.ssh.inventory import Access
from rollout.ssh.printable import printable
from rollout.ssh.proxy_command import through_command

Stream = Any
"""What paramiko.Transport takes: a socket or a paramiko Channel, which has the same methods."""

Complaint = Callable[[], str]
"""What the way there has said so far about going wrong; empty when it says nothing."""


def dial(
    access: Access, endpoint: Endpoint, via: paramiko.Transport | None, deadline: Deadline, opened: ExitStack
) -> tuple[Stream, Complaint]:
    """Reach the endpoint; `opened` closes what was opened. Raises HostUnreachable with the cause."""
    if endpoint.proxy_command is not None:
        return through_command(endpoint.proxy_command, opened)
    wait = min(deadline.left(), endpoint.connect_timeout or access.timeout or 10.0)
    if via is not None:
        return _through_jump_host(access.host, endpoint, via, wait), str
    return _straight(access.host, endpoint, wait, opened), str


def reason(error: BaseException) -> str:
    """What went wrong, in the words of whoever said it."""
    if isinstance(error, TimeoutError):
        return "it timed out"
    if isinstance(error, EOFError):
        return "the other side closed it"
    if isinstance(error, OSError) and error.strerror:
        return printable(error.strerror)
    return printable(str(error)) or type(error).__name__


def _straight(host: str, endpoint: Endpoint, wait: float, opened: ExitStack) -> socket.socket:
    try:
        found = socket.getaddrinfo(endpoint.address, endpoint.port, endpoint.family, socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        message = (
            f"{printable(host)}: the name {printable(endpoint.address)} cannot be looked up: {reason(error)}"
        )
        raise HostUnreachable(message) from error
    failure: OSError | None = None
    for family, kind, protocol, _, address in found:
        sock = socket.socket(family, kind, protocol)
        try:
            sock.settimeout(wait)
            if endpoint.bind_address:
                sock.bind((endpoint.bind_address, 0))
            sock.connect(address)
        except OSError as error:
            sock.close()
            failure = error
        else:
            opened.callback(sock.close)
            return sock
    cause = failure or OSError("it has no address")
    why = f"no answer within {wait:g} s" if isinstance(cause, TimeoutError) else reason(cause)
    where = printable(f"{endpoint.address} port {endpoint.port}")
    raise HostUnreachable(f"{printable(host)}: cannot connect to {where}: {why}") from cause


def _through_jump_host(host: str, endpoint: Endpoint, via: paramiko.Transport, wait: float) -> Stream:
    try:
        return via.open_channel(
            "direct-tcpip", (endpoint.address, endpoint.port), ("127.0.0.1", 0), timeout=wait
        )
    except (paramiko.SSHException, OSError, EOFError) as error:
        where = printable(f"{endpoint.address} port {endpoint.port}")
        message = (
            f"{printable(host)}: the jump host {endpoint.via} cannot connect to {where}: {reason(error)}"
        )
        raise HostUnreachable(message) from error
