"""How the programs that build trees run: they die with us and leave nothing."""

import os
import subprocess
from collections.abc import Sequence

from rollout.errors import LabError

# Such a program sees its own processes alone, and its mounts are gone when it ends, however it ends.
_APART = (
    *("setpriv", "--pdeathsig", "KILL", "unshare", "--pid", "--fork", "--kill-child"),
    *("--mount", "--mount-proc", "--ipc", "--"),
)


def run(command: Sequence[str], failure: str, environment: dict[str, str] | None = None) -> None:
    """Run to the end; a LabError that begins with `failure` and ends with the program's last words."""
    done = subprocess.run(
        [*_APART, *command],
        env={**os.environ, **(environment or {})},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if done.returncode:
        last = [line.strip() for line in done.stdout.splitlines() if line.strip()][-3:]
        raise LabError(f"{failure}: {' / '.join(last) or f'exit code {done.returncode}'}")
