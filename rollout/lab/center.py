"""The data centre as its user sees it."""

import fcntl
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from rollout.errors import LabError
from rollout.lab import leftovers, light, needs, papers, systemd, trees, wire
from rollout.lab.faults import SLOW_SECONDS
from rollout.lab.places import Places
from rollout.lab.spec import HostSpec, check_hosts, default_hosts

DEFAULT_DIRECTORY = Path(".rollout/lab")
# All that a lab writes in its directory, besides its lock. The description is written first and removed last:
# without it, an `inventory` is somebody else's.
_OURS = (
    *("supervisor.sock", "supervisor.log", "hosts", "disks"),
    *("inventory", "known_hosts", "ssh_config", "id_ed25519", "id_ed25519.pub"),
    "lab.json",
)

_UNSEEN = 2.0
"""Seconds: a process that is just becoming another program shows no environment, on a busy machine for more than a moment."""


@dataclass(frozen=True, slots=True)
class HostStatus:
    """A host as its supervisor sees it; `state` is one of off, booting, up, stuck, failed (see Machine)."""

    name: str
    address: str
    state: str
    boots: int
    pid: int | None
    faults: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class LabStatus:
    """A running lab; without `fakes_kernels`, `uname -r` on hosts is the machine's own."""

    pid: int
    fakes_kernels: bool
    hosts: tuple[HostStatus, ...]


