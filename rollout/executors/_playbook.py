"""`ansible-playbook`, tied to the life of its supervisor: `python _playbook.py PID-FILE ARGUMENTS`.

The kernel kills it, and each worker that it forks, when the process above dies by kill -9: a playbook that nobody watches
does not go on. What a task has already begun on the host is not reached by that; take-up asks the host.
"""

import ctypes
import importlib
import os
import signal
import sys
from pathlib import Path

PR_SET_PDEATHSIG = 1


def die_with(parent: int) -> None:
    """SIGKILL for us when `parent` dies, also if it already has."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        os.kill(os.getpid(), signal.SIGKILL)


def main() -> None:
    """Becomes Ansible within this process, so that the pid in the file is that of its main process."""
    file, supervisor = Path(sys.argv[1]), int(sys.argv[2])
    die_with(supervisor)
    me = os.getpid()

    def tie_worker() -> None:
        if os.getppid() == me:  # its own children are its own affair
            die_with(me)

    os.register_at_fork(after_in_child=tie_worker)
    file.write_text(str(me), encoding="ascii")
    playbook = importlib.import_module("ansible.cli.playbook").main  # it takes half a second: be tied first

    playbook(["ansible-playbook", *sys.argv[3:]])


if __name__ == "__main__":
    main()
