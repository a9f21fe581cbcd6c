"""Which upgraded hosts are compared with which others, over which hours, and by how much they changed.

Windows of fixed length lie on a grid of half windows that begins with the epoch, so that whoever asks, and whenever, finds the same
ones; hosts that became healthy in the same half window share theirs, and the queries for them. A host counts once its window after
the upgrade is full, and later asks change nothing about it.

Its controls are the hosts of its combo that stayed untouched to the end of that window. Are there fewer than `FEW`, then the
hosts are compared with themselves on the `DAYS` days before, at the same hours: that tells daily load from a change, but not a
change that befell everybody today. So the hosts of a trial are one observation, trials that overlap are one, and more evidence is
asked for.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from rollout.model.cohort import Cohort, Peer
from rollout.model.ranks import Rank, Stratum, median, sequential

DAY = 86400.0
DAYS = 7
LEAST_DAYS = 4
FEW = 3
MOST_TRIALS = 200
"""The newest that count: a bound on what one ask costs. The false stops allowed are for so many."""

MOST_CONTROLS = 1000
"""More say nothing that these do not; of more, every second, third ... in the cohort's order is taken."""

LAG = 60.0
"""Seconds after a window's end until what was measured in it is surely stored, but at most a fifth of the window."""

Readings = Mapping[float, Mapping[str, float]]
"""Instant (seconds since the epoch) -> host -> what the metric was over the window that ended then; a host without a value is left out."""


@dataclass(frozen=True, slots=True)
class Trial:
    """Hosts of a combo, in the order in which they became healthy, to be compared over the same windows, each told by its end.

    `own`: there are too few controls; the hosts are compared with their own history.
    """

    combo: str
    hosts: tuple[str, ...]
    controls: tuple[str, ...]
    before: float
    after: float
    own: bool
    begin: float
    """When the window before begins."""

    @property
    def pasts(self) -> list[tuple[float, float]]:
        """The same windows on the days before; none unless it is their own history that they are compared with."""
        days = range(1, DAYS + 1) if self.own else ()
        return [(self.before - day * DAY, self.after - day * DAY) for day in days]

    @property
    def instants(self) -> list[float]:
        """The ends of every window that has to be read."""
        return [end for pair in [(self.before, self.after), *self.pasts] for end in pair]


@dataclass(frozen=True, slots=True)
class Trials:
    """Those whose windows are full, oldest first, and the hosts that are still watched; `until`: when the last of those will be known."""

    full: tuple[Trial, ...] = ()
    watched: tuple[str, ...] = ()
    until: float = 0.0


def newest(window: float, now: float) -> float:
    """The end of the newest window that is full."""
    step = window / 2
    return math.floor((now - min(LAG, window / 5)) / step) * step


def is_upgraded(peer: Peer) -> bool:
    """Whether it runs the target, be it well or not."""
    return peer.stage in {"upgraded", "failed"} and peer.healthy_at > 0 and peer.disrupted_at > 0


def is_control(peer: Peer, until: float) -> bool:
    """Whether nobody had touched it by then."""
    return peer.stage == "untouched" or peer.disrupted_at >= until > 0


def trials(cohort: Cohort, window: float, settle: float, now: float) -> Trials:
    """Windows of that many seconds: one that ended before the host was first disrupted, one that began `settle` after it was healthy."""
    step = window / 2
    grouped: dict[tuple[float, str], list[Peer]] = {}
    for peer in cohort.peers:
        if is_upgraded(peer):
            after = math.ceil((peer.healthy_at + settle) / step) * step + window
            grouped.setdefault((after, peer.combo), []).append(peer)
    combos: dict[str, list[Peer]] = {}
    for peer in cohort.peers:
        combos.setdefault(peer.combo, []).append(peer)
    full: list[Trial] = []
    watched: list[str] = []
    until = 0.0
    for (after, combo), peers in sorted(grouped.items()):
        hosts = tuple(peer.host for peer in sorted(peers, key=lambda peer: (peer.healthy_at, peer.host)))
        if after > newest(window, now):
            watched += hosts
            until = max(until, after + min(LAG, window / 5))
            continue
        before = math.floor(min(peer.disrupted_at for peer in peers) / step) * step
        controls = tuple(peer.host for peer in combos[combo] if is_control(peer, after))
        controls = controls[:: math.ceil(len(controls) / MOST_CONTROLS) or 1]
        full.append(Trial(combo, hosts, controls, before, after, len(controls) < FEW, before - window))
    return Trials(tuple(full[-MOST_TRIALS:]), tuple(watched), until)


@dataclass(frozen=True, slots=True)
class Change:
    """What a host's metric was before and after, and by how much more it changed than its controls did in the middle."""

    host: str
    before: float
    after: float
    excess: float