class Lab:
    """One virtual data centre, all of it under one directory; any process may make this object for a running lab."""

    def __init__(self, directory: Path | str = DEFAULT_DIRECTORY) -> None:
        self.places = Places.of(directory)

    @property
    def inventory(self) -> Path:
        """The Ansible inventory of the hosts."""
        return self.places.inventory

    def up(
        self,
        hosts: int | Sequence[HostSpec],
        *,
        engine: Literal["light", "systemd"] = "light",
        say: Callable[[str], None] = lambda _: None,
        patience: float = 60.0,
    ) -> LabStatus:
        """Start a lab and wait until sshd listens on every host, `patience` seconds at most; what is left of a killed one goes first."""
        specs = default_hosts(hosts) if isinstance(hosts, int) else list(hosts)
        check_hosts(specs, trees.installable(engine))
        needs.check(engine, len(specs))
        with self._locked():
            if self._answers():
                raise LabError(f"a lab already runs in {self.places.directory}: rollout lab down ends it")
            self._clean()
            shared = trees.ensure(say, engine, {host.os_release for host in specs})
            self._describe(specs, shared, engine)
            papers.write(self.places, specs)
            try:
                self._start_supervisor()
                return self._wait_until_up(patience)
            except BaseException:
                leftovers.end(self.places)
                raise

    def down(self) -> bool:
        """End the lab and remove what it wrote; False if there was none. Works after a kill -9 of anything."""
        if not self.places.directory.exists() and not leftovers.processes(self.places):
            return False
        with self._locked():
            there = self.places.description.exists() or bool(leftovers.processes(self.places))
            self._clean()
            self.places.lock.unlink()
        if not any(self.places.directory.iterdir()):
            self.places.directory.rmdir()
        return there

    def status(self) -> LabStatus:
        """The hosts now; LabError if no lab runs here."""
        answer = wire.ask(self.places, "status")
        hosts = (HostStatus(**{**host, "faults": tuple(host["faults"])}) for host in answer["hosts"])
        return LabStatus(answer["pid"], answer["fakes_kernels"], tuple(hosts))

    def host(self, name: str) -> HostStatus:
        """One host now."""
        for host in self.status().hosts:
            if host.name == name:
                return host
        raise LabError(f"the lab in {self.places.directory} has no host {name!r}")

    def inside(self, command: Sequence[str]) -> list[str]:
        """The command line that runs a command of this machine inside the control network, where the hosts answer.

        Only the network differs. The command replaces the wrapper: the process that you start is the command itself.
        """
        return ["nsenter", f"--net=/proc/{self.status().pid}/ns/net", "--", *command]

    def on(self, host: str, command: Sequence[str]) -> list[str]:
        """The command line that runs a command on a host through its console, not its network."""
        status = self.host(host)
        if status.pid is None:
            raise LabError(f"{host} is {status.state}: nothing runs there")
        return [*light.inside(status.pid), *command]

    def run(
        self, host: str, command: Sequence[str], *, timeout: float | None = 60.0
    ) -> subprocess.CompletedProcess[str]:
        """Run a command on a host through its console and capture what it says, whatever its exit code."""
        return subprocess.run(
            self.on(host, command),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )

    def console(self, host: str) -> str:
        """Everything that the host has said on its console."""
        self.host(host)
        return (self.places.host(host) / "console.log").read_text(errors="replace")

    def fault(
        self,
        host: str,
        kind: str,
        *,
        after: float = 0.0,
        during: Literal["dpkg"] | None = None,
        seconds: float = SLOW_SECONDS,
    ) -> None:
        """Set a fault: at once, `after` seconds, or `during` the next dpkg run; `seconds` is how slow a slow boot is."""
        wire.ask(self.places, "fault", host=host, name=kind, after=after, during=during, seconds=seconds)

    def clear(self, host: str, kind: str) -> None:
        """Undo a fault; a host that it kept from booting boots."""
        wire.ask(self.places, "clear", host=host, name=kind)

    def power(self, host: str, action: Literal["on", "off", "cycle"]) -> None:
        """Use the host's power switch."""
        wire.ask(self.places, "power", host=host, action=action)

    def _answers(self) -> bool:
        try:
            self.status()
        except LabError:
            return False
        return True

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Keep a second `up` or `down` out; refuse a directory with files that are not a lab's."""
        self.places.directory.mkdir(parents=True, exist_ok=True)
        ours = {self.places.lock.name, *(_OURS if self.places.description.exists() else ())}
        strange = sorted({path.name for path in self.places.directory.iterdir()} - ours)
        if strange:
            raise LabError(
                f"{self.places.directory} holds what is not a lab's ({strange[0]}): give the lab a directory of its own"
            )
        with self.places.lock.open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise LabError(
                    f"another command is starting or ending the lab in {self.places.directory}"
                ) from error
            yield

    def _clean(self) -> None:
        leftovers.end(self.places)
        systemd.remove_groups(self.places)
        for name in _OURS:
            path = self.places.directory / name
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)

    def _describe(self, hosts: Sequence[HostSpec], shared: trees.Trees, engine: str) -> None:
        listed = [{"name": host.name, "release": host.os_release, "guests": host.guests} for host in hosts]
        self.places.description.write_text(
            json.dumps(
                {"engine": engine, "base": str(shared.base), "kit": str(shared.kit), "hosts": listed},
                indent=1,
            )
        )

    def _start_supervisor(self) -> None:
        mark, _, value = self.places.mark.partition("=")
        package = str(Path(__file__).parents[2])
        paths = [package, *filter(None, [os.environ.get("PYTHONPATH")])]
        with self.places.log.open("wb") as log:
            subprocess.run(
                [
                    # Forked once more, it is nobody's child: whoever started the lab need not wait for it.
                    *("setsid", "--fork", "unshare", "--net", "--mount", "--propagation", "private"),
                    *(sys.executable, "-m", "rollout.lab.supervisor", str(self.places.directory)),
                ],
                env={**os.environ, mark: value, "PYTHONPATH": os.pathsep.join(paths)},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                check=True,
            )
        seen = time.monotonic()
        while not self._answers():
            if leftovers.processes(self.places):
                seen = time.monotonic()
            elif time.monotonic() - seen > _UNSEEN:
                raise LabError(f"the lab's supervisor did not start: {_last_line(self.places.log)}")
            time.sleep(0.02)

    def _wait_until_up(self, patience: float) -> LabStatus:
        deadline = time.monotonic() + patience
        while True:
            status = self.status()
            for host in status.hosts:
                if host.state == "failed":
                    raise LabError(
                        f"{host.name} did not boot: {_last_line(self.places.host(host.name) / 'console.log')}"
                    )
            late = [host.name for host in status.hosts if host.state != "up"]
            if not late:
                return status
            if time.monotonic() > deadline:
                raise LabError(f"no SSH after {patience:g} s from {', '.join(late)}")
            time.sleep(0.05)


def _last_line(path: Path) -> str:
    lines = path.read_text(errors="replace").split("\n") if path.exists() else []
    said = [
        line.strip() for line in lines if line.strip() and "dmesg(1)" not in line
    ]  # mount's advice is no cause
    return said[-1] if said else "it said nothing"
