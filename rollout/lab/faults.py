"""What can be done to a host on purpose.

A fault *strikes* at once, after some seconds, or when dpkg configures the host's base package. A momentary one (a hang)
is over with the next boot; a lasting one (a cut link) goes on over boots until it is cleared.
"""

import signal
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from rollout.errors import LabError

if TYPE_CHECKING:
    from rollout.lab.machine import Machine

SLOW_SECONDS = 20.0


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of fault; `strike` and `lift` are called with the machine's fault list already changed."""

    says: str
    lasts: bool
    strike: Callable[["Machine"], None]
    lift: Callable[["Machine"], None]


@dataclass(slots=True)
class Fault:
    """A fault set on a host: not struck yet if it waits for `after` seconds or for dpkg."""

    kind: str
    after: float = 0.0
    during: str | None = None
    seconds: float = SLOW_SECONDS
    struck: bool = False
    lifted: threading.Event = field(default_factory=threading.Event)

    def __str__(self) -> str:
        """As `status` shows it."""
        if self.struck:
            return self.kind
        return f"{self.kind} (waits for {self.during or f'{self.after:g} s'})"


def _nothing(_machine: "Machine") -> None:
    pass


def _flag(name: str, *, up: bool) -> Callable[["Machine"], None]:
    """A file that the host's boot or packages look at."""

    def change(machine: "Machine") -> None:
        if up:
            (machine.flags / name).touch()
        else:
            (machine.flags / name).unlink(missing_ok=True)

    return change


KINDS = {
    "never-back": Kind("does not come back from the next reboot or power cycle", True, _nothing, _nothing),
    "hang": Kind(
        "every process freezes",
        False,
        lambda machine: machine.signal(signal.SIGSTOP),
        lambda machine: machine.signal(signal.SIGCONT),
    ),
    "link-cut": Kind(
        "its cable is pulled",
        True,
        lambda machine: machine.link(up=False),
        lambda machine: machine.link(up=True),
    ),
    "sshd-dies": Kind(
        "sshd and all its sessions are killed; what they started runs on",
        False,
        lambda machine: machine.signal(signal.SIGKILL, "sshd"),
        lambda machine: machine.start_sshd(),
    ),
    "upgrade-fails": Kind(
        "the base package of whatever release cannot be configured",
        True,
        _flag("upgrade-fails", up=True),
        _flag("upgrade-fails", up=False),
    ),
    "wrong-os": Kind(
        "boots the release and kernel that it began with",
        True,
        _flag("wrong-os", up=True),
        _flag("wrong-os", up=False),
    ),
    "power-cut": Kind(
        "no power", False, lambda machine: machine.power_off(), lambda machine: machine.power_on()
    ),
    "slow-boot": Kind("boots take longer by some seconds", True, _nothing, _nothing),
    "full-disk": Kind(
        "not a byte of room on its disk",
        True,
        lambda machine: machine.fill_disk(full=True),
        lambda machine: machine.fill_disk(full=False),
    ),
}


def kind(name: str) -> Kind:
    """The kind of that name, or a LabError that lists them."""
    if name not in KINDS:
        raise LabError(f"there is no fault {name!r}; there are {', '.join(KINDS)}")
    return KINDS[name]
