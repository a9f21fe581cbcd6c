"""A host that can be restarted: what it says of itself, and when it does not answer."""

import re
from dataclasses import dataclass, field

from rollout.errors import HostUnreachable
from rollout.gates import _acting
from rollout.gates._fingerprint_script import END
from rollout.model.seams import Connection, Ran, Subject
from rollout.ssh.testing import FakeConnection

CLEAR = "init systemd\ncount 130\nuser 0\nend-of-guests\n"
BEGUN = Ran(0, f"{CLEAR}begun\n", "")
LINKS = (
    "nics eth0\t driver=ixgbe bus=0000:3b:00.0/0 mac=3c:fd:fe:00:00:01 assigned=0 state=up mtu=1500",
    "raw-addresses 2: eth0    inet 10.0.0.2/24 scope global eth0",
    "raw-rules ipv4 0:\tfrom all lookup local",
)
ROUTES = ("raw-routes default via 10.0.0.1 dev eth0 ", "raw-routes 10.9.0.0/16 via 10.0.0.9 dev eth0")
READ = ("read nics sysfs", "read addresses ip", "read routes ip", "read rules ip", END)


@dataclass
class Machine(FakeConnection):
    """`after` is what its network is once it was acted on, look by look; the last stays. `silent`: connections that fail then."""

    after: list[tuple[str, ...]] = field(default_factory=lambda: [(*LINKS, *ROUTES)])
    silent: int = 2
    boots: bool = True
    uptime: float = 1.0
    act: Ran | Exception = BEGUN
    ended: str = "0\nend-of-restart\n"
    managers: str = "unit systemd-networkd\nend-of-managers\n"
    acted: list[str] = field(default_factory=list)

    def connect(self) -> Connection:
        if self.acted and self.silent:
            self.silent -= 1
            raise HostUnreachable("web1: no answer")
        return self

    def run(self, command: str, timeout: float = 30.0) -> Ran:
        del timeout
        if f"echo {END}" in command:
            lines: tuple[str, ...] = (*LINKS, *ROUTES)
            if self.acted:
                lines = self.after.pop(0) if len(self.after) > 1 else self.after[0]
            return Ran(0, "\n".join([*lines, *READ, ""]), "")
        if command == _acting.BOOT:
            booted = bool(self.acted) and self.boots
            uptime = self.uptime if booted else 5000.0
            return Ran(0, f"boot_id {int(booted)}aaa-bbb\nuptime {uptime}\nend-of-boot\n", "")
        if "end-of-managers" in command:
            return Ran(0, self.managers, "")
        if "end-of-restart" in command:
            return Ran(0, self.ended, "")
        found = re.search(r"act=(.*)", command)
        assert found, command
        if not (isinstance(self.act, Ran) and "refused" in self.act.out):
            self.acted.append(command)
        if isinstance(self.act, Exception):
            raise self.act
        return self.act

    def subject(self, timeout: float = 4.0) -> Subject:
        """The host as a gate is given it."""
        return Subject("web1", "c", {}, {}, connect=self.connect, timeout=timeout, run="r1")

    def __post_init__(self) -> None:
        super().__init__({})
