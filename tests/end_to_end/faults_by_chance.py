"""A run with faults planted in it at random moments, from a seeded list, on hosts of the lab."""

import random
import subprocess
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path

from rollout import journal
from rollout.errors import JournalError
from rollout.executors._unit import Unit
from rollout.journal import Life, Owner, RunRow
from rollout.model.state import Status
from tests.end_to_end import besieged
from tests.end_to_end.invariants import Planted, Record
from tests.end_to_end.operating import Operator, living
from tests.journal.postgres_server import Server

ELSEWHERE = "elsewhere"
FOREIGN = f'hostname {ELSEWHERE} && mount --bind "$0" /proc/sys/kernel/random/boot_id && exec rollout "$@"'
"""As a controller of another machine looks from here: only its name and boot differ, and only to itself."""

PATIENCE = 480.0
"""Seconds for anything that has to happen, on a machine with much else to do."""

LEASE = "rollout_lease=30"
"""The shortest: whoever is silent for so many seconds is taken for dead."""

GLANCE = 3.0
"""Seconds between two looks of a person at the hosts that are held."""

ENDS = 12
"""How often a controller may end with hosts held, before the run counts as one that does not end."""


Fault = Callable[["Round"], Iterable[str] | None]
"""Gives the hosts that it struck; None when there was nothing to strike."""


