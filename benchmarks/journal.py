"""What the journal costs: a durable step, taking up a run, and the reads behind `status`, from 100 to 10,000 hosts.

A durable step is an intent and an outcome: two commits, each synced, each with its event and the host's new value.
Every seventh step takes the host's slots and the sixth after it gives them back, as in the chain of seven steps.
The peer is SQLite by itself: two commits of one bare row each, the least that any durable step can cost.

`postgresql_*` are the same on a server of this machine: processor time of the controller, and beside it of its session on the server.
"""

import itertools
import os
import sqlite3
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from benchmarks import best, conclude, cpu, cpu_of_process, quick
from rollout import journal
from rollout.journal import Journal, Lease, Owner
from rollout.journal.address import Address
from rollout.journal.postgresql import PostgresDatabase
from rollout.journal.tables import TableJournal
from rollout.model.chain import Step
from rollout.model.event import Event, Kind
from rollout.model.graph import Combo, Graph, Node, Wave
from rollout.model.state import HostState, RunState, Status
from tests.journal.postgres_server import Server

CHAIN = ("precheck", "stage", "drain", "upgrade", "reboot", "verify", "restore")
DISRUPTED = CHAIN[2:]
SIZES = (100, 1_000, 10_000)
AT_ONCE = 0.05
STEPS = 200 if quick() else 600

_STATUS = """
import sys
from rollout import journal
with journal.open(sys.argv[1]) as opened:
    run = opened.run().id
    opened.summary(run), opened.hosts(run, journal.Status.HELD)
"""


def main() -> int:
    """Measure and print."""
    figures: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as folder:
        figures["bare_step_ms"] = best(lambda: _bare(Path(folder)), 5)
        for size in SIZES:
            path = str(Path(folder, f"{size}.sqlite3"))
            figures |= {f"{name}_{size}": value for name, value in _sized(path, size).items()}
    figures |= {f"postgresql_{name}": value for name, value in _on_a_server(SIZES[1]).items()}
    figures["step_growth"] = figures["step_ms_10000"] / figures["step_ms_100"]
    figures["step_over_bare"] = figures["step_ms_10000"] / figures["bare_step_ms"]
    goals = {f"step_ms_{size}": "<= 0.4" for size in SIZES}
    goals |= {"step_growth": "<= 1.5", "load_cpu_s_10000": "<= 0.5", "status_ms_10000": "<= 150"}
    return conclude("journal", figures, goals)


def _sized(path: str, size: int) -> dict[str, float]:
    graph = _graph(size)
    with journal.open(path) as opened:
        creating, _ = cpu(lambda: opened.create("run", graph, plan_file="plan.yml", created_by="benchmark"))
        writer = _Writer(opened, opened.claim("run", Owner.current()), graph)
        writer.begin_all()
        step = best(lambda: writer.steps(STEPS), 5)
        loading = best(lambda: cpu(lambda: opened.load("run", graph))[0])
        summing = best(lambda: cpu(lambda: opened.summary("run"))[0])
        listing = best(lambda: cpu(lambda: opened.hosts("run"))[0])
        reading = best(lambda: cpu_of_process([sys.executable, "-c", _STATUS, path]).cpu)
    return {
        "create_cpu_s": creating,
        "step_ms": step,
        "load_cpu_s": loading,
        "summary_ms": summing * 1e3,
        "hosts_ms": listing * 1e3,
        "status_ms": reading * 1e3,
    }


def _on_a_server(size: int) -> dict[str, float]:
    graph, server = _graph(size), Server()
    try:
        with TableJournal(database := PostgresDatabase(Address.of(server.url()))) as opened:
            creating, _ = cpu(
                lambda: opened.create("run", graph, plan_file="plan.yml", created_by="benchmark")
            )
            writer = _Writer(opened, opened.claim("run", Owner.current()), graph)
            writer.begin_all()
            ((session,),) = database.read("SELECT pg_backend_pid()")
            before = _cpu_of(session)
            steps = [writer.steps(STEPS) for _ in range(5)]
            serving = (_cpu_of(session) - before) / len(steps) / STEPS * 1e3
            loading = best(lambda: cpu(lambda: opened.load("run", graph))[0])
        reading = best(lambda: cpu_of_process([sys.executable, "-c", _STATUS, server.url()]).cpu)
    finally:
        server.remove()
    return {
        "create_cpu_s": creating,
        "step_ms": min(steps),
        "session_step_ms": serving,
        "load_cpu_s": loading,
        "status_ms": reading * 1e3,
    }


