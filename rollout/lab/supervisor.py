"""The one process that holds a lab: `python -m rollout.lab.supervisor DIRECTORY`, in namespaces of its own.

Its network namespace is the control network and its mount namespace has the hosts' disks, so that its death, of whatever
kind, takes the whole lab away: hosts (PR_SET_PDEATHSIG), bridge, cables and mounts.
"""

import json
import os
import signal
import socketserver
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rollout.errors import LabError
from rollout.lab.faults import Fault, kind
from rollout.lab.light import Host, Light
from rollout.lab.machine import Machine
from rollout.lab.places import Places
from rollout.lab.systemd import Systemd
from rollout.lab.trees import Trees
from rollout.lab.wire import address

ENGINES: dict[str, type[Light]] = {kind.engine: kind for kind in (Light, Systemd)}


class Supervisor:
    """The machines of one lab and what can be asked of them; every answer is a JSON object."""

    def __init__(self, places: Places, machines: list[Machine], *, fakes_kernels: bool) -> None:
        self._machines = {machine.host.name: machine for machine in machines}
        self._fakes_kernels = fakes_kernels
        self._places = places
        self._requests: dict[str, Callable[..., dict[str, Any]]] = {
            "status": self._status,
            "fault": self._fault,
            "clear": self._clear,
            "power": self._power,
        }

    def answer(self, request: dict[str, Any]) -> dict[str, Any]:
        """Carry out one request; refusals are answers too."""
        try:
            return self._requests[request.pop("do")](**request)
        except LabError as error:
            return {"refused": str(error)}

    def _machine(self, host: str) -> Machine:
        if host not in self._machines:
            raise LabError(f"the lab has no host {host!r}; it has {', '.join(self._machines)}")
        return self._machines[host]

    def _status(self) -> dict[str, Any]:
        return {
            "pid": os.getpid(),
            "fakes_kernels": self._fakes_kernels,
            "hosts": [
                {**machine.report(), "address": str(self._places.address(machine.host.index))}
                for machine in self._machines.values()
            ],
        }

    def _fault(self, host: str, name: str, **settings: Any) -> dict[str, Any]:
        kind(name)
        self._machine(host).strike(Fault(name, **settings))
        return {}

    def _clear(self, host: str, name: str) -> dict[str, Any]:
        self._machine(host).lift(name)
        return {}

    def _power(self, host: str, action: str) -> dict[str, Any]:
        machine = self._machine(host)
        {"on": machine.power_on, "off": machine.power_off, "cycle": machine.power_cycle}[action]()
        return {}


class _Requests(socketserver.StreamRequestHandler):
    """One connection: a line in, a line out, until the other end closes."""

    def handle(self) -> None:
        assert isinstance(self.server, _Server)  # noqa: S101  # tells the type checker what the only user is
        for line in self.rfile:
            self.wfile.write(json.dumps(self.server.supervisor.answer(json.loads(line))).encode() + b"\n")


class _Server(socketserver.ThreadingUnixStreamServer):
    daemon_threads = True
    request_queue_size = 64
    supervisor: Supervisor


def main(directory: str) -> None:
    """Hold the lab that `lab.json` describes until told to end."""
    # Whoever started us may ignore these; hosts inherit that, and reboot(2) could not say restart or off.
    for number in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)
    os.umask(0o022)
    places = Places(Path(directory))
    description = json.loads(places.description.read_text())
    trees = Trees(Path(description["base"]), Path(description["kit"]))
    trees.hold()
    # A lab that was described before there were two engines is a light one.
    engine = ENGINES[description.get("engine", "light")](places, trees)
    engine.lay_ground()
    machines = []
    for index, host in enumerate(description["hosts"]):
        machine = Machine(Host(host["name"], index, host["release"], tuple(host["guests"])), engine, places)
        engine.lay_disk(machine.host)
        machines.append(machine)
        threading.Thread(target=machine.live, name=machine.host.name, daemon=True).start()
    with address(places) as path, _Server(path, _Requests) as server:
        server.supervisor = Supervisor(places, machines, fakes_kernels=trees.fakes_kernels)
        server.serve_forever()


if __name__ == "__main__":
    main(sys.argv[1])
