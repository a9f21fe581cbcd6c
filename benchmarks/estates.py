"""A fleet as it grows over the years, and plans for it: racks of one kind of hardware, software that is older at some sites, sizes that are skewed.

Everything follows from the size and the seed. What is at 300 hosts one rack of a kind is at 10,000 a dozen.
"""

import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from itertools import combinations

from benchmarks import fleets
from rollout.graph import compile_graph
from rollout.model.fleet import Fleet, Host
from rollout.model.graph import Graph
from rollout.model.plan import EVIDENCE, Amount, ComboRule, Failures, GateRule, Limits, Moment, Plan, Soak

CHAIN = tuple(replace(step, timeout=20 * step.expect) for step in fleets.CHAIN)
"""With time enough for the slowest host: a straggler is no failure here."""

RACK = 20
HARDWARE = tuple(f"hw-{letter}" for letter in "abcdefgh")
OS, HYPERVISOR, NIC = (
    ("os-11", "os-12", "os-13"),
    ("kvm-5", "kvm-7", "xen-4"),
    ("nic-1", "nic-2", "nic-3", "nic-4", "nic-5"),
)
FACTORS = ("hardware", "os", "hypervisor", "nic")
"""What a defect may be tied to."""

FAILURES = Failures(canary=0, combo=EVIDENCE, run=20)
DOMAINS = ("site", "rack")
GATES = (
    GateRule("booted", "boot", Moment("after", "reboot"), remembers=True),
    GateRule("well", "command", Moment("after", "verify")),
)
LIMITS = Limits(
    Amount(5, percent=True), {"rack": Amount(1), "site": Amount(10, percent=True)}, controller=1000
)


def skewed(count: int) -> list[float]:
    """Weights of which each is two thirds of the one before."""
    return [(2 / 3) ** number for number in range(count)]


def a_fleet(size: int, seed: int = 0) -> Fleet:
    """In inventory order: site by site, rack by rack."""
    chance = random.Random(f"{size}/{seed}")
    sites = max(2, min(13, size // 100))
    hosts = []
    for number in range(size):
        rack = number // RACK
        site = rack * sites // -(-size // RACK)
        kind = random.Random(f"{size}/{seed}/rack {rack}").choices(
            range(len(HARDWARE)), skewed(len(HARDWARE))
        )[0]
        older = random.Random(f"{size}/{seed}/site {site}").random()
        factors = {
            "hardware": HARDWARE[kind],
            "os": chance.choices(OS, (0.2 + older, 1.0, 0.4))[0],
            "hypervisor": chance.choices(HYPERVISOR, (0.3 + older / 2, 1.0, 0.15))[0],
            "nic": NIC[(kind + (chance.random() < 0.25)) % len(NIC)],
            "site": f"s{site:02}",
            "rack": f"r{rack:03}",
        }
        hosts.append(Host(f"h{number:05}", factors, digest="d", guests=min(60, int(chance.expovariate(0.1)))))
    sizes: dict[str, dict[str, int]] = {
        domain: dict(Counter(host.factors[domain] for host in hosts)) for domain in DOMAINS
    }
    return Fleet(tuple(hosts), sizes)


def a_plan(
    fleet: Fleet,
    *,
    waves: tuple[Amount, ...] | None = None,
    harm: float | None = 3.0,
    soak: Soak = Soak(24 * 3600, 1800),  # noqa: B008  frozen
    failures: Failures = FAILURES,
    gates: Sequence[GateRule] = GATES,
) -> Plan:
    """A combo for each hardware, OS and hypervisor that there is together; by default the ladder, and the ramp by credit."""
    alike = Counter(
        (host.factors["hardware"], host.factors["os"], host.factors["hypervisor"]) for host in fleet.hosts
    )
    return Plan(
        name="benchmark",
        file="plan.yml",
        inventory=("hosts",),
        hosts="all",
        factors={factor: factor for factor in (*FACTORS, *DOMAINS)},
        combos=tuple(
            ComboRule(
                f"{hardware}-{os}-{hypervisor}",
                {"hardware": (hardware,), "os": (os,), "hypervisor": (hypervisor,)},
                {"os": ("new",)},
                steps=CHAIN,
            )
            for (hardware, os, hypervisor), _ in alike.most_common()
        ),
        steps=CHAIN,
        waves=waves,
        harm=harm,
        soak=soak,
        limits=LIMITS,
        failures=failures,
        gates=tuple(gates),
    )


def a_graph(fleet: Fleet, plan: Plan | None = None) -> Graph:
    """The compiled plan."""
    return compile_graph(plan or a_plan(fleet), fleet, {"plan": "p"})


def pairs(fleet: Fleet) -> list[dict[str, str]]:
    """Every two values of two factors that some host has together."""
    found = {
        tuple((factor, host.factors[factor]) for factor in two)
        for host in fleet.hosts
        for two in combinations(FACTORS, 2)
    }
    return [dict(pair) for pair in sorted(found)]


def singles(fleet: Fleet) -> list[dict[str, str]]:
    """Every value of every factor."""
    found = {(factor, host.factors[factor]) for host in fleet.hosts for factor in FACTORS}
    return [dict([one]) for one in sorted(found)]
