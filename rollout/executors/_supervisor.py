"""The supervisor of one unit: `python -m rollout.executors._supervisor UNIT-DIRECTORY`.

Started by the executor, which hands over two locks as descriptors 3 (the unit) and 4 (the host); both live as long as this
process does. It outlives the controller. SIGTERM, and the deadline of a step that is not `once`, end Ansible cleanly:
its main process first, then, after a grace, every descendant.
"""

import json
import os
import queue
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, TextIO

from rollout.executors import _chunk, checked
from rollout.executors._outcome import Event, judge, read_events, task_in_progress
from rollout.executors._processes import (
    age,
    become_subreaper,
    die_with,
    end_descendants,
    kill_descendants,
    stat,
)
from rollout.executors._secrets import hide
from rollout.executors._text import sentence
from rollout.executors._unit import Result, Unit, write
from rollout.model.seams import Ending

LOCKS = (3, 4)
SOCKETS = "/tmp"  # noqa: S108  mkdtemp makes a private folder in it
"""ssh's sockets have names of at most 107 bytes, so not below the unit; and it must be there after a log-out."""

LOG_LIMIT = 1_000_000
"""Bytes kept of the event log."""

SHOWN = {
    "playbook_on_play_start", "playbook_on_task_start", "playbook_on_handler_task_start", "playbook_on_stats",
    "runner_on_ok", "runner_on_failed", "runner_on_unreachable", "runner_on_skipped", "runner_retry", "error", "warning",
}  # fmt: skip


class EventLog(threading.Thread):
    """Writes one line per event. ansible-runner's handler only queues: a slow or failing one makes its run fail."""

    def __init__(self, path: Path, secrets: tuple[str, ...]) -> None:
        super().__init__(name="event-log", daemon=True)
        self.path, self.secrets = path, secrets
        self.queue: queue.SimpleQueue[Event | None] = queue.SimpleQueue()

    def handle(self, event: Event) -> bool:
        """For ansible-runner. False: it need not write the event as well, Ansible's own file stays."""
        self.queue.put(event)
        return False

    def run(self) -> None:
        """Until None comes; a full disk loses lines of the log, which is for persons, and never the result."""
        handle = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            while (event := self.queue.get()) is not None:
                if event.get("event") in SHOWN and file.tell() < LOG_LIMIT:
                    with suppress(OSError):
                        self._line(file, event)

    def _line(self, file: TextIO, event: Event) -> None:
        data = event.get("event_data") or {}
        line = {
            "at": event.get("created"),
            "event": event["event"],
            "host": data.get("host"),
            "task": sentence(hide(str(data.get("name") or data.get("task") or ""), self.secrets), 200),
        }
        file.write(json.dumps({key: value for key, value in line.items() if value}) + "\n")
        file.flush()


class Ender(threading.Thread):
    """Waits for SIGTERM or the deadline, then ends Ansible; the main thread is inside ansible-runner meanwhile."""

    def __init__(self, pid_file: Path, left: float | None, grace: float) -> None:
        super().__init__(name="ender", daemon=True)
        self.pid_file, self.left, self.grace = pid_file, left, grace
        self.asked = threading.Event()
        self.over = False
        self.reason = ""

    def run(self) -> None:
        """`over` is set before `asked` when there is nothing left to end."""
        told = self.asked.wait(self.left)
        if not self.over:
            self.reason = "signal" if told else "deadline"
            self._end()

    def _end(self) -> None:
        """SIGTERM to the main process, which tells its workers; after the grace SIGKILL to all that is left.

        Goes on until the main thread says `over`: Ansible may be only about to start.
        """
        until = time.monotonic() + self.grace
        told = False
        while not self.over:
            if not told:
                with suppress(OSError, ValueError):
                    os.kill(int(self.pid_file.read_text(encoding="ascii")), signal.SIGTERM)
                    told = True
            if time.monotonic() > until:
                kill_descendants()
            time.sleep(0.05)


