"""Many hosts in the middle of a long step at once: memory of all processes on the controller, and what they use while they wait.

The peer is one plain `ansible-playbook` with as many forks.
"""

import subprocess
import time
from typing import NamedTuple

from benchmarks import quick, trees
from benchmarks.yard import Yard, kill
from rollout.lab import HostSpec

HOSTS = 10 if quick() else 100
WATCHED = 20 if quick() else 40
"""Seconds."""


class Flight(NamedTuple):
    """`idle`, `own_idle`: CPU-s per minute of all processes, and of the first alone."""

    memory: trees.Memory
    own_idle: float
    idle: float
    processes: int


def hosts() -> list[HostSpec]:
    """Those of the lab that this needs."""
    return [HostSpec(f"f{number:02}") for number in range(HOSTS)]


def measured(yard: Yard) -> dict[str, float]:
    """rollout, then the peer, each alone."""
    playbook = yard.playbook("flight", "86400")
    yard.plan("flight", playbook, "f*", HOSTS)
    ours = _watched(yard, yard.start("flight", yard.apply("flight")))
    peer = _watched(yard, yard.start("forks", yard.ansible(playbook, "f*", HOSTS)))
    return {
        "in_flight": HOSTS,
        "pss_mb_per_host": ours.memory.tree / HOSTS,
        "peer_pss_mb_per_host": peer.memory.tree / HOSTS,
        "processes_per_host": ours.processes / HOSTS,
        "controller_rss_mb": ours.memory.own_rss,
        "controller_pss_mb": ours.memory.own_pss,
        "controller_idle_cpu_s_per_minute": ours.own_idle,
        "idle_cpu_s_per_minute_and_host": ours.idle / HOSTS,
        "peer_idle_cpu_s_per_minute_and_host": peer.idle / HOSTS,
    }


def _watched(yard: Yard, process: "subprocess.Popen[bytes]") -> Flight:
    names = [host.name for host in hosts()]
    yard.end_work(names)
    try:
        yard.await_work(names)
        time.sleep(3)
        began, (own, total) = time.monotonic(), trees.cpu(process.pid)
        time.sleep(WATCHED)
        minutes = (time.monotonic() - began) / 60
        own_later, total_later = trees.cpu(process.pid)
        memory = trees.memory(process.pid)
        return Flight(
            memory,
            (own_later - own) / minutes,
            (total_later - total) / minutes,
            len(trees.members(process.pid)),
        )
    finally:
        kill(process)
