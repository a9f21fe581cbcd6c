"""A ProxyCommand of ssh_config, as the stream to a host."""

import os
import signal
import socket
import subprocess
import tempfile
from collections.abc import Callable
from contextlib import ExitStack, suppress

from rollout.ssh.printable import printable


def through_command(command: str, opened: ExitStack) -> tuple[socket.socket, Callable[[], str]]:
    """Start the command in a session of its own, without a terminal to ask on; `opened` ends it.

    Also returns what gives the last line of its standard error. The stream is a socket pair, since paramiko's own
    ProxyCommand spins for ever when the command ends early.
    """
    ours, theirs = socket.socketpair()
    opened.callback(ours.close)
    words = opened.enter_context(tempfile.TemporaryFile())  # noqa: SIM115  it outlives this function, in `opened`

    def last_words() -> str:
        size = os.fstat(words.fileno()).st_size
        end = os.pread(words.fileno(), 4096, max(0, size - 4096)).decode("utf-8", "replace").strip()
        return printable(end.splitlines()[-1]) if end else ""

    with theirs:
        process = subprocess.Popen(
            ["/bin/sh", "-c", f"exec {command}"],
            stdin=theirs.fileno(),
            stdout=theirs.fileno(),
            stderr=words,
            start_new_session=True,
            env={
                **{name: value for name, value in os.environ.items() if not name.startswith("ROLLOUT_")},
                "SSH_ASKPASS_REQUIRE": "never",
            },
        )
    opened.callback(_end, process)
    return ours, last_words


def _end(process: "subprocess.Popen[bytes]") -> None:
    # The whole session of the command: it may have started others.
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)
    try:
        process.wait(5.0)
    except subprocess.TimeoutExpired:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
