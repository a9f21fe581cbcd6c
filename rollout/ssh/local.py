"""`ansible_connection: local`: the same questions, asked of this machine."""

import os
import pwd
import selectors
import signal
import subprocess
from contextlib import suppress
from types import TracebackType
from typing import Self

from rollout.model.seams import Ran
from rollout.ssh.become import run_as
from rollout.ssh.deadline import Deadline
from rollout.ssh.inventory import Access
from rollout.ssh.output import Stream

CHUNK = 65_536


class LocalConnection:
    """Runs commands on this machine, as our own user or through sudo."""

    def __init__(self, access: Access) -> None:
        self._host = access.host
        same = access.become is not None and access.become.user == pwd.getpwuid(os.getuid()).pw_name
        self._become = None if same else access.become

    def run(self, command: str, timeout: float = 30.0) -> Ran:
        """Run a POSIX shell script with empty standard input; after `timeout` seconds it is killed: HostUnreachable."""
        return run_as(self._host, command, self._become, lambda line, stdin: self._run(line, stdin, timeout))

    def _run(self, line: str, stdin: bytes, timeout: float) -> Ran:
        deadline = Deadline(self._host, timeout, "the command gave no answer")
        with subprocess.Popen(
            ["/bin/sh", "-c", f"exec {line}"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        ) as process:
            try:
                out, err = _drain(process, stdin, deadline)
                try:
                    code = process.wait(deadline.left())
                except subprocess.TimeoutExpired as error:
                    raise deadline.missed() from error
            finally:
                if process.poll() is None:
                    with suppress(ProcessLookupError, PermissionError):
                        os.killpg(process.pid, signal.SIGKILL)
        return Ran(code if code >= 0 else -1, out.text(), err.text())

    def __enter__(self) -> Self:
        """Nothing is open."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None:
        """Nothing is open."""


def _drain(process: "subprocess.Popen[bytes]", stdin: bytes, deadline: Deadline) -> tuple[Stream, Stream]:
    out, err = Stream(), Stream()
    if process.stdin is None or process.stdout is None or process.stderr is None:
        message = "a process without its pipes"
        raise RuntimeError(message)
    with suppress(BrokenPipeError):
        process.stdin.write(stdin)
        process.stdin.close()
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ, out)
        selector.register(process.stderr, selectors.EVENT_READ, err)
        while selector.get_map():
            for ready, _ in selector.select(deadline.left()):
                data = os.read(ready.fd, CHUNK)
                ready.data.add(data)
                if not data:
                    selector.unregister(ready.fileobj)
    return out, err
