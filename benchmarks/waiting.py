"""The controller's processor time while one host is at work for long: rollout, plain `ansible-playbook`, and the same with our ansible.cfg.

All three at the same time, each with a host of its own. Cost of a step of T minutes = fixed + T x waiting, where waiting is what the whole
tree of processes used while the host slept, and fixed all the rest. rollout's is `apply` with everything: the controller, the supervisor and
Ansible; its inventory was resolved before, as `rollout plan` does.
"""

import time
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

from benchmarks import quick, trees
from benchmarks.yard import Yard
from rollout.executors._config import ansible_cfg
from rollout.lab import HostSpec

SLEEP, WATCHED = (28, 20) if quick() else (75, 60)
"""Seconds that the host works, and for how long of them the processes are watched."""

LONG = 30
"""Minutes of the step that the goal is about."""


class Cost(NamedTuple):
    """CPU-s, and CPU-s per minute. `controller`: rollout's own process, of the waiting."""

    fixed: float
    waiting: float
    controller: float

    def of(self, minutes: float) -> float:
        """CPU-s of one host that takes so long."""
        return self.fixed + minutes * self.waiting


def hosts() -> list[HostSpec]:
    """Those of the lab that this needs."""
    return [HostSpec(f"long-{name}") for name in ("rollout", "defaults", "ours")]


def measured(yard: Yard) -> dict[str, float]:
    """The three costs, and rollout's over the others' at 30 minutes."""
    playbook = yard.playbook("long", str(SLEEP))
    yard.plan("rollout", playbook, "long-rollout", 1)
    yard.run("rollout-plan", yard.rollout("plan", "rollout-plan.yml"))
    ours = ansible_cfg({}).replace("enable_plugins = script", "enable_plugins = yaml")
    (yard.folder / "ours.cfg").write_text(ours)
    commands = {
        "rollout": (yard.apply("rollout"), "plain.cfg"),
        "defaults": (yard.ansible(playbook, "long-defaults", 1), "plain.cfg"),
        "ours": (yard.ansible(playbook, "long-ours", 1), "ours.cfg"),
    }
    with ThreadPoolExecutor() as pool:
        costs = dict(
            zip(commands, pool.map(lambda name: _cost(yard, name, *commands[name]), commands), strict=True)
        )
    print(f"CPU-s of a step of T minutes: {', '.join(_formula(name, cost) for name, cost in costs.items())}")
    figures = {f"{name}_fixed_cpu_s": cost.fixed for name, cost in costs.items()}
    figures |= {f"{name}_waiting_cpu_s_per_minute": cost.waiting for name, cost in costs.items()}
    long = {name: cost.of(LONG) for name, cost in costs.items()}
    return {
        **figures,
        "rollout_controller_cpu_s_per_minute": costs["rollout"].controller,
        "long_of_defaults": long["rollout"] / long["defaults"],
        "long_of_ours": long["rollout"] / long["ours"],
    }


def _cost(yard: Yard, name: str, command: list[str], config: str) -> Cost:
    begun = time.monotonic()
    process = yard.start(name, command, config)
    yard.await_work([f"long-{name}"], SLEEP - 5)
    time.sleep(2)
    began, (own, total) = time.monotonic(), trees.cpu(process.pid)
    time.sleep(WATCHED)
    minutes = (time.monotonic() - began) / 60
    own_later, total_later = trees.cpu(process.pid)
    used = yard.ended(name, process, begun)
    waiting = (total_later - total) / minutes
    return Cost(used.cpu - waiting * SLEEP / 60, waiting, (own_later - own) / minutes)


def _formula(name: str, cost: Cost) -> str:
    return f"{name} {cost.fixed:.2f} + {cost.waiting:.3f} T = {cost.of(LONG):.1f} at {LONG}"
