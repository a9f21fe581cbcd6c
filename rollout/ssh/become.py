"""Running a command through sudo, as `ansible_become` asks for it."""

import re
import secrets
import shlex
from collections.abc import Callable
from dataclasses import dataclass, field

from rollout.errors import HostUnreachable
from rollout.model.seams import Ran
from rollout.ssh.printable import printable


@dataclass(frozen=True, slots=True)
class Become:
    """Which user to become, with which sudo; without a password sudo must not ask for one."""

    user: str = "root"
    password: str | None = field(default=None, repr=False)
    sudo: str = "sudo"


Runner = Callable[[str, bytes], Ran]
"""Runs a command line with that standard input."""


def run_as(host: str, command: str, become: Become | None, runner: Runner) -> Ran:
    """Run a POSIX shell script, whatever the login shell is.

    With `become`, a mark on standard error proves that sudo let the script start: what sudo itself says must not be taken
    for the script's answer, and the script must not read the password. Raises HostUnreachable when sudo refused.
    """
    if become is None:
        return runner(f"/bin/sh -c {shlex.quote(command)}", b"")
    mark = f"rollout-{secrets.token_hex(8)}"
    script = f"exec </dev/null\necho {mark} >&2\n{command}"
    ask = ["-n"] if become.password is None else ["-S", "-p", ""]
    words = [become.sudo, "-H", *ask, "-u", become.user, "--", "/bin/sh", "-c", script]
    ran = runner(shlex.join(words), b"" if become.password is None else f"{become.password}\n".encode())
    before, found, after = ran.err.partition(f"{mark}\n")
    if not found:
        said = re.split(r"[\r\n]+", before.strip())[-1] or f"exit code {ran.code}"
        message = f"{printable(host)}: sudo did not become {printable(become.user)}: {printable(said)}"
        raise HostUnreachable(message)
    return Ran(ran.code, ran.out, after)
