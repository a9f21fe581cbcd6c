"""Plans, fleets and fortunes by chance, for the invariants of the ramp: all that is drawn follows from the seed."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from random import Random
from typing import Literal

from rollout.executors.imagined import Chances, Defect
from rollout.executors.rehearsal import Fault
from rollout.graph import compile_graph
from rollout.model.chain import Step
from rollout.model.fleet import Fleet, Host
from rollout.model.graph import Graph
from rollout.model.plan import (
    EVIDENCE,
    RAMP,
    RUNGS,
    After,
    Amount,
    Approval,
    Budget,
    ComboRule,
    Edge,
    Failures,
    GateRule,
    Ladder,
    Limits,
    Moment,
    Plan,
    Soak,
    Together,
)
from rollout.model.seams import Ending
from rollout.model.windows import Dates, Weekly, Window
from rollout.plan.zones import zone
from tests.fleet import CHAIN, a_combo

HOUR, DAY = 3600.0, 86400.0
MONDAY = 1_794_787_200.0
"""2026-11-16, midnight in UTC: no clock changes for months."""

CLOSING = Step(
    "drain", playbook="close.yml", disruptive=True, undo=Step("undo-drain", playbook="open.yml", of="drain")
)
CHAINS: tuple[tuple[Step, ...], ...] = (
    CHAIN,
    (CHAIN[0], replace(CHAIN[0], name="stage", retries=1), CLOSING, *CHAIN[1:]),
    CHAIN[1:],
)
ENDINGS = tuple(
    ending
    for ending in Ending
    if ending not in {Ending.DONE, Ending.NEVER_BEGAN, Ending.CONTROLLER, Ending.RESUMABLE}
)
MOMENTS: tuple[tuple[Edge, str], ...] = (
    ("after", "verify"),
    ("after", "verify"),
    ("after", "reboot"),
    ("before", "upgrade"),
    ("before", "run"),
    ("before", "wave"),
    ("after", "wave"),
)
SIZES = ("1", "2", "5%", "25%", "100%"), ("3", "50%", "100%"), ("100%",), ("1", "30%")


@dataclass(frozen=True)
class Night:
    """A window by hand: from that hour on those days (Monday is 0), for so many hours. `zone`: None for the host's own."""

    days: tuple[int, ...]
    begins: int
    hours: int
    zone: str | None


@dataclass(frozen=True)
class Drawn:
    """A run before it begins. `denied`: the first and the last day (since the epoch) on which nothing may begin, in UTC."""

    seed: int
    fleet: Fleet
    plan: Plan
    graph: Graph
    chances: Chances
    faults: Mapping[tuple[str, str], Fault]
    start: float
    nights: tuple[Night, ...] = ()
    denied: tuple[int, int] | None = None
    zone_of: Mapping[str, str] = field(default_factory=dict)
    crashes: int = 0
    """How many controllers die."""
    meddling: int = 0
    """After how many of a hundred events a person meddles."""


def drawn(seed: int, sizes: tuple[int, int] = (20, 50)) -> Drawn:
    """All of it. `sizes`: the fewest and the most hosts."""
    dice = Random(seed)
    combos = "abcd"[: dice.randint(1, 4)]
    hosts = _hosts(dice, dice.randint(*sizes), combos)
    nights, denied = _nights(dice) if dice.random() < 0.3 else ((), None)
    start = MONDAY + dice.randrange(7 * 24) * HOUR
    plan = replace(
        _plan(dice, combos),
        windows=_windows(nights, denied),
        deadline=start + dice.choice([2, 8, 30]) * HOUR if dice.random() < 0.15 else None,
    )
    zones = {host.name: host.zones[0] for host in hosts}
    fleet = Fleet(hosts, _sizes_of(hosts), {name: zone(name) for name in (*ZONES, "UTC")})
    graph = compile_graph(plan, fleet, {"plan": str(seed)})
    names = sorted(graph.nodes)
    steps = sorted({step.name for combo in graph.combos.values() for step in combo.chain})
    faults = {
        (dice.choice(names), dice.choice(steps)): Fault(dice.choice(ENDINGS), dice.choice([1, 1, 2, 99]))
        for _ in range(dice.choice([0, 0, 1, 3, 8]) if names else 0)
    }
    return Drawn(
        seed,
        fleet,
        plan,
        graph,
        _chances(dice, combos),
        faults,
        start,
        nights,
        denied,
        zones,
        crashes=dice.choice([0, 1, 3]),
        meddling=dice.choice([0, 1, 4]),
    )


ZONES = ("Europe/Berlin", "Asia/Tokyo", "America/Los_Angeles")


def _hosts(dice: Random, number: int, combos: str) -> tuple[Host, ...]:
    racks, kinds = dice.randint(2, 7), dice.randint(1, 3)
    weights = [dice.choice([1, 3, 9]) for _ in combos]
    hosts: list[Host] = []
    for combo in [*combos, *dice.choices(combos, weights, k=number - len(combos))]:
        name = f"{combo}{len(hosts)}"
        rack = dice.randrange(racks)
        factors = {
            "hardware": combo,
            "os": "new" if dice.random() < 0.03 else "old",
            "kind": f"k{dice.randrange(kinds)}",
            "site": f"s{rack % 2}",
            "rack": f"r{rack}",
        }
        guests = dice.choice([None, 0, 3, 40])
        own = (ZONES[rack % len(ZONES)],)
        chosen = dice.random()
        hosts.append(
            Host(
                name, factors, digest=name, guests=guests, pilot=chosen < 0.03, last=chosen > 0.97, zones=own
            )
        )
    return tuple(hosts)


def _sizes_of(hosts: Sequence[Host]) -> dict[str, dict[str, int]]:
    return {
        factor: dict(Counter(host.factors[factor] for host in hosts))
        for factor in ("hardware", "os", "kind", "site", "rack")
    }


