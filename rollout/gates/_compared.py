"""What a comparison says: the verdict, one sentence with the numbers of both sides, and the samples."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rollout.model import comparison, ranks
from rollout.model.comparison import Change, Compared, Readings, Trials
from rollout.model.seams import Answer, Subject, Verdict
from rollout.ssh.printable import printable

CONTROLS, OWN = "same combo not yet upgraded", "own history"

AFTER_WAVE = "after wave"
"""The moment at which every upgraded host must have been watched to the end."""

OWN_SHARE = 0.1
"""Of the false stops allowed, for comparisons with own history: they know nothing of what befell everybody today."""

NAMED = 3
"""Of the worst hosts, how many are named."""

GAPS = 10
"""One upgraded host in so many may have had a gap where it should have been compared, if it has a value again: it does not count."""

SERIES = 60
"""Of the newest changes, how many are kept."""


@dataclass(frozen=True, slots=True)
class Rule:
    """What was asked for, in numbers. `relative`: `least` is a share of what was before."""

    window: float
    settle: float
    higher: bool
    relative: bool
    least: float
    false_stops: float

    @property
    def stops_at(self) -> float:
        """The e-value that stops, of comparisons with controls."""
        return 1 / (self.false_stops * (1 - OWN_SHARE))

    @property
    def own_stops_at(self) -> float:
        """The same, of comparisons with own history."""
        return 1 / (self.false_stops * OWN_SHARE)

    def amount(self, value: float) -> str:
        """A change, as a person reads it."""
        if not self.relative:
            return f"{value:+.3g}"
        return f"{value:+.0%}" if abs(value) >= 0.095 else f"{value:+.1%}"


def nothing_yet(rule: Rule, subject: Subject, readings: Readings) -> Verdict:
    """Before the first host: what there is to compare with must be known, so that a query for nothing is found out now."""
    untouched = [peer.host for peer in subject.cohort.at("untouched")]
    end = comparison.newest(rule.window, subject.now)
    values = readings.get(end, {})
    known = {host for host in untouched if math.isfinite(values.get(host, math.nan))}
    samples = {"upgraded": 0, "controls": len(known), "to": end, "window": rule.window}
    if 2 * len(known) < len(untouched):
        missing = [host for host in untouched if host not in known]
        because = f"only {len(known)} of {hosts(len(untouched))} not yet upgraded have a value: {some(missing)} have none"
        because += "" if known else "; do `label` and `match` fit the query's labels?"
        return Verdict(Answer.INCONCLUSIVE, because, samples)
    because = f"nothing is upgraded yet; {hosts(len(known))} can be compared with"
    return Verdict(Answer.PASS, because, samples)


def metrics(rule: Rule, subject: Subject, readings: Readings) -> Verdict:
    """Of a metric with a value at any time."""
    trials = comparison.trials(subject.cohort, rule.window, rule.settle, subject.now)
    try:
        found = comparison.compare(trials.full, readings, higher=rule.higher, relative=rule.relative)
    except ValueError:
        because = (
            "values are below zero, of which a share means nothing: write `least` in the unit of the query"
        )
        return Verdict(Answer.ERROR, because)
    now = readings.get(comparison.newest(rule.window, subject.now), {})
    gone = [host for host in found.silent if not math.isfinite(now.get(host, math.nan))]
    if GAPS * (len(found.silent) - len(gone)) <= len(found.changes) + len(found.own_changes):
        found.silent = gone
    return judged(rule, subject, trials, found)


def judged(rule: Rule, subject: Subject, trials: Trials, found: Compared) -> Verdict:
    """The verdict of ranks."""
    e, own = ranks.e_value(found.ranks), ranks.e_value(found.own_ranks)
    alone = (own >= rule.own_stops_at and e < rule.stops_at) or not found.changes
    changes, usual = (found.own_changes, found.own_usual) if alone else (found.changes, found.usual)
    side = Side(OWN, own, rule.own_stops_at) if alone else Side(CONTROLS, e, rule.stops_at)
    excess = comparison.effect(changes, usual)
    samples = _samples(rule, side, len(changes), 0 if alone else len(found.controls), trials.full)
    samples |= {
        "value": rounded(excess),
        "before": rounded(ranks.median(change.before for change in changes)),
        "after": rounded(ranks.median(change.after for change in changes)),
        "worst": [[change.host, rounded(change.excess)] for change in _worst(changes)],
        "series": [rounded(change.excess) for change in changes[-SERIES:]],
        "watched": len(trials.watched),
    }
    if not alone:
        samples |= {
            "controls_before": rounded(ranks.median(before for before, _ in found.controls.values())),
            "controls_after": rounded(ranks.median(after for _, after in found.controls.values())),
            "p": rounded(ranks.van_elteren(found.strata)),
        }
    if side.stops and excess >= rule.least and excess > 0:
        return Verdict(Answer.FAIL, _told(rule, samples, side, changes), samples)
    doubt = _doubt(subject, trials, found)
    if doubt:
        return Verdict(Answer.INCONCLUSIVE, doubt, samples)
    if not changes and not trials.watched:
        return Verdict(Answer.INCONCLUSIVE, "no upgraded host could be compared", samples)
    if not changes:
        because = f"{hosts(len(trials.watched))} upgraded, watched for another {left(trials.until, subject.now)}: nothing is known yet"
        return Verdict(Answer.PASS, because, samples)
    return Verdict(Answer.PASS, _no_worse(rule, samples, side, found), samples)


@dataclass(frozen=True, slots=True)
class Side:
    """What the upgraded hosts were compared with, the evidence, and how much of it stops."""

    against: str
    e: float
    stops_at: float

    @property
    def stops(self) -> bool:
        return self.e >= self.stops_at


def _samples(
    rule: Rule, side: Side, upgraded: int, controls: int, full: Sequence[comparison.Trial]
) -> dict[str, Any]:
    samples: dict[str, Any] = {
        "upgraded": upgraded,
        "controls": controls,
        "against": side.against,
        "e": rounded(side.e),
        "stops_at": rounded(side.stops_at),
        "window": rule.window,
    }
    if full:
        samples |= {"from": min(trial.before for trial in full) - rule.window, "to": full[-1].after}
    return samples


def _told(rule: Rule, samples: Mapping[str, Any], side: Side, changes: Sequence[Change]) -> str:
    """Both sides in numbers."""
    words = f"{hosts(samples['upgraded'])} upgraded: {samples['before']} before, {samples['after']} after (medians)"
    if side.against == CONTROLS:
        words += f"; {samples['controls']} of the same combo not yet upgraded: {samples['controls_before']} and {samples['controls_after']}"
    else:
        words += f"; against own history, the {comparison.DAYS} days before at the same hours, for hardly a host is left to compare with"
    words += f"; the worst third is {rule.amount(samples['value'])} worse than theirs; e = {side.e:.3g}, and {side.stops_at:.0f} stops"
    if samples["value"] > 0:
        named = (f"{printable(change.host, 80)} {rule.amount(change.excess)}" for change in _worst(changes))
        words += f"; worst: {', '.join(named)}"
    return words


def _no_worse(rule: Rule, samples: Mapping[str, Any], side: Side, found: Compared) -> str:
    changes = found.own_changes if side.against == OWN else found.changes
    if side.stops:
        return f"{_told(rule, samples, side, changes)}; less than the {rule.amount(rule.least)} that matters"
    if side.against == CONTROLS:
        controls = min(len(stratum.controls) for stratum in found.strata)
        least = ranks.needed(controls, side.stops_at)
        if least is not None and least > len(changes):
            return f"{too_few(rule, len(changes), controls)}; {least} might"
    return _told(rule, samples, side, changes).replace(" stops", " would stop", 1)


def too_few(rule: Rule, upgraded: int, controls: int) -> str:
    """What so few cannot tell."""
    return f"{hosts(upgraded)} upgraded among {controls} controls can show nothing at {rule.false_stops * 100:g} % yet"


def _worst(changes: Iterable[Change]) -> list[Change]:
    return sorted(changes, key=lambda change: (-change.excess, change.host))[:NAMED]


def _doubt(subject: Subject, trials: Trials, found: Compared) -> str:
    """Why nothing can be said, empty if something can."""
    silent = well(subject, found.silent)
    if silent:
        return f"no value of {some(silent)} before or after the upgrade, where others have one"
    if trials.full and trials.full[-1] in found.dark:
        return "fewer than half of the hosts to compare with have a value in the newest window"
    known = len(found.changes) + len(found.own_changes)
    if len(found.alone) > known:
        return nothing_left(len(found.alone), known)
    if subject.moment == AFTER_WAVE and trials.watched:
        return f"{hosts(len(trials.watched))} upgraded must be watched for another {left(trials.until, subject.now)}"
    return ""


def nothing_left(alone: int, known: int) -> str:
    return (
        f"{hosts(alone)} upgraded and nothing to compare them with ({known} could be): no host of theirs is left as it was, "
        f"and of the days before there are values of fewer than {comparison.LEAST_DAYS}; thresholds need no others"
    )


def well(subject: Subject, names: Iterable[str]) -> list[str]:
    """Those that are not known to have failed: of a dead host nobody expects a value."""
    failed = {peer.host for peer in subject.cohort.at("failed")}
    return [name for name in dict.fromkeys(names) if name not in failed]


def hosts(number: int) -> str:
    """`1 host`, `12 hosts`."""
    return "1 host" if number == 1 else f"{number} hosts"


def some(names: Sequence[str]) -> str:
    """The first few names, and how many more."""
    shown = ", ".join(printable(name, 80) for name in names[:NAMED])
    return f"{shown} and {len(names) - NAMED} more" if len(names) > NAMED else shown


def left(until: float, now: float) -> str:
    minutes = math.ceil(max(0.0, until - now) / 60)
    return f"{minutes} min"


def rounded(value: float) -> float | None:
    """Four digits, for the record; None for what is no number."""
    return float(f"{value:.4g}") if math.isfinite(value) else None
