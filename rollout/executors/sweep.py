"""The executor of one read-only step on many hosts: chunks of them, each in one `ansible-playbook` under a supervisor.

Nothing that changes a host is swept: one crash would be that of a hundred hosts, and no limit could act between two of them. A chunk
is not taken up either: it ends with the controller that asked.
"""

import math
import os
import queue
import sys
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import count, groupby
from pathlib import Path
from typing import Any

from rollout.executors import _chunk
from rollout.executors._config import ansible_cfg, environment, passed_through, users_file
from rollout.executors._inventory import unsafe, write_extra_variables, write_shared_inventory
from rollout.executors._launch import SWEEP_PLUGIN, Launcher, add_plugin, await_supervisor, has_password
from rollout.executors._takeup import terminate
from rollout.executors._text import last_lines, sentence
from rollout.executors._unit import Result, Unit, file_name, write
from rollout.model.chain import Step
from rollout.model.seams import Ending, Order, Outcome, Post

FOLDER = ".sweep"
"""Beside the folders of the run's hosts; no host's begins with a dot."""

LARGEST, FORKS = 150, 25
"""Hosts in a chunk at most, and how many of them Ansible works on at once."""

LEEWAY = 30.0
"""Seconds past deadline and grace after which a supervisor is killed."""

DYING = 5.0
"""Seconds that Ansible may take to die once the kernel has killed it."""


@dataclass(frozen=True, slots=True)
class Chunk:
    """Orders of one step, one for each of its hosts."""

    number: int
    orders: tuple[Order, ...]
    post: Post

    @property
    def step(self) -> Step:
        """What is done on each host."""
        return self.orders[0].step


