"""Whether upgraded hosts begin to show events (kernel errors, failed migrations, restarts) more often than those not yet upgraded.

A host counts once, with the first stretch of time in which it showed events at all: a host with a thousand errors is one host. Among
the hosts that had shown none, upgraded or not, and while an upgrade changes nothing, those that show some next are drawn by exposure
alone: of M such hosts in a stretch the number that are upgraded is hypergeometric, however often events happen and whatever befell all
at once. The e-value is the mean over a grid of hazard ratios of the likelihood ratio, a product over stretches of time: the safe
logrank test (ter Schure, Perez-Ortiz, Ly and Gruenwald 2024). It is a martingale that starts at 1, so by Ville's inequality it ever
reaches 1/a with a chance of at most a. A ratio well under the least of the grid only ever lowers it.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field

from rollout.model.cohort import Cohort, Peer
from rollout.model.comparison import (
    LAG,
    MOST_TRIALS,
    Readings,
    is_control,
    is_upgraded,
)

RATIOS = (3.0, 10.0, 30.0, 100.0)
"""How many times as often an upgraded host shows events; the least is the smallest effect of interest."""

YOUNG = 4
"""Stretches after its upgrade in which a host is young. What an upgrade harms mostly shows soon, and among few young hosts it shows best."""

EARLIER = 24
"""Stretches before the first host was touched: who shows events in them does so anyway, and says nothing about the upgrade.

Many, for while a host is being upgraded nobody counts its events: after few, those that show them now and then would be found out
among the controls only, and would seem to be made by the upgrade.
"""


@dataclass(frozen=True, slots=True)
class Stretch:
    """A stretch of time: hosts that had shown no events when it began, and how many of them showed some in it."""

    upgraded: int
    controls: int
    upgraded_with: int
    controls_with: int


def e_value(stretches: Iterable[Stretch], ratios: Sequence[float] = RATIOS) -> float:
    """The evidence that upgraded hosts show events more often: 1 without any event; at least 1/a with a chance of at most a if not."""
    logs = [0.0] * len(ratios)
    for stretch in stretches:
        if stretch.upgraded and stretch.controls and stretch.upgraded_with + stretch.controls_with:
            for number, ratio in enumerate(ratios):
                logs[number] += _log_ratio(stretch, ratio)
    most = max(logs)
    return math.exp(min(700.0, most + math.log(math.fsum(math.exp(log - most) for log in logs) / len(logs))))


def _log_ratio(stretch: Stretch, ratio: float) -> float:
    """Fisher's noncentral hypergeometric distribution over the central one, of what was seen."""
    events = stretch.upgraded_with + stretch.controls_with
    least, most = max(0, events - stretch.controls), min(events, stretch.upgraded)
    whole = _log_choose(stretch.upgraded + stretch.controls, events)
    terms = [
        _log_choose(stretch.upgraded, found)
        + _log_choose(stretch.controls, events - found)
        - whole
        + (found - stretch.upgraded_with) * math.log(ratio)
        for found in range(least, most + 1)
    ]
    largest = max(terms)
    return -(largest + math.log(math.fsum(math.exp(term - largest) for term in terms)))


def _log_choose(whole: int, chosen: int) -> float:
    return math.lgamma(whole + 1) - math.lgamma(chosen + 1) - math.lgamma(whole - chosen + 1)


def needed(controls: int, stops_at: float, most: int = 1000) -> int | None:
    """How many upgraded hosts with events, of as many, beside so many controls without, reach `stops_at`; None if `most` do not."""
    for number in range(1, most + 1):
        if e_value([Stretch(number, controls, number, 0)]) >= stops_at:
            return number
    return None


def ends(cohort: Cohort, window: float, now: float) -> list[float]:
    """The ends of the stretches that are looked at, each `window` seconds long, on a grid that begins with the epoch; oldest first."""
    begun = [peer.disrupted_at for peer in cohort.peers if is_upgraded(peer)]
    if not begun:
        return []
    first = math.floor(min(begun) / window) - EARLIER + 1
    last = math.floor((now - min(LAG, window / 5)) / window)
    return [number * window for number in range(max(first, last - MOST_TRIALS + 1), last + 1)]


