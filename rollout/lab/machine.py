"""One host and its power: what a server's hardware, firmware and management controller do together."""

import signal
import subprocess
import threading
import time
from contextlib import suppress
from typing import Any

from rollout.errors import LabError
from rollout.lab import faults
from rollout.lab.faults import Fault
from rollout.lab.light import Host, Light, inside
from rollout.lab.places import Places

# Firmware is never instant: long enough for a client to notice that the host was away.
_FIRMWARE_SECONDS = 0.7
_GLANCE_SECONDS = 0.04


class Machine:
    """A host that is switched on and off; `flags` is the directory that it sees as /run/lab.

    One thread lives its life (`live`); others change what it looks at, under `_changed`. States: `off`, `booting`, `up`
    (sshd has begun to listen in this boot), `stuck` (the fault never-back), `failed` (its init ended by itself).
    """

    def __init__(self, host: Host, engine: Light, places: Places) -> None:
        self.host = host
        self.flags = places.host(host.name) / "run"
        self.state = "off"
        self.boots = 0
        self.faults: dict[str, Fault] = {}
        self._engine = engine
        self._changed = threading.Condition(threading.RLock())
        self._powered = True
        self._cut = False  # this boot ends because we took its power
        self._process: subprocess.Popen[bytes] | None = None

    def live(self) -> None:
        """Boot whenever there is power and nothing forbids it, for ever; the supervisor's end ends it."""
        while True:
            with self._changed:
                while not self._may_boot():
                    self._changed.wait()
                self._pass_firmware()
                if not self._may_boot():
                    continue
                process = self._begin_boot()
            self._watch(process)
            code = process.wait()
            with self._changed:
                self._end_boot(code)

    def _may_boot(self) -> bool:
        barred = self._struck("never-back") and self.boots > 0
        if self.state != "failed":
            self.state = "stuck" if self._powered and barred else "off"
        return self._powered and not barred

    def _pass_firmware(self) -> None:
        """Wait as long as the hardware takes, less if the power goes or a slow boot is cleared."""
        began = time.monotonic()
        self.state = "booting"
        while self._powered and (left := began + self._firmware_seconds() - time.monotonic()) > 0:
            self._changed.wait(left)

    def _firmware_seconds(self) -> float:
        if not self.boots:
            return 0.0
        return _FIRMWARE_SECONDS + (self.faults["slow-boot"].seconds if self._struck("slow-boot") else 0.0)

    def _begin_boot(self) -> subprocess.Popen[bytes]:
        over = [name for name, fault in self.faults.items() if fault.struck and not faults.kind(name).lasts]
        for name in over:
            del self.faults[name]
        self.boots += 1
        self.state = "booting"
        self._process = self._engine.start(self.host, linked=not self._struck("link-cut"))
        return self._process

    def _watch(self, process: subprocess.Popen[bytes]) -> None:
        """Wait until sshd listens, by the host's own word: a knock before that would leave a stale neighbour behind."""
        while process.poll() is None:
            if (self.flags / "listening").exists():
                with self._changed:
                    self.state = "up"
                    if (
                        not self._cut
                    ):  # a cable that was pulled or plugged in meanwhile may not have been there yet
                        self.link(up=not self._struck("link-cut"))
                return
            with suppress(subprocess.TimeoutExpired):
                process.wait(_GLANCE_SECONDS)

    def _end_boot(self, code: int) -> None:
        """Read what reboot(2) asked for from the signal that ended the init: see reboot(2), PID namespaces."""
        self._process = None
        cut, self._cut = self._cut, False
        self.state = "off"
        if code == -signal.SIGINT:
            self._powered = False
        elif code != -signal.SIGHUP and not cut:
            self._powered = False
            self.state = "failed"

    def power_off(self) -> None:
        """Cut the power: the other end of its connections is not told."""
        with self._changed:
            self._powered = False
            self._cut_power()

    def power_on(self) -> None:
        """Give power; nothing if it has some."""
        with self._changed:
            self._powered = True
            if self.state == "failed":
                self.state = "off"
            self._changed.notify_all()

    def power_cycle(self) -> None:
        """Cut the power for a moment."""
        with self._changed:
            self._cut_power()
            self.power_on()

    def _cut_power(self) -> None:
        if self._process is not None:
            self._cut = True
            self._engine.link(self.host, up=False)
            # Each process at once: the end of the init alone would leave the others some moments, and dpkg needs no more.
            self._engine.signal(self._process, signal.SIGKILL)
            self._process.kill()
        self._changed.notify_all()

    def strike(self, fault: Fault) -> None:
        """Set a fault, at once or when its time comes; one that is set already begins anew."""
        with self._changed:
            if fault.kind in self.faults:
                self.lift(fault.kind)
            if fault.during and any(other.during and not other.struck for other in self.faults.values()):
                raise LabError(f"{self.host.name} has a fault already that waits for {fault.during}")
            self.faults[fault.kind] = fault
            if fault.during:
                (self.flags / "armed").touch()
            if fault.during or fault.after:
                threading.Thread(target=self._strike_later, args=(fault,), daemon=True).start()
            else:
                self._strike_now(fault)

    def _strike_now(self, fault: Fault) -> None:
        fault.struck = True
        faults.kind(fault.kind).strike(self)
        self._changed.notify_all()

    def _strike_later(self, fault: Fault) -> None:
        if fault.during:
            while not (self.flags / "reached").exists():
                if fault.lifted.wait(_GLANCE_SECONDS):
                    return
        fault.lifted.wait(fault.after)
        with self._changed:
            if not fault.lifted.is_set():
                self._strike_now(fault)
                if fault.during:
                    self._disarm()

    def _disarm(self) -> None:
        for flag in ("armed", "reached"):
            (self.flags / flag).unlink(missing_ok=True)

    def lift(self, name: str) -> None:
        """Undo a fault; LabError if the host has none of that kind."""
        with self._changed:
            fault = self.faults.pop(name, None)
            if fault is None:
                raise LabError(f"{self.host.name} has no fault {name}")
            fault.lifted.set()
            if fault.struck:
                faults.kind(name).lift(self)
            elif fault.during:
                self._disarm()
            self._changed.notify_all()

    def _struck(self, name: str) -> bool:
        return name in self.faults and self.faults[name].struck

    def signal(self, number: signal.Signals, name: str = "") -> None:
        """Signal the host's processes, or those whose name begins so."""
        if self._process is not None:
            self._engine.signal(self._process, number, name)

    def link(self, *, up: bool) -> None:
        """Plug or pull the cable."""
        self._engine.link(self.host, up=up)

    def fill_disk(self, *, full: bool) -> None:
        """Take all the room on the disk, or give it back."""
        self._engine.fill_disk(self.host, full=full)

    def start_sshd(self) -> None:
        """Start sshd from the console, without a look at how that ends."""
        if self._process is not None:
            whole = [*inside(self._process.pid), *self._engine.start_sshd]
            subprocess.run(whole, stdin=subprocess.DEVNULL, capture_output=True, check=False)

    def report(self) -> dict[str, Any]:
        """What `status` says of the host."""
        with self._changed:
            return {
                "name": self.host.name,
                "state": self.state,
                "boots": self.boots,
                "pid": self._process.pid if self._process else None,
                "faults": [str(fault) for fault in self.faults.values()],
            }
