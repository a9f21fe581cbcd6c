"""One host and its power: what a server's hardware, firmware and management controller do together."""

import signal
import subprocess
import threading
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
    """A host that is switched on and off.

    One thread lives its life (`live`); others change what it looks at under `_changed`. States: `off`, `booting`, `up`
    (it has greeted over SSH since it booted), `stuck` (the fault never-back), `failed` (its init ended by itself).
    """

    def __init__(self, host: Host, engine: Light, places: Places) -> None:
        self.host = host
        self.run = places.host(host.name) / "run"
        self.state = "off"
        self.boots = 0
        self.faults: dict[str, Fault] = {}
        self._console = places.host(host.name) / "console.log"
        self._engine = engine
        self._changed = threading.Condition(threading.RLock())
        self._powered = True
        self._process: subprocess.Popen[bytes] | None = None

    def live(self) -> None:
        """Boot whenever there is power and nothing forbids it, for ever; the supervisor's end ends it."""
        while True:
            with self._changed:
                while not self._may_boot():
                    self._changed.wait()
                if self._changed.wait_for(lambda: not self._powered, self._firmware_seconds()):
                    continue
                if not self._may_boot():
                    continue
                self._begin_boot()
                process = self._process
            assert process is not None  # noqa: S101  # _begin_boot sets it; no other thread sets it
            self._watch(process)
            code = process.wait()
            with self._changed:
                self._process = None
                self._end_boot(code)

    def _may_boot(self) -> bool:
        if self._powered and self._struck("never-back") and self.boots:
            self.state = "stuck"
            return False
        return self._powered

    def _firmware_seconds(self) -> float:
        if not self.boots:
            return 0.0
        slow = self.faults.get("slow-boot")
        return _FIRMWARE_SECONDS + (slow.seconds if slow and slow.struck else 0.0)

    def _begin_boot(self) -> None:
        self.faults = {name: fault for name, fault in self.faults.items() if self._outlasts_boot(fault)}
        self.boots += 1
        self.state = "booting"
        self._process = self._engine.start(self.host, linked=not self._struck("link-cut"))

    def _outlasts_boot(self, fault: Fault) -> bool:
        return faults.kind(fault.kind).lasts or not fault.struck

    def _watch(self, process: subprocess.Popen[bytes]) -> None:
        """Wait for the first greeting; a host that never greets is booting for ever."""
        while process.poll() is None:
            if self._engine.answers(self.host):
                with self._changed:
                    self.state = "up"
                return
            with suppress(subprocess.TimeoutExpired):
                process.wait(_GLANCE_SECONDS)

    def _end_boot(self, code: int) -> None:
        """Read what reboot(2) asked for from the signal that ended the init: see reboot(2), PID namespaces."""
        self.state = "off"
        if code == -signal.SIGINT:
            self._powered = False
        elif code != -signal.SIGHUP and self._powered and not self._cycling:
            self._powered = False
            self.state = "failed"
        self._cycling = False

    _cycling = False

    def power_off(self) -> None:
        """Cut the power: the other end of its connections is not told."""
        with self._changed:
            self._powered = False
            self._kill()

    def power_on(self) -> None:
        """Give power; nothing if it has some."""
        with self._changed:
            self._powered = True
            self._changed.notify_all()

    def power_cycle(self) -> None:
        """Cut the power for a moment."""
        with self._changed:
            self._cycling = self._process is not None
            self._powered = True
            self._kill()

    def _kill(self) -> None:
        if self._process is not None:
            self._engine.link(self.host, up=False)
            self._process.kill()
        self._changed.notify_all()

    def strike(self, fault: Fault) -> None:
        """Set a fault, at once or when its time comes."""
        kind = faults.kind(fault.kind)
        with self._changed:
            if fault.kind in self.faults:
                self.lift(fault.kind)
            self.faults[fault.kind] = fault
            if fault.after or fault.during:
                threading.Thread(target=self._strike_later, args=(fault,), daemon=True).start()
            else:
                fault.struck = True
                kind.strike(self)

    def _strike_later(self, fault: Fault) -> None:
        if fault.during:
            (self.run / "armed").touch()
            while not (self.run / "reached").exists():
                if fault.lifted.wait(_GLANCE_SECONDS):
                    break
        elif fault.after:
            fault.lifted.wait(fault.after)
        with self._changed:
            if not fault.lifted.is_set():
                fault.struck = True
                faults.kind(fault.kind).strike(self)
            if fault.during:
                for file in ("armed", "reached"):
                    (self.run / file).unlink(missing_ok=True)

    def lift(self, name: str) -> None:
        """Undo a fault; LabError if the host has none of that kind."""
        kind = faults.kind(name)
        with self._changed:
            fault = self.faults.pop(name, None)
            if fault is None:
                raise LabError(f"{self.host.name} has no fault {name}")
            fault.lifted.set()
            if fault.struck:
                kind.lift(self)
            self._changed.notify_all()

    def _struck(self, name: str) -> bool:
        return name in self.faults and self.faults[name].struck

    def signal(self, number: signal.Signals, name: str = "") -> None:
        """Signal the host's processes, or those of that name."""
        if self._process is not None:
            self._engine.signal(self._process, number, name)

    def link(self, *, up: bool) -> None:
        """Plug or pull the cable."""
        self._engine.link(self.host, up=up)

    def fill_disk(self, *, full: bool) -> None:
        """Take all the room on the disk, or give it back."""
        self._engine.fill_disk(self.host, full=full)

    def execute(self, command: list[str]) -> None:
        """Run something inside the host, without a look at how it ends."""
        if self._process is not None:
            subprocess.run(
                [*inside(self._process.pid), *command], stdin=subprocess.DEVNULL, capture_output=True, check=False
            )

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