def by_combo(cohort: Cohort) -> list[list[Peer]]:
    """The hosts of each combo in which something has been upgraded."""
    combos: dict[str, list[Peer]] = {}
    for peer in cohort.peers:
        combos.setdefault(peer.combo, []).append(peer)
    return [peers for peers in combos.values() if any(map(is_upgraded, peers))]


@dataclass(slots=True)
class Counted:
    """What the stretches told; `young`: of the hosts that were upgraded at most `YOUNG` stretches ago.

    `fired`: upgraded hosts that showed events, and how many in that stretch. `noisy`: hosts that had shown some before they were
    touched. `silent`: upgraded hosts without a value in the newest stretch. `dark`: ends of stretches in which fewer than half of the
    controls have one. `upgraded`, `controls`: hosts that were watched on each side.
    """

    stretches: list[Stretch] = field(default_factory=list)
    young: list[Stretch] = field(default_factory=list)
    fired: dict[str, float] = field(default_factory=dict)
    noisy: set[str] = field(default_factory=set)
    silent: list[str] = field(default_factory=list)
    dark: list[float] = field(default_factory=list)
    upgraded: set[str] = field(default_factory=set)
    controls: set[str] = field(default_factory=set)

    @property
    def e_value(self) -> float:
        """The mean of the evidence of all upgraded hosts, and of that of the young ones: a martingale as well."""
        return (e_value(self.stretches) + e_value(self.young)) / 2

    @property
    def controls_with(self) -> int:
        """Controls that showed events while an upgraded host was watched."""
        return sum(stretch.controls_with for stretch in self.stretches if stretch.upgraded)


def count(
    cohort: Cohort, readings: Readings, window: float, settle: float, now: float, least: float
) -> Counted:
    """What each stretch tells. A host shows events when it has `least` of them or more within one stretch."""
    found = Counted()
    combos = by_combo(cohort)
    for end in ends(cohort, window, now):
        found.silent = []
        values = {host: value for host, value in readings.get(end, {}).items() if math.isfinite(value)}
        for peers in combos:
            ready = {peer.host: peer.healthy_at + settle for peer in peers if is_upgraded(peer)}
            young = {host for host, since in ready.items() if end - (YOUNG + 1) * window < since}
            ready = {host: since for host, since in ready.items() if since <= end - window}
            controls = [peer.host for peer in peers if is_control(peer, end)]
            if 2 * sum(host in values for host in controls) < len(controls):
                found.dark.append(end)
            else:
                _see(found, list(ready), young, controls, values, least)
    return found


def _see(
    found: Counted,
    ready: Sequence[str],
    young: AbstractSet[str],
    controls: Sequence[str],
    values: Mapping[str, float],
    least: float,
) -> None:
    found.silent += [host for host in ready if host not in values]
    known = found.noisy | found.fired.keys()
    quiet = [host for host in controls if host in values and host not in known]
    watched = [host for host in ready if host in values and host not in known]
    noisy = {host for host in quiet if _shows(values[host], least)}
    fired = {host: values[host] for host in watched if _shows(values[host], least)}
    found.stretches.append(Stretch(len(watched), len(quiet), len(fired), len(noisy)))
    fresh, fresh_fired = young & set(watched), young & fired.keys()
    found.young.append(Stretch(len(fresh), len(quiet), len(fresh_fired), len(noisy)))
    found.noisy |= noisy
    found.fired |= fired
    found.upgraded.update(watched)
    found.controls.update(quiet if watched else ())


def _shows(value: float, least: float) -> bool:
    """To the next whole number, for increases of counters are extrapolated: one event is 1.03 or 0.97."""
    return math.floor(value + 0.5) >= least