def _plan(dice: Random, combos: str) -> Plan:
    chains = {
        name: tuple(_slower(step, dice.choice([1, 10])) for step in dice.choice(CHAINS)) for name in combos
    }
    rules: list[ComboRule] = []
    for name in combos:
        earlier = [rule.name for rule in rules]
        after = (
            [After(dice.choice(earlier), dice.choice(["canaries", 0.5, 1.0]))]
            if earlier and dice.random() < 0.4
            else []
        )
        rules.append(a_combo(name, after=after, steps=chains[name]))
    ladder = dice.random() < 0.6
    harm = dice.choice([1.0, 3.0, 3.0, 10.0]) if ladder or dice.random() < 0.3 else None
    rungs = tuple(rung for rung in RUNGS if dice.random() < 0.8)
    waves = None if ladder else tuple(_amount(size) for size in dice.choice(SIZES))
    asked = (dice.choice([*rungs, RAMP]) if ladder else "1",)
    return Plan(
        name="ramp",
        file="plan.yml",
        inventory=("hosts.yml",),
        hosts="all",
        factors={name: name for name in ("hardware", "os", "kind", "site", "rack")},
        combos=tuple(rules),
        steps=CHAIN,
        waves=waves,
        scope=dice.choice(["combo", "fleet"]),
        ladder=Ladder(rungs, factors=dice.choice([None, ("kind", "site")])),
        harm=harm,
        approval=Approval(asked) if dice.random() < 0.2 else Approval(),
        soak=Soak(dice.choice([0.0, 600.0, DAY]), dice.choice([0.0, 60.0, 600.0])),
        limits=_limits(dice, combos),
        failures=_failures(dice),
        gates=_gates(dice),
    )


def _slower(step: Step, times: int) -> Step:
    return replace(step, expect=step.expect * times, timeout=step.timeout * times)


def _amount(text: str) -> Amount:
    return Amount(float(text.rstrip("%")), percent=text.endswith("%"))


def _limits(dice: Random, combos: str) -> Limits:
    per = {
        factor: _amount(dice.choice(["1", "2", "20%", "50%"]))
        for factor in ("rack", "site")
        if dice.random() < 0.4
    }
    sets = [Together("pair", (f"{combos[0]}*",), 1), Together("tens", ("*0", "*5"), dice.randint(1, 2))]
    return Limits(
        at_once=_amount(dice.choice(["1", "3", "8", "10%", "50%"])),
        per=per,
        controller=dice.choice([1, 4, 100, 100]),
        together=tuple(one for one in sets if dice.random() < 0.3),
    )


def _failures(dice: Random) -> Failures:
    kind: Literal["isolate", "halt"] = dice.choice(["isolate", "isolate", "halt"])
    per: dict[str, Budget | int] = {"rack": 1, "kind": Budget(Amount(20, percent=True), 2)}
    return Failures(
        canary=dice.choice([0, 0, 1, 5]),
        combo=dice.choice([0, 1, Budget(Amount(10, percent=True)), EVIDENCE]),
        run=dice.choice([None, 0, 4, Budget(Amount(25, percent=True), 3)]),
        per={factor: budget for factor, budget in per.items() if dice.random() < 0.2},
        on_fault=kind,
    )


def _gates(dice: Random) -> tuple[GateRule, ...]:
    moments = dice.sample(MOMENTS, dice.randint(0, 4))
    return tuple(
        GateRule(
            f"gate-{number}",
            "command",
            Moment(*moment),
            remembers=moment == ("after", "verify") and dice.random() < 0.3,
            retries=dice.randint(0, 2),
        )
        for number, moment in enumerate(dict.fromkeys(moments))
    )


def _chances(dice: Random, combos: str) -> Chances:
    defects = []
    if dice.random() < 0.4:
        factors = dice.choice(
            [{"hardware": dice.choice(combos)}, {"kind": "k0"}, {"rack": "r1"}, {"kind": "k0", "site": "s1"}]
        )
        late = dice.choice([None, 300.0, 300.0, 2 * DAY])
        defects.append(Defect("planted", factors, q=dice.choice([0.1, 0.3, 1.0]), late=late))
    return Chances(
        spread=dice.choice([0.0, 0.3]),
        stragglers=dice.choice([0.0, 0.05]),
        base=dice.choice([0.0, 0.02, 0.1]),
        gaps=dice.choice([0.0, 0.0, 0.03]),
        defects=tuple(defects),
    )


def _nights(dice: Random) -> tuple[tuple[Night, ...], tuple[int, int] | None]:
    """Some wrap over midnight, two may overlap, and one is too short for most hosts."""
    days = [(0, 1, 2, 3, 4), (5, 6), tuple(range(7))]
    nights = tuple(
        Night(
            dice.choice(days),
            dice.choice([1, 12, 22, 23]),
            dice.choice([1, 4, 8]),
            dice.choice([None, "UTC", ZONES[0]]),
        )
        for _ in range(dice.randint(1, 2))
    )
    first = int(MONDAY // DAY) + dice.randrange(10)
    return nights, dice.choice([None, (first, first + dice.randrange(3))])


def _windows(nights: Sequence[Night], denied: tuple[int, int] | None) -> tuple[Window, ...]:
    allow = [
        Window(
            True,
            (Weekly(night.days, night.begins * 3600, night.hours * HOUR),),
            night.zone or "{{ site_timezone }}",
            "allowed",
        )
        for night in nights
    ]
    deny = (
        [Window(False, (Dates(denied[0] * DAY, (denied[1] + 1) * DAY, late=True),), "UTC", "denied")]
        if denied
        else []
    )
    return (*allow, *deny)
