"""Carrying out steps on real SSH hosts, beside plain `ansible-playbook` with the same playbook, in the same lab, in the same call.

Four parts, each in a file that says what it measures and how: `real_hosts`, `waiting`, `large_tree`, `flight`. `--part NAME` takes one alone, and
may be given several times. All of them take some ten minutes on a quiet machine of two cores. It needs root, for the lab.

The wall figures of `real_hosts` are worth something only when nothing else runs: the load of the machine is printed before and after. They are
no goal with `--quick`, whose hosts work for a second or two: less than an `ansible-playbook` needs for its start.

Where rollout loses, by design: a process per host and step starts Ansible anew each time. That is 1.5 CPU-s where a shared `ansible-playbook`
needs 0.2 to 0.5, and some 85 MB while the step runs where a further fork needs 15. A hundred waiting hosts take a fifth of a processor, where the
peer's one poll loop, which burns for one host as for all, takes an eighth. It buys steps that outlive the controller, one host's crash that is
one host's, and windows, gates and budgets between any two hosts. For steps of seconds, that is a bad bargain.
"""

import sys
from itertools import pairwise
from pathlib import Path
from types import ModuleType

from benchmarks import conclude, flight, large_tree, quick, real_hosts, waiting
from benchmarks.yard import yard

PARTS: dict[str, ModuleType] = {
    "real_hosts": real_hosts,
    "waiting": waiting,
    "large_tree": large_tree,
    "flight": flight,
}
GOALS = {
    "rollout_of_bound": "<= 1.15",
    "long_of_defaults": "<= 0.2",
    "long_of_ours": "<= 1.8",
    "large_tree_unit_cpu_s": "<= 0.3",
    "pss_mb_per_host": "<= 90",
    "controller_idle_cpu_s_per_minute": "<= 0.2",
}


def main() -> int:
    """Measure and print."""
    parts = _asked() or PARTS
    figures: dict[str, float] = {}
    with yard([host for part in parts.values() for host in part.hosts()]) as ground:
        for name, part in parts.items():
            before = _load()
            figures |= part.measured(ground)
            print(f"{name}: the load of the machine was {before:g}, and {_load():g} afterwards", flush=True)
    no_goal = {"rollout_of_bound"} if quick() else set()
    goals = {figure: goal for figure, goal in GOALS.items() if figure in figures and figure not in no_goal}
    return conclude("execution", figures, goals)


def _asked() -> dict[str, ModuleType]:
    words = sys.argv[1:]
    names = [after for word, after in pairwise(words) if word == "--part"]
    if unknown := [name for name in names if name not in PARTS]:
        raise SystemExit(f"no part {unknown[0]}: there are {', '.join(PARTS)}")
    return {name: PARTS[name] for name in names}


def _load() -> float:
    return float(Path("/proc/loadavg").read_text(encoding="ascii").split()[0])


if __name__ == "__main__":
    sys.exit(main())
