"""The executor that runs the operator's playbooks: one `ansible-playbook` for one host and one step, under a supervisor."""

import os
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import MappingProxyType
from typing import Any, ClassVar, Literal

from rollout import ssh
from rollout.errors import UsageError, of_this_machine
from rollout.executors._blame import lacking
from rollout.executors._config import environment, passed_through, users_file
from rollout.executors._finished import finished, forget, overtaken
from rollout.executors._guard import try_of
from rollout.executors._launch import Launcher
from rollout.executors._outcome import judge, read_events, read_log, task_in_progress
from rollout.executors._processes import age, open_process, stat
from rollout.executors._takeup import Closed, Inquiry, Patience, is_followable, terminate
from rollout.executors._text import last_lines, sentence
from rollout.executors._unit import Result, Unit, begun_here, file_name
from rollout.executors._watching import Followed, Watcher
from rollout.executors._way import cause_asked
from rollout.model.seams import Connection, Ending, Order, Outcome, Post
from rollout.ssh.inventory import SUDO_PASSWORD, SUDO_USER

LEEWAY = 30.0
"""Seconds past deadline and grace after which a supervisor that says nothing is reported late."""

NOTHING: Mapping[str, Any] = MappingProxyType({})

DYING = 5.0
"""Seconds that Ansible may take to die once the kernel has killed it."""


def make_room(units: Path, run: str) -> Path:
    """The folder of a run that begins. Raises UsageError when it holds another's units: their results are not this run's."""
    folder = units / file_name(run)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if any(folder.iterdir()):
        raise UsageError(
            f"{folder} holds the units of an earlier run of this name: take another one with --run"
        )
    return folder


