"""The wiring: a run of the journal, the engine, and everything that it reaches out with."""

import os
import signal
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

from rollout import kinds, ssh
from rollout.cli._screen import Screen
from rollout.engine import Engine
from rollout.engine.asking import Asker, ThreadedAsker
from rollout.engine.inbox import Inbox, Message, StopAsked
from rollout.engine.paths import Examiner, PathAsker, ThreadedPaths
from rollout.engine.steps import Steps
from rollout.engine.subjects import Connect, RunCheck, Subjects
from rollout.engine.ways import SshWays
from rollout.errors import INTERRUPTED, TERMINATED, TIME_BUDGET_USED, Amended, InventoryError
from rollout.journal import Journal, Owner
from rollout.model.decision import Stop
from rollout.model.event import Event, Kind
from rollout.model.graph import Graph
from rollout.model.seams import Connection, Drain, Executor, Gate, Order, Post
from rollout.model.state import State

if TYPE_CHECKING:
    from rollout.plan.inventory import Inventory


@dataclass(frozen=True, slots=True)
class Reach:
    """What a controller reaches the world with. `tidy` is called with a run's name when its controller is done.

    `end` ends what still runs of a run that is given up with its controller. `sweep` carries out steps that change nothing, many hosts
    at a time; None: the executor does.
    """

    executor: Executor
    asker: Asker
    drains: Mapping[str, Drain]
    variables_of: Callable[[str], Mapping[str, Any]]
    connect: Connect
    tidy: Callable[[str], None] = lambda _run: None
    end: Callable[[str], None] = lambda _run: None
    sweep: Callable[[Iterable[Order], Post], None] | None = None
    paths: PathAsker | None = None
    folder_of: Callable[[str, str], str] = lambda _run, _host: ""
    """Where gates keep files of their own about a host in a run."""
    check: RunCheck | None = None

    def subjects(self, graph: Graph, run: str) -> Subjects:
        """Hosts as gates and drains of the run are given them."""
        folder_of = partial(self.folder_of, run)
        return Subjects(
            graph, self.variables_of, self.connect, run=run, folder_of=folder_of, check=self.check
        )

    def steps(self) -> Steps:
        """Carries out steps."""
        return Steps(self.executor, self.drains)


def real(graph: Graph, inventory: "Inventory", plan_file: Path, units: Path) -> Reach:
    """Ansible, and gates over SSH.

    A host that had begun and has left the inventory is not reached: under its mere name another machine may answer.
    """
    from rollout.executors._unit import file_name
    from rollout.executors.ansible import AnsibleExecutor
    from rollout.executors.checks import Checks
    from rollout.executors.sweep import Sweep
    from rollout.plan.vaults import Vaults

    names = frozenset(inventory.all_hosts)

    def known(host: str) -> str:
        if host not in names:
            raise InventoryError("it has left the inventory, so how to reach it is not known: put it back")
        return host

    folder = plan_file.absolute().parent
    vaults = Vaults(folder)

    def connect(host: str, variables: Mapping[str, Any]) -> Connection:
        return ssh.connect(known(host), vaults.opened(host, variables))

    def variables_of(host: str) -> Mapping[str, Any]:
        return inventory.variables(known(host))

    folder = plan_file.absolute().parent
    executor = AnsibleExecutor(units, variables_of, inventory.groups, folder, connect=connect)
    sweep = Sweep(units, variables_of, inventory.groups, folder, processes=graph.controller)

    def end(run: str) -> None:
        sweep.close()
        executor.end(run)

    asker = ThreadedAsker(gates(graph))
    paths = ThreadedPaths(Examiner(SshWays(graph, lambda host: vaults.opened(host, variables_of(host)))))
    kept = units.parent / "gates"
    check = Checks(units.parent / "checks", variables_of, inventory.groups, folder, at_once=graph.controller)

    def folder_of(run: str, host: str) -> str:
        return str(kept / file_name(run) / file_name(host))

    return Reach(
        executor,
        asker,
        drains(graph),
        inventory.variables,
        connect,
        executor.prune,
        end,
        sweep.run,
        paths,
        folder_of,
        check,
    )


