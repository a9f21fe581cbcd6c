"""How long many real hosts take with ten at a time, over the least that it could take.

Durations are lognormal with stragglers. The lower bound is max(all work / slots, longest host): nothing can be faster. Nothing is subtracted
from what a tool needs: its start, its reading of the inventory, each `ansible-playbook`, and the order in which the stragglers happen to come.
"""

import heapq
import random
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from benchmarks import quick
from benchmarks.yard import Used, Yard
from rollout.lab import HostSpec

HOSTS, SLOTS = (15, 3) if quick() else (50, 10)
MEAN = 1.5 if quick() else 20.0
"""Seconds of work on a host: an upgrade in small."""

SIGMA, STRAGGLERS, SLOWER = 0.4, 0.02, 4.0
LUCK = 1.10
"""The most that the order of the hosts alone may cost: of two seeds one has its straggler first, the other last, and no tool here can know."""

PEERS: dict[str, dict[str, Any]] = {
    "serial": {"serial": SLOTS},
    "serial_percent": {"serial": "20%"},
    "host_pinned": {"strategy": "host_pinned"},
}


def durations(seed: int) -> list[float]:
    """Seconds of work of each host, in the order of the inventory."""
    chance = random.Random(seed)
    work = [chance.lognormvariate(0.0, SIGMA) for _ in range(HOSTS)]
    for host in chance.sample(range(HOSTS), max(1, round(STRAGGLERS * HOSTS))):
        work[host] *= SLOWER
    scale = MEAN * HOSTS / sum(work)
    return [round(seconds * scale, 2) for seconds in work]


def lower_bound(work: Sequence[float]) -> float:
    """Seconds."""
    return max(sum(work) / SLOTS, *work)


def list_schedule(work: Sequence[float]) -> float:
    """Seconds until the last host is done if each slot takes the next host at once, at no cost."""
    slots = [0.0] * SLOTS
    for seconds in work:
        heapq.heapreplace(slots, slots[0] + seconds)
    return max(slots)


def chosen() -> list[float]:
    """Of the first seed whose order is not bad luck."""
    tried = (durations(seed) for seed in range(10_000))
    return next(work for work in tried if list_schedule(work) <= LUCK * lower_bound(work))


WORK = chosen()


def hosts() -> list[HostSpec]:
    """Those of the lab that this needs."""
    return [HostSpec(f"m{number:02}", variables={"work_s": seconds}) for number, seconds in enumerate(WORK)]


def measured(yard: Yard) -> dict[str, float]:
    """First rollout, by itself; then the peers, all at the same time, for they wait more than they compute."""
    yard.plan("makespan", yard.playbook("work", "{{ work_s }}"), "m*", SLOTS)
    ours = yard.run("makespan", yard.apply("makespan"))
    with ThreadPoolExecutor() as pool:
        peers = dict(zip(PEERS, pool.map(lambda name: _peer(yard, name), PEERS), strict=True))
    bound = lower_bound(WORK)
    return {
        "lower_bound_s": bound,
        "list_schedule_of_bound": list_schedule(WORK) / bound,
        "rollout_of_bound": ours.wall / bound,
        **{f"{name}_of_bound": used.wall / bound for name, used in peers.items()},
        "rollout_cpu_s_per_host": ours.cpu / HOSTS,
        "serial_cpu_s_per_host": peers["serial"].cpu / HOSTS,
        "host_pinned_cpu_s_per_host": peers["host_pinned"].cpu / HOSTS,
        **_overhead(yard),
    }


def _peer(yard: Yard, name: str) -> Used:
    playbook = yard.playbook(name, "{{ work_s }}", **PEERS[name])
    return yard.run(name, yard.ansible(playbook, "m*", SLOTS))


def _overhead(yard: Yard) -> dict[str, float]:
    """Seconds that a step takes beside the work on its host, and until the next host begins in the place of one that is done."""
    events = [event for event in yard.events("makespan") if event["event"] in {"step-intended", "step-done"}]
    begun = {event["host"]: event["at"] for event in events if event["event"] == "step-intended"}
    done = {event["host"]: event["at"] for event in events if event["event"] == "step-done"}
    over = sorted(done[f"m{number:02}"] - begun[f"m{number:02}"] - work for number, work in enumerate(WORK))
    nexts = sorted(begun.values())[SLOTS:]
    gaps = [after - before for before, after in zip(sorted(done.values()), nexts, strict=False)]
    return {
        "step_overhead_s": sum(over) / len(over),
        "least_step_overhead_s": over[0],
        "worst_step_overhead_s": over[-1],
        "next_host_after_s": sum(gaps) / len(gaps),
    }
