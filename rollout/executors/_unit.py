"""The directory of a unit: one step of one host, tried once. All that a later controller needs to know is in it.

lock        held by the supervisor for its life: whether it lives is whether this is locked
order.json  what was ordered, with its mark
process     the supervisor: pid, and its start in clock ticks since boot
began       durable before Ansible is started; without it nothing can have reached the host
result.json durable, by rename: how it came out
events.jsonl, output.txt   what a person asks for later; capped, without secrets
private/    inventory, extra variables, Ansible's own artifacts: gone when the unit is over
"""

import fcntl
import hashlib
import json
import os
import re
import shutil
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rollout.executors._found import blotted
from rollout.executors._printed import last_failure
from rollout.executors._secrets import hide, secrets_of
from rollout.executors._text import clean
from rollout.model.seams import Order

PLAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,79}")

HOST_LOCKS, ELSEWHERE = ".host-locks", ".begun-elsewhere"
"""Folders beside those of the runs: no run's name begins with a dot."""

OUTPUT_LIMIT = 64_000
"""Bytes kept of what Ansible printed."""


def file_name(word: str) -> str:
    """The word itself where it is a harmless file name, else what is harmless of it and a digest."""
    if PLAIN.fullmatch(word):
        return word
    kept = re.sub(r"[^A-Za-z0-9_-]+", "-", word)[:40]
    return f"{kept}~{hashlib.sha256(word.encode(errors='surrogatepass')).hexdigest()[:16]}"


def write(path: Path, text: str, *, mode: int = 0o600, durable: bool = False) -> None:
    """By rename, so that a reader finds the whole text or none; `durable`: it outlives a power cut."""
    fresh = path.with_name(path.name + ".new")
    handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, mode)
    with os.fdopen(handle, "w", encoding="utf-8", errors="surrogateescape") as file:
        file.write(text)
        if durable:
            file.flush()
            os.fsync(file.fileno())
    fresh.replace(path)
    if durable:
        _sync(path.parent)


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def try_lock(path: Path) -> int | None:
    """An open descriptor that holds the lock until it is closed; None when someone else holds it."""
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(handle)
        return None
    return handle


def begun_here(units: Path, run: str) -> bool:
    """Whether what is not in this folder was never begun. Asked before anything is written for the run.

    A run without a folder was carried out by a controller that wrote its units elsewhere: on another machine, say. That
    is remembered, for from now on the run has a folder here too.
    """
    mark = units / ELSEWHERE / file_name(run)
    if not (units / file_name(run)).is_dir():
        mark.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        write(mark, "", durable=True)
    return not mark.exists()


@dataclass(frozen=True, slots=True)
class Result:
    """What became of a unit, as far as this machine can tell; `ending` is a word of `model.seams.Ending`."""

    ending: str
    because: str
    task: str = ""
    found: Mapping[str, Any] = field(default_factory=dict)
    """What the step hands on."""