class Supervisor:
    """One life, from the locks to the result."""

    def __init__(self, unit: Unit) -> None:
        self.unit = unit
        self.order = unit.order()
        me = stat(os.getpid())
        self.started = me[2] if me else 0
        left = None if self.order["once"] else max(0.0, self.order["timeout"] - age(self.started))
        self.ender = Ender(unit.private / "ansible.pid", left, self.order["grace"])
        self.log = EventLog(unit.path / "events.jsonl", unit.secrets())

    def live(self) -> None:
        """Whatever fails, a result is written and nothing runs on."""
        self._detach()
        self.unit.note_process(os.getpid(), self.started)
        self.log.start()
        self.ender.start()
        code, trouble = None, ""
        try:
            code = self._play()
        except Exception as error:  # noqa: BLE001  ansible-runner raises for a slow disk as for a bug: the events tell
            trouble = sentence(f"{type(error).__name__}: {error}", 200)
        self.ender.over = True
        self.ender.asked.set()
        self.ender.join()
        end_descendants(self.order["grace"] if trouble else 0.5)
        self.log.queue.put(None)
        self.log.join()
        self._conclude(code, trouble)

    def _detach(self) -> None:
        become_subreaper()
        for lock in LOCKS:
            os.set_inheritable(lock, False)
        for number in (signal.SIGINT, signal.SIGHUP):  # ignored here, at their default in what we start
            signal.signal(number, lambda _number, _frame: None)
        signal.signal(signal.SIGTERM, lambda _number, _frame: self.ender.asked.set())
        self._tie()

    def _tie(self) -> None:
        """What nobody will take up, such as a chunk of a sweep, ends with the controller that started it."""
        controller = self.order.get("controller")
        if controller is not None and not die_with(controller, signal.SIGTERM):
            self.ender.asked.set()

    def _play(self) -> int | None:
        from ansible_runner import Runner, RunnerConfig  # noqa: PLC0415  slow: be followed and endable first

        sockets = tempfile.mkdtemp(prefix="rollout-", dir=SOCKETS)
        write(self.unit.path / "sockets", sockets)
        private = self.unit.private
        config = RunnerConfig(
            private_data_dir=str(private),
            project_dir=self.order["folder"],
            artifact_dir=str(self.unit.artifacts),
            ident="unit",
            quiet=True,
            fact_cache_type="memory",
            binary=sys.executable,
            envvars={
                "ANSIBLE_CONFIG": str(private / "ansible.cfg"),
                "ANSIBLE_HOST_KEY_CHECKING": "True",
                "ANSIBLE_SSH_CONTROL_PATH_DIR": sockets,
                "ANSIBLE_LOCAL_TEMP": str(private / "tmp"),
                "ANSIBLE_CALLBACK_PLUGINS": str(private / "callbacks"),
                "ROLLOUT_TOLD": str(_chunk.told(self.unit)),
            },
        )
        config.prepare()
        config.command = [
            *(sys.executable, "-P", str(Path(__file__).with_name("_playbook.py"))),
            *(str(self.ender.pid_file), str(os.getpid())),
            *("-i", str(private / "inventory"), "-e", f"@{private / 'extra.json'}"),
            *(["--check"] if self.order.get("check") else []),
            self.order["playbook"],
        ]
        if self.ender.asked.is_set():
            return None
        self.unit.note_began(time.time())
        Runner(
            config,
            event_handler=self.log.handle,
            status_handler=self._forget_environment,
            remove_partials=False,
        ).run()
        return _code(self.unit.artifacts)

    def _forget_environment(self, status: Mapping[str, Any], **_config: object) -> None:
        """ansible-runner writes the whole environment to a file just before it starts Ansible."""
        if status.get("status") == "running":
            (self.unit.artifacts / "unit" / "command").unlink(missing_ok=True)

    def _conclude(self, code: int | None, trouble: str) -> None:
        because = {
            "signal": "it was told to stop",
            "deadline": f"it took longer than {self.order['timeout']:g} s",
        }
        why = because.get(self.ender.reason) or trouble
        if "hosts" in self.order:
            _chunk.conclude(self.unit, code, why)
            return
        events: Sequence[Event] = read_events(self.unit.artifacts, self.unit.secrets())
        if self.order.get("check"):
            events = checked.with_skipped(events)
            checked.keep(self.unit)
        output = self.unit.printed() or ""
        result = judge(self.order["host"], events, code, output, self.unit.failure)
        if result is None or (self.ender.reason and not _finished(events)):
            ending = Ending.LATE if self.ender.reason == "deadline" else Ending.INTERRUPTED
            result = Result(ending, f"{why or 'Ansible died'}; {task_in_progress(events, time.time())}")
        self.unit.conclude(result, output)


def _finished(events: Sequence[Event]) -> bool:
    return any(event.get("event") == "playbook_on_stats" for event in events)


def _code(artifacts: Path) -> int | None:
    """None when a signal ended Ansible."""
    text = (artifacts / "unit" / "rc").read_text(encoding="ascii")
    return int(text) if text != "None" else None


def main() -> None:
    """The process."""
    Supervisor(Unit(Path(sys.argv[1]))).live()


if __name__ == "__main__":
    main()