def _cpu_of(pid: int) -> float:
    """Seconds of processor time that another process has used so far."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class _Writer:
    """Plays the engine: walks hosts through the chain, `AT_ONCE` of them disrupted at any time."""

    def __init__(self, opened: Journal, lease: Lease, graph: Graph) -> None:
        self._journal = opened
        self._lease = lease
        self._graph = graph
        self._run = RunState(fence=lease.fence, opened=dict.fromkeys(graph.waves, 1.0))
        self._orders = itertools.cycle(self._walk())

    def begin_all(self) -> None:
        """Every host has a value, so that loading reads all of them."""
        with self._journal.writing(self._lease, 0) as writing:
            hosts = [HostState(name, since=1.0, because="waits for its wave") for name in self._graph.nodes]
            writing.keep(self._run, hosts)

    def steps(self, count: int) -> float:
        """Milliseconds per durable step."""
        return cpu(lambda: self._carry_out(itertools.islice(self._orders, count)))[0] / count * 1e3

    def _walk(self) -> Iterator[tuple[str, str]]:
        names = list(self._graph.nodes)
        group = max(1, int(len(names) * AT_ONCE))
        for first in range(0, len(names), group):
            for step in CHAIN:
                for name in names[first : first + group]:
                    yield name, step

    def _carry_out(self, orders: Iterator[tuple[str, str]]) -> None:
        for name, step in orders:
            self._step(name, step)

    def _step(self, name: str, step: str) -> None:
        held = step in DISRUPTED
        host = HostState(
            name, Status.RUNNING, passed="stage", step=step, attempt=1, open=True, slot=held, since=1.0
        )
        host.because = "its wave is open, and 3 of the 20 hosts that may be disrupted at once are"
        take = [(slot, self._graph.caps[slot]) for slot in self._graph.nodes[name].slots]
        taking = take if step == DISRUPTED[0] else []
        event = Event(Kind.INTENDED, host.because, name, step, 1, {"slots": [slot for slot, _ in taking]})
        self._commit(event, host, taking)
        host.open, host.passed, host.slot = False, step, held and step != DISRUPTED[-1]
        host.answered = {"after verify/fresh-ssh": 1.0}
        self._commit(Event(Kind.DONE, "the playbook finished", name, step, 1), host, [])

    def _commit(self, event: Event, host: HostState, take: list[tuple[str, int]]) -> None:
        with self._journal.writing(self._lease, self._run.seq) as writing:
            written = writing.append(event, take)
            self._run.seq, self._run.at = written.seq, written.at
            writing.keep(self._run, [host])


def _graph(size: int) -> Graph:
    combos = {
        f"combo-{i}": Combo(f"combo-{i}", tuple(Step(s) for s in CHAIN), {}, size // 10) for i in range(10)
    }
    nodes: dict[str, Node] = {}
    for i in range(size):
        name, combo, rack = f"compute-{i:05}.tokyo.example.org", f"combo-{i % 10}", f"r{i // 20}"
        wave = f"{combo}/{1 if i < len(combos) else 2}"
        factors = {
            "hardware": "Dell R650",
            "os": "debian-12",
            "hypervisor": "kvm-7.2",
            "rack": rack,
            "site": "tokyo",
        }
        nodes[name] = Node(
            name, combo, wave, ("fleet", f"rack={rack}"), factors, f"198.18.{i // 250}.{i % 250}", "d" * 16
        )
    waves = {}
    for combo, number in itertools.product(combos, (1, 2)):
        wave = f"{combo}/{number}"
        hosts = tuple(name for name, node in nodes.items() if node.wave == wave)
        waves[wave] = Wave(wave, combo, hosts, canary=number == 1)
    caps = {"fleet": max(1, int(size * AT_ONCE))} | {node.slots[1]: 20 for node in nodes.values()}
    return Graph("benchmark", "0" * 64, nodes, combos, waves, (), caps, 100, 0, dict.fromkeys(combos, 0), 0)


def _bare(folder: Path) -> float:
    with tempfile.TemporaryDirectory(dir=folder) as fresh:
        connection = sqlite3.connect(Path(fresh, "bare.sqlite3"), isolation_level=None)
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("CREATE TABLE event (seq INTEGER PRIMARY KEY, data TEXT)")
        spent, _ = cpu(lambda: _bare_commits(connection, 2 * STEPS))
        connection.close()
    return spent / STEPS * 1e3


def _bare_commits(connection: sqlite3.Connection, count: int) -> None:
    for _ in range(count):
        connection.execute("BEGIN IMMEDIATE")
        connection.execute("INSERT INTO event (data) VALUES (?)", ("its wave is open",))
        connection.execute("COMMIT")


if __name__ == "__main__":
    sys.exit(main())