def gates(graph: Graph) -> dict[str, Gate]:
    """The plan's gates, each with its settings. Raises RolloutError for a kind that is not installed here."""
    found: dict[str, Gate] = {}
    for rule in graph.gates:
        kind: Any = kinds.load("gates", rule.kind)
        found[rule.name] = kind.model_validate(dict(rule.settings))
    return found


def drains(graph: Graph) -> dict[str, Drain]:
    """The kinds of drains that the chains name."""
    steps = [step for combo in graph.combos.values() for step in combo.chain]
    names = {name for step in steps for name in (step.drain, step.reopen) if name}
    found: dict[str, Drain] = {}
    for name in sorted(names):
        kind: Any = kinds.load("drains", name)
        found[name] = kind()
    return found


class TickingInbox(Inbox):
    """An inbox that shows the time to a screen whenever the engine waits."""

    def __init__(self, tick: Callable[[float], None]) -> None:
        super().__init__()
        self._tick = tick

    def get(self, until: float | None) -> Message | None:
        self._tick(self.now())
        return super().get(until)


def control(
    book: Journal,
    run: str,
    graph: Graph,
    reach: Reach,
    screen: Screen,
    *,
    lift: str | None = None,
    gone: Mapping[str, str] | None = None,
    force: bool = False,
    until: float | None = None,
    unattended: bool = False,
) -> tuple[Stop, State]:
    """Carry the run on until it ends or stops. `lift`: why a pause is lifted first. `force`: as in `Journal.claim`.

    `until`: when this controller has to end, in seconds since the epoch; then it stops safely. `unattended`: as of Engine.

    Raises Locked, LeaseLost, JournalError.
    """
    lease = book.claim(run, Owner.current(), force=force)
    if lift is not None:
        book.request(run, Event(Kind.CONTINUED, lift))
    inbox = TickingInbox(screen.tick)
    try:
        engine = Engine(
            book,
            lease,
            graph,
            reach.steps(),
            reach.asker,
            reach.subjects(graph, run),
            inbox,
            listener=screen.tell,
            gone=gone,
            paths=reach.paths,
            until=until,
            unattended=unattended,
        )
    except Amended as error:
        book.release(lease, error.exit_code, str(error))
        raise
    if until is not None:
        words = (
            "time used up: nothing more began, and what was in flight has ended; `rollout resume` carries on"
        )
        inbox.post(StopAsked(TIME_BUDGET_USED, words), after=until - inbox.now())
    with screen, stopping(inbox, screen.cut):
        stop = engine.run()
    reach.tidy(run)
    return stop, engine.state


@contextmanager
def stopping(inbox: Inbox, cut: Callable[[], str] = str) -> Iterator[None]:
    """The first signal asks for a safe stop; the second ends this process at once. Units live on by themselves.

    One that is ignored already, as SIGHUP is under nohup, stays so. `cut`: as of Screen.
    """
    asked: list[int] = []

    def handle(number: int, _frame: FrameType | None) -> None:
        code = INTERRUPTED if number == signal.SIGINT else TERMINATED
        if asked:
            closing = cut()
            if closing:
                _write(1, f"\n{closing}")
            _say("stopped at once; what runs on hosts goes on, and `rollout resume` finds it\n")
            os._exit(code)
        asked.append(number)
        _say("stopping safely: the steps in flight end first; once more stops at once\n")
        inbox.post(StopAsked(code, f"stopped safely by {signal.Signals(number).name}"))

    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    heeded = [number for number in numbers if signal.getsignal(number) is not signal.SIG_IGN]
    before = {number: signal.signal(number, handle) for number in heeded}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _say(text: str) -> None:
    """A terminal gets its cursor back."""
    cursor = "\x1b[?25h" if sys.stderr.isatty() else ""
    _write(2, f"\n{cursor}rollout: {text}")


def _write(descriptor: int, text: str) -> None:
    """Straight to the descriptor: a signal may come in the middle of a print."""
    try:
        os.write(descriptor, text.encode())
    except OSError:
        return