@dataclass(frozen=True, slots=True)
class Unit:
    """The files of one unit."""

    path: Path

    @classmethod
    def of(cls, units: Path, order: Order) -> "Unit":
        """Where the unit of an order is, or would be."""
        return cls.at(units, order.run, order.host, order.step.name, order.attempt)

    @classmethod
    def at(cls, units: Path, run: str, host: str, step: str, attempt: int) -> "Unit":
        """The same, by the order's own words."""
        return cls(units / file_name(run) / file_name(host) / f"{file_name(step)}.{attempt}")

    @property
    def private(self) -> Path:
        """Everything that may hold a secret."""
        return self.path / "private"

    @property
    def artifacts(self) -> Path:
        """Where ansible-runner and Ansible's callback write."""
        return self.private / "artifacts"

    @property
    def host_lock(self) -> Path:
        """Held by whichever unit runs on the host, of whichever run."""
        return self.path.parents[2] / HOST_LOCKS / self.path.parent.name

    @property
    def attempt(self) -> int:
        """Counts the orders of a host within a run, whatever the step."""
        return int(self.path.name.rpartition(".")[2])

    @property
    def before(self) -> "Unit":
        """The attempt before, of the same step; there may be none."""
        step = self.path.name.rpartition(".")[0]
        return Unit(self.path.with_name(f"{step}.{self.attempt - 1}"))

    @classmethod
    def all_of(cls, units: Path, run: str) -> "list[Unit]":
        """Every unit of a run."""
        return [cls(path) for path in (units / file_name(run)).glob("*/*.*") if path.is_dir()]

    def earlier(self) -> Iterator["Unit"]:
        """The units of this host that came before, the latest first."""
        found = [Unit(path) for path in self.path.parent.glob("*.*") if path.is_dir()]
        before = [unit for unit in found if unit.attempt < self.attempt]
        return iter(sorted(before, key=lambda unit: unit.attempt, reverse=True))

    def of_its_host(self) -> "list[Unit]":
        """Every unit of its host, of whichever run."""
        found = self.path.parents[2].glob(f"*/{self.path.parent.name}/*.*")
        return [Unit(path) for path in found if path.is_dir()]

    def of_other_runs(self) -> Iterator["Unit"]:
        """The units of this host in other runs, the last begun first."""
        others = [unit for unit in self.of_its_host() if unit.path.parent != self.path.parent]
        return iter(sorted(others, key=lambda unit: unit.began() or 0.0, reverse=True))

    def enter(self) -> bool:
        """Its folder, there to stay: one that a power cut takes away again would say that nothing ever began.

        False: it is there already. Who makes it decides whether the unit may begin, however many controllers believe that they may.
        """
        for folder in (self.path.parents[2], self.path.parents[1], self.path.parent):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        try:
            self.path.mkdir(mode=0o700)
        except FileExistsError:
            return False
        for folder in (self.path.parents[2], self.path.parents[1], self.path.parent):
            _sync(folder)
        return True

    def make(self, order: Mapping[str, Any]) -> None:
        """The empty directory, with what was ordered."""
        self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.private.mkdir(mode=0o700, exist_ok=True)
        write(self.path / "order.json", json.dumps(order))

    def order(self) -> dict[str, Any]:
        """What was ordered."""
        return _object(self.path / "order.json") or {}

    def lock(self) -> int | None:
        """The lock of a supervisor; None while one lives."""
        return try_lock(self.path / "lock")

    def note_process(self, pid: int, started: int) -> None:
        """Who the supervisor is."""
        write(self.path / "process", json.dumps({"pid": pid, "started": started}))

    def process(self) -> tuple[int, int] | None:
        """Pid of the supervisor and its start in clock ticks since boot."""
        found = _object(self.path / "process")
        return (found["pid"], found["started"]) if found else None

    def note_began(self, at: float) -> None:
        """Ansible is about to be started; at: seconds since the epoch."""
        write(self.path / "began", json.dumps({"at": at}), durable=True)

    def began(self) -> float | None:
        """When Ansible was started; None: it was not."""
        found = _object(self.path / "began")
        return float(found["at"]) if found else None

    def note_result(self, result: Result) -> None:
        """The last word."""
        known = {
            "ending": result.ending,
            "because": result.because,
            "task": result.task,
            "found": result.found,
        }
        write(self.path / "result.json", json.dumps(known), durable=True)

    def result(self) -> Result | None:
        """None while there is none."""
        found = _object(self.path / "result.json")
        return (
            Result(found["ending"], found["because"], found["task"], found.get("found", {}))
            if found
            else None
        )

    def playbook(self) -> int | None:
        """Pid of the `ansible-playbook` of this unit, while it lives."""
        try:
            pid = int((self.private / "ansible.pid").read_text(encoding="ascii"))
            words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        except (OSError, ValueError):
            return None
        return pid if os.fsencode(self.private / "ansible.pid") in words else None

    def secrets(self) -> tuple[str, ...]:
        """What none of its texts may repeat."""
        return secrets_of(self.private / "inventory.json")

    def printed(self) -> str | None:
        """The last of what Ansible printed, in whole lines, without secrets; None when these are not known any more."""
        secrets = self.secrets()  # before the text: a unit that ends meanwhile takes them away
        if not (self.private / "inventory.json").exists():
            return None
        try:
            with (self.artifacts / "unit" / "stdout").open("rb") as file:
                skipped = max(0, os.fstat(file.fileno()).st_size - OUTPUT_LIMIT)
                file.seek(skipped)
                text = file.read().decode(errors="replace")
        except FileNotFoundError:
            return ""
        return hide(text.partition("\n")[2] if skipped else text, secrets)

    def failure(self) -> Mapping[str, Any]:
        """The failing task's result as Ansible printed it, without secrets."""
        return last_failure(self.artifacts / "unit" / "stdout", self.secrets())

    def conclude(self, result: Result, output: str) -> Result:
        """The result as written, without secrets. It comes first; when the disk is full for it, the artifacts make room."""
        secrets = self.secrets()
        because, task = (hide(text, secrets) for text in (result.because, result.task))
        result = Result(result.ending, because, task, blotted(result.found, secrets))
        try:
            self.note_result(result)
        except OSError:
            self.tidy()
            self.note_result(result)
        with suppress(OSError):
            write(self.path / "output.txt", hide(clean(output), secrets))
        self.tidy()
        return result

    def tidy(self) -> None:
        """Nothing with a secret outlives the unit, nor its connections."""
        with suppress(OSError):
            sockets = Path((self.path / "sockets").read_text(encoding="utf-8"))
            shutil.rmtree(sockets, ignore_errors=True)
            (self.path / "sockets").unlink()
        shutil.rmtree(self.private, ignore_errors=True)


def _object(path: Path) -> dict[str, Any] | None:
    """A file that was written by rename is whole, or not there."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    return found if isinstance(found, dict) else None
