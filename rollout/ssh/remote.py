"""A connection by paramiko: never multiplexed, host key checked before anything is said, closed to the last thread."""

import logging
import select
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from types import TracebackType
from typing import Self

import paramiko

from rollout.errors import HostUnreachable
from rollout.model.seams import Ran
from rollout.ssh.authentication import log_in
from rollout.ssh.become import Become, run_as
from rollout.ssh.deadline import Deadline
from rollout.ssh.dial import dial, reason
from rollout.ssh.endpoint import Endpoint, resolve
from rollout.ssh.host_key import agree_on_key
from rollout.ssh.inventory import Access
from rollout.ssh.output import Stream
from rollout.ssh.printable import printable

CONNECT_TIME = 30.0
"""Seconds for a whole connection: every hop, its key exchange and its authentication."""

KEEP_ALIVE = 10
"""Seconds of silence after which a sign of life is sent, so that no firewall forgets the connection."""

GRACE = 1.0
"""Seconds after a command's time, when the connection itself is ended."""

NO_CODE = -1
CHUNK = 65_536

# paramiko reports on its own threads what it raises in ours as well
logging.getLogger("paramiko").setLevel(logging.CRITICAL + 1)


def open_remote(access: Access) -> "RemoteConnection":
    """Connect and log in. Raises the kinds of SshError that `rollout.ssh.connect` names."""
    endpoint = resolve(access.host, access.address, access.arguments)
    deadline = Deadline(access.host, CONNECT_TIME)
    with ExitStack() as opened:
        transport = _open(access, endpoint, deadline, opened)
        become = None if access.become and access.become.user == endpoint.user else access.become
        return RemoteConnection(access.host, transport, become, opened.pop_all())


def log_in_and_out(access: Access, endpoint: Endpoint, within: float, *, last: bool) -> None:
    """Prove that the endpoint lets us in. `last`: it is the host itself and no jump host. Raises as `open_remote` does."""
    with ExitStack() as opened:
        _open(access, endpoint, Deadline(access.host, within), opened, last=last)


def _open(
    access: Access, endpoint: Endpoint, deadline: Deadline, opened: ExitStack, last: bool = True
) -> paramiko.Transport:
    via = _open(access, endpoint.via, deadline, opened, last=False) if endpoint.via else None
    sock, complaint = dial(access, endpoint, via, deadline, opened)
    transport = paramiko.Transport(sock)
    opened.callback(_close, transport)
    agree_on_key(access.host, endpoint, transport, deadline, complaint)
    log_in(access.host, endpoint, transport, deadline, access.password if last else None)
    transport.set_keepalive(KEEP_ALIVE)
    return transport


def _close(transport: paramiko.Transport) -> None:
    transport.close()
    if transport.ident is not None:
        transport.join(5.0)  # close() itself does not wait for the thread, and the thread holds the socket


class RemoteConnection:
    """A logged-in connection. `opened` closes everything that it stands on, jump hosts last."""

    def __init__(
        self, host: str, transport: paramiko.Transport, become: Become | None, opened: ExitStack
    ) -> None:
        self._host = host
        self._transport = transport
        self._become = become
        self._opened = opened

    def run(self, command: str, timeout: float = 30.0) -> Ran:
        """Run a POSIX shell script, as root if the inventory says `ansible_become`; its standard input is empty.

        A code of -1 means that a signal ended it. Raises HostUnreachable when there is no answer within `timeout` seconds
        (the command may then still be running, and the connection may be of no more use) or when the connection breaks.
        """
        return run_as(self._host, command, self._become, lambda line, stdin: self._run(line, stdin, timeout))

    def _run(self, line: str, stdin: bytes, timeout: float) -> Ran:
        deadline = Deadline(self._host, timeout, "the command gave no answer")
        try:
            with _ended_after(self._transport, timeout + GRACE):
                code, out, err = _execute(self._transport, line, stdin, deadline)
        except TimeoutError as error:
            raise deadline.missed() from error
        except (paramiko.SSHException, OSError, EOFError) as error:
            deadline.left()
            message = f"{printable(self._host)}: the connection broke while a command ran: {reason(error)}"
            raise HostUnreachable(message) from error
        if code == NO_CODE and not self._transport.is_active():
            raise HostUnreachable(f"{printable(self._host)}: the connection broke while a command ran")
        return Ran(code, out.text(), err.text())

    def __enter__(self) -> Self:
        """Nothing more: the connection is open already."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None:
        """Close it, and every jump host's."""
        self._opened.close()


@contextmanager
def _ended_after(transport: paramiko.Transport, seconds: float) -> Iterator[None]:
    # Some of paramiko's waits know no time-out (the answer to `exec` is one): a host that freezes there would hold us for ever.
    timer = threading.Timer(seconds, transport.close)
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        timer.join()


def _execute(
    transport: paramiko.Transport, line: str, stdin: bytes, deadline: Deadline
) -> tuple[int, Stream, Stream]:
    with transport.open_session(timeout=deadline.left()) as channel:
        channel.settimeout(deadline.left())
        channel.exec_command(line)
        channel.sendall(stdin)
        channel.shutdown_write()
        out, err = _drain(channel, deadline)
        while not channel.exit_status_ready() and transport.is_active():
            channel.status_event.wait(min(deadline.left(), 1.0))
        return (channel.recv_exit_status() if channel.exit_status_ready() else NO_CODE), out, err


def _drain(channel: paramiko.Channel, deadline: Deadline) -> tuple[Stream, Stream]:
    # Both streams share the channel's window: one that is left unread would stop the other.
    out, err = Stream(), Stream()
    while True:
        ended = channel.eof_received or channel.closed
        if channel.recv_ready():
            out.add(channel.recv(CHUNK))
        elif channel.recv_stderr_ready():
            err.add(channel.recv_stderr(CHUNK))
        elif ended:
            return out, err
        else:
            select.select([channel], [], [], min(deadline.left(), 1.0))
