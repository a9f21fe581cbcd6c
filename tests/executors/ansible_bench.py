"""Real units on this machine: playbooks written on the spot, hosts with `ansible_connection: local`."""

import os
import queue
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rollout.executors._processes import stat
from rollout.executors._takeup import Patience
from rollout.executors._unit import Unit
from rollout.executors.ansible import AnsibleExecutor
from rollout.model.chain import Step
from rollout.model.seams import Connection, Order, Outcome, Ran
from rollout.ssh.testing import FakeConnection

LOCAL = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}
NOTHING_RUNS = Ran(0, "asked\n", "")
FAST = Patience(poll=0.05, silent=0.3, silent_before_start=0.3, running=0.3)

PLAY = """
- hosts: all
  gather_facts: false
  environment: {ROLLOUT_MARK: "{{ rollout_mark }}"}
  tasks:
"""


def quiet_host(_host: str, _variables: Mapping[str, Any]) -> Connection:
    """Nothing runs on it."""
    return Answers(NOTHING_RUNS)


class Answers(FakeConnection):
    """Whatever is asked, these in turn; the last one for ever."""

    def __init__(self, *answers: Ran | Exception) -> None:
        super().__init__({})
        self._left = list(answers)

    def run(self, command: str, timeout: float = 30.0) -> Ran:
        del timeout
        self.ran.append(command)
        answer = self._left.pop(0) if len(self._left) > 1 else self._left[0]
        if isinstance(answer, Exception):
            raise answer
        return answer


@dataclass
class Bench:
    """A plan's folder, its units, and executors over them."""

    folder: Path
    variables: dict[str, dict[str, Any]] = field(default_factory=dict)
    groups: tuple[str, ...] = ("compute",)
    connect: Callable[[str, Mapping[str, Any]], Connection] = quiet_host
    patience: Patience = FAST
    grace: float = 5.0
    environ: Mapping[str, str] = field(default_factory=lambda: dict(os.environ))
    inbox: "queue.Queue[Outcome]" = field(default_factory=queue.Queue)

    def executor(self) -> AnsibleExecutor:
        return AnsibleExecutor(
            self.folder / "units",
            lambda host: self.variables.get(host, LOCAL),
            lambda _host: self.groups,
            self.folder,
            connect=self.connect,
            grace=self.grace,
            patience=self.patience,
            environ=self.environ,
        )

    def order(self, host: str, tasks: str = "", *, step: str = "upgrade", **how: Any) -> Order:
        """`tasks` is the text of a whole playbook when it begins with `- hosts`, else of the tasks of one play."""
        if tasks:
            text = tasks if tasks.lstrip().startswith("- hosts") else PLAY + tasks
            (self.folder / f"{step}.yml").write_text(text, encoding="utf-8")
        attempt, taken_up = how.pop("attempt", 1), how.pop("taken_up", False)
        variables = how.pop("variables", {})
        link = Step(step, playbook=f"{step}.yml", **how)
        return Order("run-1", host, link, attempt, 1, taken_up=taken_up, variables=variables)

    def post(self, message: Outcome, after: float = 0.0) -> None:
        del after
        self.inbox.put(message)

    def answer(self, timeout: float = 60.0) -> Outcome:
        return self.inbox.get(timeout=timeout)

    def carry_out(self, *orders: Order) -> dict[str, Outcome]:
        """All at once, until each is answered."""
        executor = self.executor()
        try:
            for order in orders:
                executor.run(order, self.post)
            return {outcome.host: outcome for outcome in (self.answer() for _ in orders)}
        finally:
            executor.close()

    def unit(self, order: Order) -> Unit:
        return Unit.of(self.folder / "units", order)


def wait_for(what: Callable[[], object], seconds: float = 30.0) -> None:
    """A test that waits in vain fails; none measures how long it took."""
    until = time.monotonic() + seconds
    while not what():
        if time.monotonic() > until:
            message = "waited in vain"
            raise AssertionError(message)
        time.sleep(0.02)


def gone(pids: Mapping[int, int]) -> bool:
    """Whether none of these processes (pid -> start) lives."""
    return not any(
        (now := stat(pid)) and now[2] == started and now[0] not in "ZX" for pid, started in pids.items()
    )
