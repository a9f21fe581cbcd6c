"""Imagined metrics of a fleet that is being upgraded: daily load, host effects, noise that lasts, heavy tails, gaps, and what befalls all.

A host's metric is its own level, times its load, times what befell everybody (a deploy, a Monday), times noise: an AR(1) process with
innovations that have a heavy tail. Samples are `STEP` apart, a share of them is missing, and so are some stretches. Counters rise by rare
bursts of events on every host, more often on some.
"""

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass, field

from rollout.model.cohort import Cohort, Peer

STEP = 600.0
DAY = 86400.0
TAIL_VARIANCE = 0.95 + 0.05 * 25
MONDAY = 1_799_625_600.0
"""The midnight, in seconds since the epoch, with which the week of every imagined rollout begins."""


@dataclass(frozen=True, slots=True)
class World:
    """How a rollout goes. `share` of the upgraded hosts become `times` as high; `bursts`: events per hour that they show with counters."""

    seed: int
    hosts: int = 60
    combos: int = 2
    at_once: int = 3
    share: float = 0.0
    times: float = 1.0
    counter: bool = False
    bursts: float = 0.0
    sigma: float = 0.08
    level_shifts: bool = True


@dataclass(slots=True)
class Fleet:
    """The order of things, and each host's samples on demand."""

    world: World
    peers: list[Peer] = field(default_factory=list)
    begin: float = 0.0
    end: float = 0.0
    _rng: random.Random = field(default_factory=random.Random)
    _means: dict[tuple[str, float, float], float] = field(default_factory=dict)
    _days: dict[tuple[str, int], list[float]] = field(default_factory=dict)
    shifts: list[tuple[float, float]] = field(default_factory=list)
    traits: dict[str, "Traits"] = field(default_factory=dict)

    def cohort(self, now: float) -> Cohort:
        """As it was then: who is healthy by now, who is on the way, who is untouched."""
        return Cohort(tuple(_as_of(peer, now) for peer in self.peers))

    def readings(self, instants: Sequence[float], window: float) -> dict[float, dict[str, float]]:
        """What each host's metric was over the windows that end then; hosts without a sample in one are left out."""
        found: dict[float, dict[str, float]] = {}
        for end in instants:
            values = ((peer.host, self._mean(peer, end, window)) for peer in self.peers)
            found[end] = {host: value for host, value in values if not math.isnan(value)}
        return found

    def samples(self, host: str, begin: float, end: float) -> list[float]:
        """Sample by sample, NaN where one is missing."""
        first, last = round(begin / STEP), round(end / STEP)
        per_day = round(DAY / STEP)
        return [self._day(host, number // per_day)[number % per_day] for number in range(first, last)]

    def _mean(self, peer: Peer, end: float, window: float) -> float:
        key = (peer.host, end, window)
        if key not in self._means:
            known = [value for value in self.samples(peer.host, end - window, end) if not math.isnan(value)]
            total = math.fsum(known)
            mean = total if self.world.counter else total / len(known) if known else math.nan
            self._means[key] = mean if known else math.nan
        return self._means[key]

    def _day(self, host: str, day: int) -> list[float]:
        key = (host, day)
        if key not in self._days:
            rng = random.Random(f"{self.world.seed}/{host}/{day}")
            make = _counted if self.world.counter else _measured
            self._days[key] = make(self, self.traits[host], rng, day)
        return self._days[key]

    def shift(self, at: float) -> float:
        """What befalls all: the product of every level shift so far."""
        return math.prod(factor for since, factor in self.shifts if since <= at)


@dataclass(frozen=True, slots=True)
class Traits:
    """What a host is like; `harmed`: by its upgrade, if it is upgraded."""

    level: float
    load: float
    rate: float
    gaps: float
    healthy_at: float
    harmed: bool


def a_fleet(world: World) -> Fleet:
    """The rollout of a world: one host, then ever more at once, in an order that has nothing to do with the metric."""
    rng = random.Random(world.seed)
    begin = MONDAY + rng.choice(range(7)) * DAY + rng.uniform(0, DAY)
    fleet = Fleet(world, begin=begin, _rng=rng)
    if world.level_shifts:
        for _ in range(rng.choice((0, 1, 1, 2))):
            fleet.shifts.append((begin + rng.uniform(-0.1, 0.8) * DAY, rng.choice((0.6, 1.3, 1.6, 2.0))))
    order = [(f"h{number:03}", f"combo{number % world.combos}") for number in range(world.hosts)]
    rng.shuffle(order)
    at, batch = begin, 1
    for number, (host, combo) in enumerate(order):
        disrupted = at + rng.uniform(0, 900)
        healthy = disrupted + rng.uniform(900, 2400)
        fleet.peers.append(Peer(host, combo, "untouched", disrupted_at=disrupted, healthy_at=healthy))
        fleet.traits[host] = Traits(
            rng.lognormvariate(2.3, 0.4),
            rng.uniform(0.2, 0.5),
            rng.choice((0.01,) * 9 + (0.5,)),
            rng.choice((0.01,) * 19 + (0.3,)),
            healthy,
            rng.random() < world.share,
        )
        if number + 1 >= batch:
            at += 2700
            batch += min(world.at_once, 1 + number)
    fleet.end = max(peer.healthy_at for peer in fleet.peers) + 2 * 3600
    return fleet


def _as_of(peer: Peer, now: float) -> Peer:
    if peer.healthy_at <= now:
        return Peer(
            peer.host, peer.combo, "upgraded", disrupted_at=peer.disrupted_at, healthy_at=peer.healthy_at
        )
    if peer.disrupted_at <= now:
        return Peer(peer.host, peer.combo, "disrupted", disrupted_at=peer.disrupted_at)
    return Peer(peer.host, peer.combo, "untouched")


def _measured(fleet: Fleet, traits: Traits, rng: random.Random, day: int) -> list[float]:
    world = fleet.world
    noise = rng.gauss(0, world.sigma)
    keep = 0.85
    scale = world.sigma * math.sqrt((1 - keep * keep) / TAIL_VARIANCE)
    values = []
    for number in range(round(DAY / STEP)):
        at = day * DAY + number * STEP
        noise = keep * noise + scale * _heavy(rng)
        load = 1 + traits.load * math.sin(2 * math.pi * at / DAY)
        value = traits.level * load * fleet.shift(at) * max(0.0, 1 + noise)
        if traits.harmed and at >= traits.healthy_at:
            value *= world.times
        values.append(math.nan if rng.random() < traits.gaps else value)
    return values


def _heavy(rng: random.Random) -> float:
    """Normal, but one in twenty is five times as large."""
    return rng.gauss(0, 5.0 if rng.random() < 0.05 else 1.0)


def _counted(fleet: Fleet, traits: Traits, rng: random.Random, day: int) -> list[float]:
    """Events since the sample before: bursts of them, with sizes that have a heavy tail."""
    world = fleet.world
    values = []
    for number in range(round(DAY / STEP)):
        at = day * DAY + number * STEP
        rate = traits.rate * fleet.shift(at)
        if traits.harmed and at >= traits.healthy_at:
            rate += world.bursts
        burst = rng.random() < rate * STEP / 3600
        events = float(int(rng.paretovariate(0.8)) if burst else 0)
        values.append(math.nan if rng.random() < traits.gaps else min(events, 10_000.0))
    return values