class Round:
    """One run. `server`: its journal is kept there, else in a file. `shipped`: it carries out the shipped release upgrade.

    `lapses`: a frozen controller's lease is waited for where leases lapse; else a person says that it is dead.
    """

    def __init__(
        self,
        operator: Operator,
        name: str,
        hosts: Sequence[str],
        chance: random.Random,
        *,
        server: Server | None,
        shipped: bool,
        lapses: bool,
    ) -> None:
        self.operator, self.name, self.hosts, self.chance = operator, name, list(hosts), chance
        self.server, self.shipped, self.lapses = server, shipped, lapses
        self.journal = f"{server.emptied()}&{LEASE}" if server else str(operator.state / f"{name}.sqlite3")
        self.file = besieged.write_plan(operator, name, self.hosts, shipped=shipped)
        self.planted: list[Planted] = []
        self.notes: list[str] = []
        self._due: list[tuple[float, Callable[[], None]]] = []
        self._ends = 0
        self._outputs = 0
        self._answered: set[tuple[str, float]] = set()
        self._looked = time.monotonic()
        if shipped:
            for host in hosts:
                operator.on(host, besieged.SLOW_DPKG)
        self.controller = self.start()

    # --- controllers -----------------------------------------------------------------------------------------------------

    def start(self, *, foreign: bool = False, take_over: bool = False) -> subprocess.Popen[str]:
        """The next controller: `resume`, or `apply` if the run is not in the journal yet."""
        resume = ["resume", *(["--take-over"] if take_over else [])]
        words = resume if self.row() else ["apply", self.file, "--yes"]
        command = ["rollout", *words, "--journal", self.journal]
        if foreign:
            boot = self.operator.folder / "another-boot"
            boot.write_text("00000000-0000-4000-8000-000000000000\n")
            apart = [
                "unshare",
                "--mount",
                "--uts",
                "--propagation",
                "private",
                "sh",
                "-c",
                FOREIGN,
                str(boot),
            ]
            command = [*apart, *command[1:]]
        self._outputs += 1
        with (self.operator.folder / f"{self.name}.{self._outputs}.out").open("w") as output:
            return self.operator._popen(self.operator.lab.inside(command), output.fileno())

    def row(self) -> RunRow | None:
        """The run in the journal; None before it is there."""
        if self.server is None and not Path(self.journal).exists():
            return None
        try:
            with journal.open(self.journal) as book:
                return next(iter(book.runs()), None)
        except JournalError as error:
            self.notes.append(f"journal: {error}")
            return None

    def restart(self) -> None:
        """A controller of another machine cannot be seen to be dead: a person says so."""
        row = self.row()
        unseen = row is not None and row.life(Owner.current()) in {Life.UNKNOWN, Life.LAPSED}
        self.controller = self.start(take_over=unseen)

    def strike_down(self) -> None:
        """kill -9 of the controller."""
        self.controller.kill()
        self.controller.wait()

    def held(self) -> list[tuple[str, float]]:
        """By name, and since when."""
        with journal.open(self.journal) as book:
            row = book.run()
            return [(host.name, host.since) for host in book.hosts(row.id, Status.HELD)]

    # --- time --------------------------------------------------------------------------------------------------------------

    def later(self, seconds: float, act: Callable[[], None]) -> None:
        self._due.append((time.monotonic() + seconds, act))

    def pause(self, seconds: float) -> None:
        """Do what falls due meanwhile."""
        until = time.monotonic() + seconds
        while True:
            now = time.monotonic()
            due, self._due = (
                [act for at, act in self._due if at <= now],
                [one for one in self._due if one[0] > now],
            )
            for act in due:
                act()
            if now >= until:
                return
            time.sleep(0.05)

    def wait_until(self, true: Callable[[], bool], what: str) -> None:
        until = time.monotonic() + PATIENCE
        while not true():
            if time.monotonic() > until:
                raise TimeoutError(f"{self.name}: not within {PATIENCE:g} s: {what}\n{self.said()}")
            self.pause(0.1)

    def output(self, number: int) -> list[str]:
        """Lines of a controller, the first being 1."""
        return (self.operator.folder / f"{self.name}.{number}.out").read_text().splitlines()

    def said(self, lines: int = 12) -> str:
        """The last words of the last controllers, and what was done to them."""
        last = range(max(1, self._outputs - 2), self._outputs + 1)
        texts = [f"--- controller {number}\n" + "\n".join(self.output(number)[-lines:]) for number in last]
        return "\n".join([*map(str, self.planted), *self.notes, *texts])

    # --- the round ---------------------------------------------------------------------------------------------------------

    def carry_out(self, faults: Mapping[str, "Fault"]) -> Record:
        """Plant one fault after the other, as long as there is a run to plant them in; then bring the run to its end."""
        for kind, plant in faults.items():
            self.pause(self.chance.uniform(0.0, 2.0))
            if self.is_over():
                break
            at = time.time()
            hosts = plant(self)
            if hosts is not None:
                self.planted.append(Planted(kind, at, frozenset(hosts)))
        self.wait_until(self.is_over, "the end of the run")
        return self.record()

    def is_over(self) -> bool:
        """Whether every host is verified. A controller that ended before that is followed by the next, after a person's answers."""
        code = self.controller.poll()
        if code == 0:
            return True
        if code is None:
            if time.monotonic() > self._looked + GLANCE and self.row():
                self.answer()
            return False
        self._ends += 1
        if self._ends > ENDS:
            raise TimeoutError(f"{self.name} does not end: {ENDS} controllers did\n{self.said()}")
        database_away = code == 1 and any("cannot be reached" in line for line in self.output(self._outputs))
        if code not in {3, 4, 8} and not database_away:
            self.notes.append(
                f"controller {self._outputs} ended with {code}: {self.output(self._outputs)[-1:]}"
            )
        self.answer()
        if code == 3:
            self.answer_for_the_healed()
        self.restart()
        return False

    def answer(self) -> None:
        """A person has seen to it that held hosts have power and a network, and lets them try again."""
        self._looked = time.monotonic()
        held = [one for one in self.held() if one not in self._answered]
        if held:
            self.wait_until(lambda: not self._due, "what was planned")
        for host, since in held:
            self.wait_until(partial(self.is_up, host), f"{host} is up")
            words = (
                "resolve",
                host,
                "--as",
                "retry",
                "--reason",
                "I looked at it",
                "--journal",
                self.journal,
            )
            done = self.operator.rollout(*words)
            self._answered.add((host, since))
            if done.code:
                self.notes.append(f"resolve {host}: {done.said}")

    def answer_for_the_healed(self) -> None:
        """Hosts that a retry has healed count as failures all the same, and too many of them stop what is like them."""
        with journal.open(self.journal) as book:
            run = book.run().id
            known = book.load(run, book.graph(run))[1]
        healed = [host.name for host in known.values() if host.harmed and host.status is not Status.HELD]
        for host in healed:
            done = self.operator.rollout(
                "retry", host, "--reason", "a fault was planted", "--journal", self.journal
            )
            if done.code:
                self.notes.append(f"retry {host}: {done.said}")

    def is_up(self, host: str) -> bool:
        return self.operator.lab.host(host).state == "up"

    def record(self) -> Record:
        with journal.open(self.journal) as book:
            run = book.run().id
            events = list(book.events(run))
            statuses = {host.name: str(host.status) for host in book.hosts(run)}
            slots = book.slots(run)
        if slots:
            self.notes.append(f"slots are still taken: {slots}")
        seen = {host: besieged.effects(self.operator, host) for host in self.hosts}
        upgrades = {host: self.operator.upgrades(host) for host in self.hosts} if self.shipped else {}
        return Record(self.planted, events, statuses, seen, upgrades, besieged.AT_ONCE)

    # --- what faults strike ------------------------------------------------------------------------------------------------

    def units(self) -> list[Unit]:
        """Those of this round that live."""
        mine = [path for host in self.hosts for path in self.operator.state.glob(f"units/*/{host}/*.*")]
        return living(Unit(path) for path in mine if (path / "process").exists())

    def unit(self, wanted: Callable[[Unit], bool] = lambda _unit: True) -> Unit | None:
        """One of those, by chance, a moment after it was seen; None if none comes in time."""
        until = time.monotonic() + 20.0
        while time.monotonic() < until and not self.is_over():
            found = [unit for unit in self.units() if wanted(unit)]
            if found:
                self.pause(self.chance.choice((0.0, 0.5, 1.0, 2.0, 4.0)))
                return self.chance.choice(found)
            self.pause(0.1)
        return None


def host_of(unit: Unit) -> str:
    return unit.path.parent.name


def is_playing(unit: Unit) -> bool:
    """Whether its Ansible lives."""
    return unit.playbook() is not None
