"""The shipped precheck on many real SSH hosts: as a sweep, and by units, one `ansible-playbook` for each host.

Processor time of the controller with all that it starts; what runs on the hosts is not counted. It needs root, for the lab.
"""

import json
import queue
import resource
import subprocess
import sys
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import NamedTuple

from benchmarks import conclude, quick
from rollout import plan
from rollout.cli.init import shipped_playbooks
from rollout.executors.ansible import AnsibleExecutor
from rollout.executors.sweep import Sweep
from rollout.lab import HostSpec, Lab
from rollout.lab.needs import missing
from rollout.model.seams import Ending, Order, Outcome
from rollout.plan import inventory

HOSTS = 12 if quick() else 60
UNITS_AT_ONCE = 4
WORKERS = 25

PLAN = """rollout: sweep
inventory: lab/inventory
hosts: all
factors: {os: os_release}
combos: [{name: all, match: {os: "*"}, to: {os: labos-2}}]
steps: [{name: precheck, playbook: precheck.yml}]
"""


class Used(NamedTuple):
    """Seconds of processor time and of wall time, and how many hosts the step was done on."""

    cpu: float
    wall: float
    done: int


def main() -> int:
    """Measure and print."""
    if "--measure" in sys.argv:
        measure(sys.argv[sys.argv.index("--measure") + 1])
        return 0
    if lacking := missing():
        raise SystemExit(f"no lab here: it needs {lacking[0]}")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "plan.yml").write_text(PLAN)
        for path in shipped_playbooks().iterdir():
            (folder / path.name).symlink_to(path)
        lab = Lab(folder / "lab")
        try:
            lab.up([HostSpec(f"host-{number}") for number in range(HOSTS)])
            sweep, units = (_measured(lab, folder, how) for how in ("sweep", "units"))
        finally:
            lab.down()
    figures = {
        "hosts": HOSTS,
        "not_done": 2 * HOSTS - sweep.done - units.done,
        "sweep_cpu_s_per_host": sweep.cpu / HOSTS,
        "unit_cpu_s_per_host": units.cpu / HOSTS,
        "cpu_ratio": sweep.cpu / units.cpu,
        "sweep_wall_s": sweep.wall,
        "units_wall_s": units.wall,
    }
    return conclude("sweep", figures, {"cpu_ratio": "<= 0.6", "not_done": "<= 0"})


def _measured(lab: Lab, folder: Path, how: str) -> Used:
    command = lab.inside([sys.executable, "-m", "benchmarks.sweep", "--measure", how, *sys.argv[1:]])
    environment = {"PYTHONPATH": str(Path(__file__).parents[1])}
    done = subprocess.run(
        ["env", *(f"{key}={value}" for key, value in environment.items()), *command],
        cwd=folder, check=True, text=True, stdout=subprocess.PIPE,
    )  # fmt: skip
    return Used(*json.loads(done.stdout))


def measure(how: str) -> None:
    """In the lab's network, in the folder of the plan: one of both, printed as JSON."""
    read = plan.read(Path("plan.yml"))
    found = inventory.resolve(read, Path())
    orders = [
        Order(how, host, read.steps[0], 1, 1, variables={"rollout_to_suite": "birch"}) for host in found.hosts
    ]
    begun, wall = _cpu(), time.monotonic()
    outcomes = (_sweep if how == "sweep" else _units)(found, orders)
    for outcome in outcomes:
        if outcome.ending is not Ending.DONE:
            print(outcome, file=sys.stderr)
    done = sum(outcome.ending is Ending.DONE for outcome in outcomes)
    print(json.dumps([_cpu() - begun, time.monotonic() - wall, done]))


def _sweep(found: inventory.Inventory, orders: list[Order]) -> list[Outcome]:
    sweep = Sweep(Path("units"), found.variables, found.groups, Path(), processes=WORKERS, forks=WORKERS)
    answers: queue.SimpleQueue[Outcome] = queue.SimpleQueue()
    sweep.run(orders, partial(_put, answers))
    outcomes = [answers.get() for _ in orders]
    sweep.close()
    return outcomes


def _units(found: inventory.Inventory, orders: list[Order]) -> list[Outcome]:
    executor = AnsibleExecutor(Path("units"), found.variables, found.groups, Path())
    answers: queue.SimpleQueue[Outcome] = queue.SimpleQueue()
    outcomes: list[Outcome] = []
    for begun, order in enumerate(orders):
        if begun - len(outcomes) >= UNITS_AT_ONCE:
            outcomes.append(answers.get())
        executor.run(order, partial(_put, answers))
    while len(outcomes) < len(orders):
        outcomes.append(answers.get())
    executor.close()
    return outcomes


def _put(answers: "queue.SimpleQueue[Outcome]", outcome: Outcome, after: float = 0.0) -> None:
    del after  # the seam's shape
    answers.put(outcome)


def _cpu() -> float:
    """Of this process and of every child that has ended, with theirs."""
    used = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(one.ru_utime + one.ru_stime for one in used)


if __name__ == "__main__":
    sys.exit(main())