class AnsibleExecutor:
    """Units live in `units/RUN/HOST/STEP.ATTEMPT/`; `playbook_dir` is the plan's folder.

    `variables_of` gives a host's merged variables as the inventory resolved them, `groups_of` its groups.
    `grace`: seconds between SIGTERM and SIGKILL when a unit is ended. `check`: every step is run in Ansible's check mode.
    """

    kind: ClassVar[Literal["ansible", "rehearsal"]] = "ansible"

    def __init__(
        self,
        units: Path,
        variables_of: Callable[[str], Mapping[str, Any]],
        groups_of: Callable[[str], Sequence[str]],
        playbook_dir: Path,
        *,
        connect: Callable[[str, Mapping[str, Any]], Connection] = ssh.connect,
        python: str = sys.executable,
        grace: float = 10.0,
        patience: Patience = Patience(),  # noqa: B008  a frozen value
        environ: Mapping[str, str] = os.environ,
        check: bool = False,
    ) -> None:
        self._units, self._variables_of, self._groups_of = units.absolute(), variables_of, groups_of
        self._connect, self._patience, self._grace = connect, patience, grace
        folder = playbook_dir.absolute()
        users = passed_through(users_file(folder, environ))
        self._launcher = Launcher(folder, python, grace, users, environment(environ, Path.cwd()), check)
        self._watcher = Watcher()
        self._closing = threading.Event()
        self._here: dict[str, bool] = {}

    def run(self, order: Order, post: Post) -> None:
        """Posts exactly one outcome, unless the executor is closed before."""
        once = _Once(order, post)
        if order.taken_up and order.run not in self._here:
            self._here[order.run] = self._is_begun_here(order.run)
        self._aside(order, once, self._take_up if order.taken_up else self._start)

    def close(self) -> None:
        """Stop following; the units live on, and the next controller finds them."""
        self._closing.set()
        self._watcher.close()

    def end(self, run: str) -> None:
        """Ends what still runs, cleanly, and waits for it: of a run that nobody will take up."""
        until = time.monotonic() + self._grace + LEEWAY
        while living := [unit for unit in Unit.all_of(self._units, run) if is_followable(unit)]:
            for unit in living:
                terminate(unit)
            if self._closing.wait(0.1) or time.monotonic() > until:
                return

    def prune(self, run: str) -> None:
        """What a supervisor that was killed could not remove. Events, result and output stay, for `why`."""
        for unit in Unit.all_of(self._units, run):
            if unit.private.exists() and (lock := unit.lock()) is not None:
                unit.tidy()
                os.close(lock)

    def forget(self, run: str, host: str, step: str, attempt: int) -> None:
        """An order that ended well, and whose outcome is in the journal, leaves no unit. A full disk keeps it."""
        with suppress(OSError):
            forget(Unit.at(self._units, run, host, step, attempt))

    def _is_begun_here(self, run: str) -> bool:
        try:
            return begun_here(self._units, run)
        except OSError:
            return False

    def _aside(self, order: Order, reply: "_Once", act: Callable[[Order, "_Once"], None]) -> None:
        """In a thread of its own: files, and above all hosts, take their time."""
        thread = threading.Thread(
            target=self._guard, args=(order, reply, act), name=f"unit {order.mark}", daemon=True
        )
        try:
            thread.start()
        except RuntimeError as error:  # no more threads
            _fail(order, reply, error)

    def _guard(self, order: Order, reply: "_Once", act: Callable[[Order, "_Once"], None]) -> None:
        """No exception is lost: it is how the step came out."""
        try:
            act(order, reply)
        except Closed:
            return
        except Exception as error:  # noqa: BLE001  as above
            _fail(order, reply, error)

    def _start(self, order: Order, reply: "_Once") -> None:
        unit = Unit.of(self._units, order)
        if order.step.playbook is None:
            reply(Ending.FAILED, f"step {order.step.name} has no playbook")
            return
        if unit.began() is not None or unit.result() is not None:
            reply(Ending.FAILED, f"{unit.path} holds a unit of this very attempt already")
            return
        inquiry = self._inquiry(order)
        host_lock = inquiry.host_lock(unit)
        if host_lock is None:
            reply(*inquiry.taken(unit))
            return
        try:
            if overtaken(unit):
                reply(
                    Ending.FAILED, f"{order.host} has had a later order since: another controller took over"
                )
                return
            result = inquiry.before_start(unit)
            if result is not None:
                reply(*result, found=inquiry.handed_on(unit))
                return
            self._launch(order, unit, host_lock, reply)
        finally:
            os.close(host_lock)

    def _launch(self, order: Order, unit: Unit, host_lock: int, reply: "_Once") -> None:
        """Whoever took over from us has made the unit's folder, or has its result written, before it gave the step up."""
        lock = unit.lock() if unit.enter() else None
        if lock is None:
            reply(Ending.CONTROLLER, f"{unit.path} is there already: another controller took over")
            return
        try:
            if unit.result() is not None:
                reply(Ending.CONTROLLER, f"{unit.path} was given up: another controller took over")
                return
            ours = {"rollout_fence": order.fence, "rollout_try": try_of(unit)}
            self._launcher.prepare(
                unit, order, ours, self._variables_of(order.host), self._groups_of(order.host)
            )
            pid = self._launcher.start(unit, lock, host_lock)
            reply.begun = True
        except OSError:  # a full disk, say: half an inventory is not to stay
            unit.tidy()
            raise
        finally:
            os.close(lock)
        found = stat(pid)  # our child: its number is not used again before it is reaped
        self._follow(order, (pid, found[2] if found else 0), reply)

    def _take_up(self, order: Order, reply: "_Once") -> None:
        """Nothing can come between the lock and the supervisor's life: an unlocked unit without `began` never began.

        Nor will it: the controller that we took over from may only be frozen, and finds the folder made, or a result.
        """
        unit = Unit.of(self._units, order)
        if not unit.path.is_dir():
            if (known := finished(unit).get(order.attempt)) is not None:
                reply(Ending.DONE, "it had ended well", found=known.found)
                return
            if not self._here.get(order.run):
                reply(*self._inquiry(order).after_death(unit, "its unit is not on this machine"))
                return
            if unit.enter():
                reply(Ending.NEVER_BEGAN, "its unit was never made")
                return
        while (lock := unit.lock()) is None:
            if (process := unit.process()) is not None:
                self._follow(order, process, reply)
                return
            self._closing.wait(0.1)  # it lives and is about to write who it is
            if self._closing.is_set():
                return
        try:
            if unit.result() is None:
                self._conclude(order, unit)
        finally:
            os.close(lock)
        self._settle(order, reply)

    def _follow(self, order: Order, process: tuple[int, int], reply: "_Once") -> None:
        handle = open_process(*process)
        if handle is None:
            self._settle(order, reply)
            return
        timeout = order.step.timeout
        spare = 0.0 if order.step.once else self._grace + LEEWAY
        self._watcher.follow(
            Followed(
                handle,
                late_in=timeout + spare - age(process[1]),
                late=lambda: reply(Ending.LATE, self._of_late(order)),
                gone=lambda: self._aside(order, reply, self._settle),
            )
        )

    def _of_late(self, order: Order) -> str:
        said = f"{order.step.name} has run for more than {order.step.timeout:g} s and is left to itself"
        log = Unit.of(self._units, order).path / "events.jsonl"
        return f"{said}; {task_in_progress(read_log(log), time.time())}"

    def _settle(self, order: Order, reply: "_Once") -> None:
        """The supervisor is gone: its result, or what can be recovered, or what the host says."""
        unit = Unit.of(self._units, order)
        result = unit.result() or self._recover(order, unit)
        reply.begun = unit.began() is not None
        if (lacks := lacking(unit, result)) is not None:
            reply(Ending.CONTROLLER, lacks)
        elif result.ending != Ending.INTERRUPTED:
            result = cause_asked(self._inquiry(order).connect, order.host, result)
            reply(Ending(result.ending), result.because, result.task, result.found)
        elif reply.begun:
            reply(*self._inquiry(order).after_death(unit, result.because))
        elif order.taken_up:
            reply(Ending.NEVER_BEGAN, "Ansible was never started")
        else:
            reply(Ending.CONTROLLER, f"Ansible was never started: {result.because}")

    def _recover(self, order: Order, unit: Unit) -> Result:
        """The supervisor died without a last word: Ansible's own event files may hold the end of the play."""
        lock = unit.lock()
        if lock is None:
            message = f"the supervisor in {unit.path} lives and cannot be followed"
            raise RuntimeError(message)
        try:
            return self._conclude(order, unit)
        finally:
            os.close(lock)

    def _conclude(self, order: Order, unit: Unit) -> Result:
        until = time.monotonic() + DYING
        while unit.playbook() is not None and time.monotonic() < until:
            self._closing.wait(0.02)  # the kernel kills it with its supervisor: let it write no more
        events, output = read_events(unit.artifacts, unit.secrets()), unit.printed() or ""
        result = judge(order.host, events, None, output, unit.failure)
        if result is None:
            why = last_lines(_read(unit.path / "supervisor.log"), 1)
            local = (
                f"its supervisor died{f' ({sentence(why, 200)})' if why else ''}; {task_in_progress(events)}"
            )
            result = Result(Ending.INTERRUPTED, local)
        return unit.conclude(result, output)

    def _inquiry(self, order: Order) -> Inquiry:
        return Inquiry(
            order,
            lambda: self._connect(order.host, as_root(self._variables_of(order.host))),
            self._variables_of(order.host),
            self._patience,
            self._grace,
            self._closing,
        )


