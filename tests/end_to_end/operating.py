"""An operator at work: a folder with plans and playbooks, a lab, and commands typed as a user types them."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from rollout.executors._processes import open_process
from rollout.executors._unit import Unit
from rollout.lab import Lab

REPOSITORY = Path(__file__).parents[2]
PROGRAMS = Path(sys.executable).parent
QUICK = (
    "-o",
    "ConnectTimeout=2",
    "-o",
    "ControlPath=none",
    "-o",
    "ServerAliveInterval=1",
    "-o",
    "ServerAliveCountMax=2",
)

Words = str | Path


def living(units: Iterable[Unit]) -> list[Unit]:
    """Those whose supervisor lives."""
    found = []
    for unit in units:
        handle = unit.lock()
        if handle is None:
            found.append(unit)
        else:
            os.close(handle)
    return found


@dataclass(frozen=True, slots=True)
class Ended:
    """How a command came out; `said` is what it wrote to both streams."""

    code: int
    said: str


class Operator:
    """`folder` is where commands are typed; its lab is the one that `rollout lab` finds there."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.lab = Lab(folder / ".rollout" / "lab")
        self.state = folder / ".rollout"
        self.started: list[subprocess.Popen[str]] = []
        folder.mkdir(parents=True, exist_ok=True)

    def copy_playbooks(self) -> Path:
        """The shipped playbooks, beside the plan as `rollout init` puts them."""
        return Path(shutil.copytree(REPOSITORY / "playbooks", self.folder / "playbooks", dirs_exist_ok=True))

    def environment(self) -> dict[str, str]:
        """Of a user who has `rollout` and Ansible on the path and nothing configured."""
        kept = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("ANSIBLE_", "ROLLOUT_", "GITLAB_", "CI_"))
        }
        path = os.pathsep.join([str(PROGRAMS), os.environ.get("PATH", os.defpath)])
        return {**kept, "PATH": path, "ANSIBLE_NOCOLOR": "1", "PYTHONUNBUFFERED": "1"}

    def start(self, *words: Words, output: int | None = subprocess.PIPE) -> subprocess.Popen[str]:
        """`rollout WORDS` inside the lab's network; the process is the command itself, so that kill -9 hits it."""
        return self._popen(self.lab.inside(["rollout", *map(str, words)]), output)

    def rollout(self, *words: Words, timeout: float = 200.0) -> Ended:
        """`rollout WORDS` inside the lab's network, to its end."""
        return ended(self.start(*words), timeout)

    def inside(self, *words: Words, timeout: float = 200.0, **environment: Words) -> Ended:
        """Any command, inside the lab's network, with those variables in its environment."""
        said = {name: str(value) for name, value in environment.items()}
        return ended(self._popen(self.lab.inside([*map(str, words)]), subprocess.PIPE, said), timeout)

    def typed(self, *words: Words, timeout: float = 200.0) -> Ended:
        """Any command, typed in the folder, outside of the lab's network."""
        return ended(self._popen([str(word) for word in words], subprocess.PIPE), timeout)

    def events(self, *options: Words) -> list[dict[str, Any]]:
        """All of the newest run; the lab need not be up. `options`: where the journal is."""
        return [json.loads(line) for line in self._read("events", *options)]

    def hosts(self, *options: Words) -> dict[str, dict[str, Any]]:
        """The hosts of the newest run by name."""
        return {host["name"]: host for host in map(json.loads, self._read("hosts", *options))}

    def _read(self, command: str, *options: Words) -> list[str]:
        done = self.typed("rollout", command, "--json", *options)
        if done.code:
            raise RuntimeError(done.said)
        return done.said.splitlines()

    def on(self, host: str, script: str) -> str:
        """What a shell script prints on the host's console."""
        return self.lab.run(host, ["sh", "-c", script]).stdout.strip()

    def reaches(self, host: str) -> bool:
        """Whether a fresh SSH connection gets through."""
        words = ["ssh", "-F", str(self.lab.places.ssh_config), *QUICK, host, "true"]
        return ended(self._popen(self.lab.inside(words), subprocess.PIPE), 30).code == 0

    def upgrades(self, host: str) -> int:
        """How many times dpkg has upgraded the release's base package, by its own log on the host."""
        return int(self.on(host, "grep -c ' upgrade labos-base:' /var/log/dpkg.log || :") or 0)

    def units(self) -> Iterator[Unit]:
        """All units of all runs."""
        for file in self.state.glob("units/*/*/*.*/order.json"):
            yield Unit(file.parent)

    def living(self) -> list[Unit]:
        """Units whose supervisor lives."""
        return living(self.units())

    def kill_supervisor(self, unit: Unit, number: int = signal.SIGKILL) -> bool:
        """Of a unit; False if it was gone already."""
        known = unit.process()
        handle = open_process(*known) if known else None
        if handle is None:
            return False
        with suppress(ProcessLookupError):
            signal.pidfd_send_signal(handle, number)
        os.close(handle)
        return True

    def close(self) -> None:
        """End what runs on, controllers, units and lab, and remove what they wrote."""
        for process in self.started:
            with process:
                process.kill()
        self.started.clear()
        for unit in self.living():
            self.kill_supervisor(unit, signal.SIGTERM)
        until = time.monotonic() + 20
        while self.living() and time.monotonic() < until:
            time.sleep(0.1)
        self.lab.down()
        shutil.rmtree(self.state, ignore_errors=True)

    def _popen(
        self, words: Sequence[str], output: int | None, environment: Mapping[str, str] = MappingProxyType({})
    ) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            words, cwd=self.folder, env={**self.environment(), **environment}, text=True, errors="replace",
            stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT,
        )  # fmt: skip
        self.started.append(process)
        return process