class Sweep:
    """Carries out orders of steps that change nothing. The folders and callables are those of `AnsibleExecutor`.

    `processes`: how many Ansible processes there may be at once, workers included (the plan's `limits.controller`).
    """

    def __init__(
        self,
        units: Path,
        variables_of: Callable[[str], Mapping[str, Any]],
        groups_of: Callable[[str], Sequence[str]],
        playbook_dir: Path,
        *,
        processes: int = 100,
        largest: int = LARGEST,
        forks: int = FORKS,
        python: str = sys.executable,
        grace: float = 10.0,
        environ: Mapping[str, str] = os.environ,
    ) -> None:
        self._units, self._variables_of, self._groups_of = units.absolute(), variables_of, groups_of
        self._largest, self._forks = largest, max(1, min(forks, processes))
        self._at_once = max(1, processes // self._forks)
        folder = playbook_dir.absolute()
        users = passed_through(users_file(folder, environ))
        self._launcher = Launcher(folder, python, grace, users, environment(environ, Path.cwd()))
        self._work: queue.SimpleQueue[Chunk | None] = queue.SimpleQueue()
        self._threads: list[threading.Thread] = []
        self._living: dict[int, Unit] = {}
        self._closing = threading.Event()
        self._numbers = count(1)

    def run(self, orders: Iterable[Order], post: Post) -> None:
        """Never blocks; posts exactly one outcome for each order, unless it is closed before."""
        for alike in _alike(orders):
            for part in _cut(alike, self._largest):
                self._work.put(Chunk(next(self._numbers), part, post))
                if len(self._threads) < self._at_once:
                    name = f"sweep {len(self._threads) + 1}"
                    thread = threading.Thread(target=self._serve, name=name, daemon=True)
                    self._threads.append(thread)
                    thread.start()

    def close(self) -> None:
        """End what runs, cleanly and wholly. Nothing is posted from now on."""
        self._closing.set()
        for _ in self._threads:
            self._work.put(None)
        until = time.monotonic() + self._launcher.grace + LEEWAY
        while any(thread.is_alive() for thread in self._threads) and time.monotonic() < until:
            for unit in tuple(self._living.values()):
                terminate(unit)
            time.sleep(0.05)

    def _serve(self) -> None:
        """The thread lives as long as the supervisors that it starts, for the kernel ends them with it."""
        while (chunk := self._work.get()) is not None and not self._closing.is_set():
            try:
                results = self._carry_out(chunk)
            except Exception as error:  # noqa: BLE001  no exception is lost: it is how the step came out
                results = dict.fromkeys(
                    (order.host for order in chunk.orders), _unknown(f"{type(error).__name__}: {error}")
                )
            for order in chunk.orders:
                if self._closing.is_set():
                    return
                found = results.get(order.host, _unknown("the sweep says nothing about this host"))
                because = sentence(found.because)
                ending = Ending(found.ending)
                step, attempt = order.step.name, order.attempt
                chunk.post(Outcome(order.host, step, attempt, ending, because, found.task, found=found.found))

    def _carry_out(self, chunk: Chunk) -> Mapping[str, Result]:
        run, step = chunk.orders[0].run, chunk.step
        unit = Unit(self._units / file_name(run) / FOLDER / f"{file_name(step.name)}.{chunk.number}")
        unit.path.mkdir(mode=0o700, parents=True)
        lock = unit.lock()
        if lock is None:
            return {}
        try:
            strangers = self._prepare(unit, chunk)
            pid = self._launcher.start(unit, lock, lock)
        except BaseException:
            unit.tidy()
            raise
        finally:
            os.close(lock)
        self._living[chunk.number] = unit
        try:
            await_supervisor(pid, unit.order()["timeout"] + self._launcher.grace + LEEWAY)
            return {**(_chunk.results_of(unit) or self._recover(unit)), **strangers}
        finally:
            del self._living[chunk.number]
            unit.tidy()

    def _prepare(self, unit: Unit, chunk: Chunk) -> dict[str, Result]:
        """Fill its directory. Gives the hosts whose variables are not known, which are left out."""
        variables: dict[str, Mapping[str, Any]] = {}
        strangers: dict[str, Result] = {}
        for order in chunk.orders:
            named = {**order.variables, "rollout_host": order.host, "rollout_mark": order.mark}
            try:
                own = {name: unsafe(value) for name, value in named.items()}
                variables[order.host] = {**self._variables_of(order.host), **own}
            except Exception as error:  # noqa: BLE001  one host's trouble is not that of the others
                strangers[order.host] = Result(Ending.FAILED, str(error))
        first, step = chunk.orders[0], chunk.step
        rounds = math.ceil(len(variables) / self._forks)
        unit.make({
            "hosts": list(variables), "controller": os.getpid(), "mark": f"{first.run}/sweep/{step.name}", "step": step.name,
            "attempt": chunk.number, "once": False, "timeout": step.timeout * (rounds + 1), "grace": self._launcher.grace,
            "folder": str(self._launcher.folder), "playbook": str(self._launcher.folder / str(step.playbook)),
        })  # fmt: skip
        password = any(has_password(own) for own in variables.values())
        ours = {"forks": self._forks, "strategy": "free", "task_timeout": max(1, math.ceil(step.timeout))}
        cfg = ansible_cfg(self._launcher.users, password=password, defaults=ours)
        write(unit.private / "ansible.cfg", cfg)
        add_plugin(unit, SWEEP_PLUGIN)
        write_shared_inventory(unit.private, variables, {host: self._groups_of(host) for host in variables})
        shared = {"rollout_run": first.run, "rollout_step": step.name, "rollout_attempt": first.attempt}
        fence = {"rollout_fence": first.fence, "rollout_try": first.attempt}
        write_extra_variables(unit.private / "extra.json", {**shared, **fence})
        return strangers

    def _recover(self, unit: Unit) -> dict[str, Result]:
        """The supervisor died without a last word: Ansible's own event files may hold the end of the play."""
        until = time.monotonic() + DYING
        while unit.playbook() is not None and time.monotonic() < until:
            time.sleep(0.02)  # the kernel kills it with its supervisor: let it write no more
        log = unit.path / "supervisor.log"
        why = last_lines(log.read_text(encoding="utf-8", errors="replace"), 1) if log.is_file() else ""
        return _chunk.conclude(unit, None, f"its supervisor died{f' ({sentence(why, 200)})' if why else ''}")


def _unknown(because: str) -> Result:
    return Result(Ending.UNKNOWN, f"could not find out: {because}")


def _alike(orders: Iterable[Order]) -> Iterable[list[Order]]:
    """What can be one play: the same run, playbook and time-out."""

    def key(order: Order) -> tuple[str, str, str, int, int, float]:
        step = order.step
        return order.run, step.name, str(step.playbook), order.attempt, order.fence, step.timeout

    return [list(alike) for _, alike in groupby(sorted(orders, key=key), key)]


def _cut(orders: Sequence[Order], largest: int) -> Iterable[tuple[Order, ...]]:
    """As few parts as there may be, of nearly the same size."""
    parts = math.ceil(len(orders) / largest)
    for index in range(parts):
        yield tuple(orders[index * len(orders) // parts : (index + 1) * len(orders) // parts])
