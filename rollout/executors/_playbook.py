"""`ansible-playbook`, tied to the life of its supervisor: `python _playbook.py PID-FILE ARGUMENTS`.

The kernel kills it, and each worker that it forks, when the process above dies by kill -9: a playbook that nobody watches
does not go on. What a task has already begun on the host is not reached by that; take-up asks the host.

Nobody is there to answer a question, so none is waited for: `pause` without a time, `vars_prompt` without a default, and the
prompt for a vault's password fail at once; what asks on a terminal by itself finds none.
"""

import ctypes
import fcntl
import gc
import importlib
import inspect
import os
import signal
import sys
import termios
from contextlib import suppress
from pathlib import Path
from typing import Any, NoReturn

PR_SET_PDEATHSIG = 1


def die_with(parent: int) -> None:
    """SIGKILL for us when `parent` dies, also if it already has."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        os.kill(os.getpid(), signal.SIGKILL)


def give_up_terminal() -> None:
    """ansible-runner starts us on one of its own, where a vault's password script, say, would wait for ever."""
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # it comes with the terminal's loss
    with suppress(OSError):
        handle = os.open("/dev/tty", os.O_RDWR | os.O_CLOEXEC)
        fcntl.ioctl(handle, termios.TIOCNOTTY)
        os.close(handle)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)


def refuse_prompts() -> None:
    """Ansible's three ways of asking raise its own error; without a terminal it would go on as if the answer were yes."""
    failure: Any = importlib.import_module("ansible.errors").AnsibleError
    display: Any = importlib.import_module("ansible.utils.display").Display
    until, variable = display.prompt_until, display.do_var_prompt

    def refuse(question: str) -> NoReturn:
        words = f"nobody is there to answer: {' '.join(str(question).split())}"
        raise failure(words)

    def prompt_until(self: Any, msg: str, *given: Any, **named: Any) -> Any:
        if inspect.signature(until).bind(self, msg, *given, **named).arguments.get("seconds") is None:
            refuse(msg)
        return until(self, msg, *given, **named)

    def do_var_prompt(self: Any, varname: str, *given: Any, **named: Any) -> Any:
        asked = inspect.signature(variable).bind(self, varname, *given, **named).arguments
        if asked.get("default") is None:
            refuse(asked.get("prompt") or varname)
        return variable(self, varname, *given, **named)

    display.prompt = staticmethod(lambda msg, private=False: refuse(msg))  # noqa: ARG005  Ansible's signature
    display.prompt_until, display.do_var_prompt = prompt_until, do_var_prompt


def main() -> None:
    """Becomes Ansible within this process, so that the pid in the file is that of its main process."""
    file, supervisor = Path(sys.argv[1]), int(sys.argv[2])
    die_with(supervisor)
    me = os.getpid()

    def tie_worker() -> None:
        if os.getppid() == me:  # its own children are its own affair
            die_with(me)

    give_up_terminal()
    os.register_at_fork(after_in_child=tie_worker)
    # A worker's garbage collector writes to each object that it looks at: its parent's are kept out of it, so that both share them.
    os.register_at_fork(before=gc.freeze, after_in_parent=gc.unfreeze)
    file.write_text(str(me), encoding="ascii")
    playbook = importlib.import_module("ansible.cli.playbook").main  # it takes half a second: be tied first
    refuse_prompts()

    playbook(["ansible-playbook", *sys.argv[3:]])


if __name__ == "__main__":
    main()
