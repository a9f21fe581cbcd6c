"""What one host costs when its inventory holds 10,000 others, and rollout has resolved it before. The peer is `ansible-playbook -l HOST`."""

from functools import partial
from pathlib import Path
from typing import Any

import yaml

from benchmarks import best, quick
from benchmarks.yard import Yard
from rollout.lab import HostSpec

SIZE = 1_000 if quick() else 10_000
RACK = 20
TIMES = 1 if quick() else 2
HOST = "one"
WHICH = ("plan", "apply", "peer")


def hosts() -> list[HostSpec]:
    """Those of the lab that this needs."""
    return [HostSpec(HOST)]


def measured(yard: Yard) -> dict[str, float]:
    """CPU-s of `rollout plan`, of `rollout apply` from nothing to a host that is verified, and of the peer, with one host and with all.

    What `apply` costs more than `plan` is the run's one unit.
    """
    playbook = yard.playbook("one", "0")
    real = yaml.safe_load(yard.lab.inventory.read_text())["all"]["children"]["lab"]
    figures: dict[str, float] = {}
    for size in (1, SIZE):
        name = f"tree-{size}"
        _write(yard.folder / f"{name}.yml", size, real)
        yard.plan(name, playbook, HOST, 1, f"{name}.yml")
        plan = yard.rollout("plan", f"{name}-plan.yml")
        yard.run(f"{name}-plan", plan)
        peer = yard.ansible(playbook, HOST, 1, f"{name}.yml")
        figures |= {
            f"plan_of_{size}_cpu_s": best(partial(_cpu, yard, name, plan), TIMES),
            f"apply_of_{size}_cpu_s": best(
                partial(_cpu, yard, name, [*yard.apply(name), "--new-run"]), TIMES
            ),
            f"peer_of_{size}_cpu_s": best(partial(_cpu, yard, name, peer), 1 if size > 1 else TIMES),
        }
    more = {which: figures[f"{which}_of_{SIZE}_cpu_s"] - figures[f"{which}_of_1_cpu_s"] for which in WHICH}
    return {
        **figures,
        "large_tree_unit_cpu_s": more["apply"] - more["plan"],
        "large_tree_run_cpu_s": more["apply"],
        "large_tree_peer_cpu_s": more["peer"],
    }


def _cpu(yard: Yard, name: str, command: list[str]) -> float:
    return yard.run(name, command).cpu


def _write(file: Path, size: int, real: dict[str, Any]) -> None:
    """A tree as people write it, with the lab's host in the midst of others, of which none is there."""
    racks: dict[str, Any] = {}
    for number in range(size):
        rack = racks.setdefault(
            f"rack{number // RACK}", {"vars": {"rack": f"r{number // RACK}"}, "hosts": {}}
        )
        name = HOST if number == size // 2 else f"host-{number:05}"
        rack["hosts"][name] = {**real["hosts"][HOST], "work_s": number % 600}
    file.write_text(
        yaml.dump(
            {"all": {"vars": real["vars"], "children": racks}}, Dumper=yaml.CSafeDumper, sort_keys=False
        )
    )
