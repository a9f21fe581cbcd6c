"""What a command costs before it has done anything: `--help`, and `status` and `why` of a run of 1,000 and 10,000 hosts.

Milliseconds of processor time over bare Python. The peer is `ansible-playbook --version`, which is typed as often.
"""

import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks import best, conclude, cpu_of_process, quick
from rollout import journal
from rollout.graph import compile_graph
from rollout.journal import Journal, Owner
from rollout.model.chain import Step
from rollout.model.event import Event, Kind
from rollout.model.fleet import Fleet, Host
from rollout.model.graph import Graph
from rollout.model.plan import Amount, ComboRule, Limits, Plan
from rollout.model.state import HostState, RunState, Status

SIZES = (1_000, 10_000)
TIMES = 5 if quick() else 15
HELD = 20
CHAIN = (Step("precheck", playbook="p.yml"), Step("upgrade", playbook="u.yml", once=True))


def main() -> int:
    """Measure and print."""
    bare = _ms([sys.executable, "-c", "pass"])
    rollout = [sys.executable, "-m", "rollout"]
    ansible = str(Path(sys.executable).parent / "ansible-playbook")
    figures = {
        "bare_ms": bare,
        "help_ms": _ms([*rollout, "--help"]) - bare,
        "ansible_version_ms": _ms([ansible, "--version"]) - bare,
    }
    with tempfile.TemporaryDirectory() as folder:
        for size in SIZES:
            path = str(Path(folder, f"{size}.sqlite3"))
            with journal.open(path) as book:
                _fill(book, _graph(size))
            at = ["--journal", path]
            figures[f"status_ms_{size}"] = _ms([*rollout, "status", *at]) - bare
            figures[f"why_ms_{size}"] = _ms([*rollout, "why", "host-7", *at]) - bare
            figures[f"pause_ms_{size}"] = _ms([*rollout, "pause", "--reason", "x", *at]) - bare
    figures["status_growth"] = figures["status_ms_10000"] / figures["status_ms_1000"]
    goals = {
        "help_ms": "<= 80",
        "status_ms_1000": "<= 150",
        "status_ms_10000": "<= 150",
        "status_growth": "<= 2",
    }
    return conclude("cli_cost", figures, goals)


def _ms(command: list[str]) -> float:
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)  # bytecode is written once, not measured
    return best(lambda: cpu_of_process(command).cpu * 1e3, TIMES)


def _graph(size: int) -> Graph:
    rule = ComboRule("combo", match={"os": ("old",)}, to={"os": ("new",)}, steps=CHAIN)
    plan = Plan(
        name="benchmark",
        file="plan.yml",
        inventory=("hosts.yml",),
        hosts="all",
        factors={"os": "os", "rack": "rack"},
        combos=(rule,),
        steps=CHAIN,
        waves=(Amount(1), Amount(5, percent=True), Amount(100, percent=True)),
        limits=Limits(Amount(5, percent=True), {"rack": Amount(1)}),
    )
    hosts = tuple(
        Host(f"host-{number}", {"os": "old", "rack": f"rack-{number // 20}"}) for number in range(size)
    )
    racks = {f"rack-{number}": 20 for number in range(size // 20 + 1)}
    return compile_graph(plan, Fleet(hosts, {"rack": racks}), {"plan": "digest"})


def _fill(book: Journal, graph: Graph) -> None:
    """Half of the hosts verified, some held, an event or two of each."""
    book.create("run", graph, plan_file="plan.yml", created_by="benchmark")
    lease = book.claim("run", Owner.current())
    names = list(graph.nodes)
    run = RunState(opened=dict.fromkeys(graph.waves, 1.0))
    hosts = [
        HostState(name, Status.VERIFIED, since=1.0, because="healthy") for name in names[: len(names) // 2]
    ]
    for host in hosts[:HELD]:
        host.status, host.because = Status.HELD, "upgrade failed: no space left on device"
    with book.writing(lease, 0) as writing:
        for host in hosts:
            run.seq = writing.append(Event(Kind.DONE, "", host.name, "upgrade", 1)).seq
        writing.keep(run, hosts)


if __name__ == "__main__":
    sys.exit(main())