def ended(process: subprocess.Popen[str], timeout: float) -> Ended:
    """Wait for its end; it is killed when that takes too long."""
    with process:
        try:
            said, _ = process.communicate(timeout=timeout)
        except BaseException:
            process.kill()
            raise
    return Ended(process.returncode, said)


def read_until(process: subprocess.Popen[str], *patterns: str) -> str:
    """What a command says until a line has held each pattern."""
    said, missed = "", set(patterns)
    for line in process.stdout or ():
        said += line
        missed -= {pattern for pattern in missed if re.search(pattern, line)}
        if not missed:
            return said
    raise AssertionError(f"it ended without {sorted(missed)}: {said}")


def until(found: Callable[[], bool]) -> None:
    """Wait for something that takes a few seconds."""
    latest = time.monotonic() + 120
    while not found():
        assert time.monotonic() < latest
        time.sleep(0.1)


def begun(events: Iterable[dict[str, Any]], step: str) -> list[str]:
    """The hosts on which the step was begun, in that order."""
    return [event["host"] for event in events if event["event"] == "step-intended" and event["step"] == step]


def done(events: Iterable[dict[str, Any]], host: str) -> list[str]:
    """The steps that the host has done, in that order."""
    return [event["step"] for event in events if event["event"] == "step-done" and event["host"] == host]


def flights(events: Iterable[dict[str, Any]]) -> Iterator[tuple[frozenset[str], tuple[str, ...]]]:
    """Whenever a host is disrupted: all that are in flight then, it among them, and those that are verified."""
    in_flight, verified = set[str](), list[str]()
    for event in events:
        if event["event"] == "step-intended" and event["data"].get("slots"):
            in_flight.add(event["host"])
            yield frozenset(in_flight), tuple(verified)
        elif event["event"] in {"host-verified", "host-held"}:
            in_flight.discard(event["host"])
            verified += [event["host"]] if event["event"] == "host-verified" else []


def repeated(events: list[dict[str, Any]]) -> list[str]:
    """Steps that were finished more than once on a host, and steps that were begun again after they were finished."""
    finished: set[tuple[str, str]] = set()
    found = []
    for event in events:
        key = (event.get("host", ""), event.get("step", ""))
        if event["event"] in {"step-done", "step-intended"} and key in finished:
            found.append(f"{event['event']} {key}")
        if event["event"] == "step-done":
            finished.add(key)
    return found
