"""Whether upgraded hosts begin to show events (kernel errors, failed migrations, restarts) more often than those not yet upgraded.

A host counts once, with the first stretch of time in which it showed events at all: a host with a thousand errors is one host. Among
the hosts that had shown none, upgraded or not, and while an upgrade changes nothing, those that show some next are drawn by exposure
alone: of M such hosts in a stretch the number that are upgraded is hypergeometric, however often events happen and whatever befell all
at once. The e-value is the mean over a grid of hazard ratios of the likelihood ratio, a product over stretches of time: the safe
logrank test (ter Schure, Perez-Ortiz, Ly and Gruenwald 2024). It is a martingale that starts at 1, so by Ville's inequality it ever
reaches 1/a with a chance of at most a. A ratio well under the least of the grid only ever lowers it.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from rollout.model.cohort import Cohort, Peer
from rollout.model.comparison import (
    DAY,
    DAYS,
    FEW,
    LAG,
    LEAST_DAYS,
    MOST_TRIALS,
    Readings,
    is_control,
    is_upgraded,
)

RATIOS = (3.0, 10.0, 30.0, 100.0)
"""How many times as often an upgraded host shows events; the least is the smallest effect of interest."""

EARLIER = 4
"""Stretches before the first host was touched: who shows events in them does so anyway, and says nothing about the upgrade."""


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


def instants(cohort: Cohort, window: float, now: float) -> list[float]:
    """The ends of every stretch that has to be read."""
    combos = by_combo(cohort)
    found = ends(cohort, window, now)
    for end in tuple(found):
        if any(_is_alone(peers, end) for peers in combos):
            found += _pasts(end)
    return found


def by_combo(cohort: Cohort) -> list[list[Peer]]:
    """The hosts of each combo in which something has been upgraded."""
    combos: dict[str, list[Peer]] = {}
    for peer in cohort.peers:
        combos.setdefault(peer.combo, []).append(peer)
    return [peers for peers in combos.values() if any(map(is_upgraded, peers))]


def _is_alone(peers: Iterable[Peer], end: float) -> bool:
    """Whether too few of its combo were untouched to be compared with."""
    return sum(is_control(peer, end) for peer in peers) < FEW


def _pasts(end: float) -> list[float]:
    """The same stretch on the days before."""
    return [end - day * DAY for day in range(1, DAYS + 1)]


@dataclass(slots=True)
class Counted:
    """What the stretches told: `stretches` are those with controls, `own` those with the hosts' own days before in their place.

    `fired`: upgraded hosts that showed events, and how many in that stretch. `noisy`: hosts that had shown some before they were
    touched. `silent`: upgraded hosts without a value in the newest stretch. `dark`: ends of stretches in which fewer than half of the
    controls have one. `alone`: hosts with neither controls nor enough of a history.
    """

    stretches: list[Stretch] = field(default_factory=list)
    own: list[Stretch] = field(default_factory=list)
    fired: dict[str, float] = field(default_factory=dict)
    noisy: set[str] = field(default_factory=set)
    silent: list[str] = field(default_factory=list)
    dark: list[float] = field(default_factory=list)
    upgraded: set[str] = field(default_factory=set)
    controls: set[str] = field(default_factory=set)
    alone: set[str] = field(default_factory=set)

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
        for peers in combos:
            ready = [
                peer.host for peer in peers if is_upgraded(peer) and peer.healthy_at + settle <= end - window
            ]
            controls = [peer.host for peer in peers if is_control(peer, end)]
            _see(found, ready, controls, readings, end, least)
    return found


def _see(
    found: Counted,
    ready: Sequence[str],
    controls: Sequence[str],
    readings: Readings,
    end: float,
    least: float,
) -> None:
    values = _known(readings, end)
    known = [host for host in controls if host in values]
    if 2 * len(known) < len(controls) or not (controls or any(host in values for host in ready)):
        found.dark.append(end)
        return
    found.silent += [host for host in ready if host not in values]
    quiet = [host for host in known if host not in found.noisy]
    watched = [host for host in ready if host in values and host not in found.noisy | found.fired.keys()]
    noisy = {host for host in quiet if _shows(values[host], least)}
    fired = {host: values[host] for host in watched if _shows(values[host], least)}
    if len(controls) >= FEW:
        found.stretches.append(Stretch(len(watched), len(quiet), len(fired), len(noisy)))
    elif watched:
        _look_back(found, watched, len(fired), readings, end, least)
    found.noisy |= noisy
    found.fired |= fired
    found.upgraded.update(watched)
    found.controls.update(quiet if watched else ())


def _look_back(
    found: Counted, watched: Sequence[str], fired: int, readings: Readings, end: float, least: float
) -> None:
    """Beside the same hosts on the days before: each host and day is one that might have shown events."""
    days = [_known(readings, past) for past in _pasts(end)]
    days = [day for day in days if all(host in day for host in watched)]
    if len(days) < LEAST_DAYS:
        found.alone.update(watched)
        return
    showed = sum(_shows(day[host], least) for day in days for host in watched)
    found.own.append(Stretch(len(watched), len(watched) * len(days), fired, showed))


def _known(readings: Readings, end: float) -> dict[str, float]:
    return {host: value for host, value in readings.get(end, {}).items() if math.isfinite(value)}


def _shows(value: float, least: float) -> bool:
    """To the next whole number, for increases of counters are extrapolated: one event is 1.03 or 0.97."""
    return math.floor(value + 0.5) >= least