def as_root(variables: Mapping[str, Any]) -> Mapping[str, Any]:
    """Where a playbook becomes root by a password, and says so itself, a question needs that too: its guard's files are root's."""
    known = any(variables.get(name) for name in SUDO_PASSWORD)
    other = any(variables.get(name) not in (None, "root") for name in SUDO_USER)
    said = "ansible_become" in variables
    return {**variables, "ansible_become": True} if known and not other and not said else variables


def _fail(order: Order, reply: "_Once", error: Exception) -> None:
    if isinstance(error, OSError) or of_this_machine(error):  # what a host does is an SshError
        reply(Ending.CONTROLLER, of_this_machine(error) or f"{type(error).__name__}: {error}")
        return
    ending = Ending.UNKNOWN if reply.begun and order.step.once else Ending.FAILED
    reply(ending, f"{type(error).__name__}: {error}")


class _Once:
    """The first answer counts; a unit that was reported late may end later."""

    def __init__(self, order: Order, post: Post) -> None:
        self._order, self._post = order, post
        self._lock = threading.Lock()
        self._said = False
        self.begun = order.taken_up
        """Whether anything of it may have reached the host."""

    def __call__(
        self, ending: Ending, because: str = "", task: str = "", found: Mapping[str, Any] = NOTHING
    ) -> None:
        """From any thread."""
        with self._lock:
            if self._said:
                return
            self._said = True
        order = self._order
        name, attempt = order.step.name, order.attempt
        self._post(
            Outcome(order.host, name, attempt, ending, sentence(because), task, found, begun=self.begun)
        )


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return ""