@dataclass(slots=True)
class Compared:
    """Everything that could be compared, with controls and with own history.

    `silent`: upgraded hosts without a value where their controls have one. `dark`: trials in which nobody has. `alone`: hosts with
    neither controls nor enough of a history. `controls`: what each was before and after. `usual`, `own_usual`: the excesses of those
    compared with.
    """

    ranks: list[Rank] = field(default_factory=list)
    own_ranks: list[Rank] = field(default_factory=list)
    strata: list[Stratum] = field(default_factory=list)
    changes: list[Change] = field(default_factory=list)
    own_changes: list[Change] = field(default_factory=list)
    usual: list[float] = field(default_factory=list)
    own_usual: list[float] = field(default_factory=list)
    controls: dict[str, tuple[float, float]] = field(default_factory=dict)
    silent: list[str] = field(default_factory=list)
    dark: list[Trial] = field(default_factory=list)
    alone: list[str] = field(default_factory=list)


Pair = tuple[float, float]
WORST = 3
"""One host in so many: an upgrade may harm some of the hosts only, and then the others say little about how much."""


def effect(changes: Sequence[Change], usual: Sequence[float]) -> float:
    """By how much the worst third of the upgraded hosts is worse than the worst third of what they were compared with."""
    if not changes or not usual:
        return 0.0
    return _worst([change.excess for change in changes]) - _worst(usual)


def _worst(values: Sequence[float]) -> float:
    number = math.ceil(len(values) / WORST)
    return math.fsum(sorted(values)[-number:]) / number


def compare(full: Iterable[Trial], readings: Readings, *, higher: bool, relative: bool) -> Compared:
    """Turn readings into ranks. `higher`: more is worse. `relative`: changes are shares of what was before.

    Raises ValueError when changes are to be shares, and values are below zero.
    """
    found = Compared()
    counted = -math.inf
    for trial in full:
        if trial.own:
            rank = _with_itself(trial, readings, found, higher, relative)
            if rank and trial.begin >= counted:
                found.own_ranks.append(rank)
                counted = trial.after
        else:
            _with_controls(trial, readings, found, higher, relative)
    return found


def _with_controls(trial: Trial, readings: Readings, found: Compared, higher: bool, relative: bool) -> None:
    pairs = _pairs(readings, trial.before, trial.after, (*trial.hosts, *trial.controls))
    controls = [host for host in trial.controls if host in pairs]
    if 2 * len(controls) < len(trial.controls):
        found.dark.append(trial)
        return
    found.silent += [host for host in trial.hosts if host not in pairs]
    hosts = [host for host in trial.hosts if host in pairs]
    worse = _differences(pairs, pairs.values(), higher, relative)
    theirs = tuple(worse[host] for host in controls)
    found.ranks += sequential([worse[host] for host in hosts], theirs)
    found.strata.append(Stratum(tuple(worse[host] for host in hosts), theirs))
    found.controls.update((host, pairs[host]) for host in controls)
    middle = median(theirs)
    found.usual += [value - middle for value in theirs]
    found.changes += [Change(host, *pairs[host], worse[host] - middle) for host in hosts]


def _with_itself(
    trial: Trial, readings: Readings, found: Compared, higher: bool, relative: bool
) -> Rank | None:
    pairs = _pairs(readings, trial.before, trial.after, trial.hosts)
    if not pairs:
        found.dark.append(trial)
        return None
    found.silent += [host for host in trial.hosts if host not in pairs]
    days = [_pairs(readings, *ends, pairs) for ends in trial.pasts]
    days = [day for day in days if len(day) == len(pairs)]
    if len(days) < LEAST_DAYS:
        found.alone += pairs
        return None
    pool = [*pairs.values(), *(pair for day in days for pair in day.values())]
    worse = _differences(pairs, pool, higher, relative)
    past = [_differences(day, pool, higher, relative) for day in days]
    for host, pair in pairs.items():
        middle = median(day[host] for day in past)
        found.own_usual += [day[host] - middle for day in past]
        found.own_changes.append(Change(host, *pair, worse[host] - middle))
    return sequential([_worst(list(worse.values()))], [_worst(list(day.values())) for day in past])[0]


def _pairs(readings: Readings, before: float, after: float, hosts: Iterable[str]) -> dict[str, Pair]:
    """The values before and after of each host that has both."""
    first, second = readings.get(before, {}), readings.get(after, {})
    pairs = ((host, (first.get(host, math.nan), second.get(host, math.nan))) for host in hosts)
    return {host: pair for host, pair in pairs if all(map(math.isfinite, pair))}


def _differences(
    pairs: Mapping[str, Pair], pool: Iterable[Pair], higher: bool, relative: bool
) -> dict[str, float]:
    """By how much each host became worse, in units or as a share of what was before.

    A tenth of what is usual is added to what was before: a host that did next to nothing makes no share of a million.
    """
    sign = 1.0 if higher else -1.0
    if not relative:
        return {host: sign * (after - before) for host, (before, after) in pairs.items()}
    known: Sequence[Pair] = list(pool)
    if any(value < 0 for pair in known for value in pair):
        raise ValueError("a share of a value below zero means nothing")
    floor = median(before for before, _ in known) or math.fsum(map(sum, known)) / max(1, 2 * len(known))
    if floor <= 0:
        return dict.fromkeys(pairs, 0.0)
    return {host: sign * (after - before) / (before + floor / 10) for host, (before, after) in pairs.items()}
