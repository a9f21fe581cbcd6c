"""What a comparison of counters says: how many hosts show events on either side."""

from collections.abc import Sequence
from typing import Any

from rollout.gates._compared import (
    AFTER_WAVE,
    CONTROLS,
    NAMED,
    OWN,
    SERIES,
    Rule,
    hosts,
    judged,
    nothing_left,
    rounded,
    some,
    too_few,
    well,
)
from rollout.model import comparison, exposure
from rollout.model.comparison import Compared, Readings, Trials
from rollout.model.exposure import Counted
from rollout.model.seams import Answer, Subject, Verdict
from rollout.ssh.printable import printable


def counts(rule: Rule, subject: Subject, readings: Readings) -> Verdict:
    """Of a counter of events. Hosts that no other is left to be compared with are compared with themselves, as a metric's are."""
    found = exposure.count(subject.cohort, readings, rule.window, rule.settle, subject.now, rule.least)
    e = found.e_value
    ends = exposure.ends(subject.cohort, rule.window, subject.now)
    samples = _samples(rule, found, e, ends)
    told = _told(found, e, rule.stops_at)
    if e >= rule.stops_at:
        named = ", ".join(f"{printable(host, 80)} ({events:.0f})" for host, events in samples["worst"])
        return Verdict(Answer.FAIL, f"{told} stops; worst: {named}", samples)
    trials = comparison.trials(subject.cohort, rule.window, rule.settle, subject.now)
    own = Trials(tuple(trial for trial in trials.full if trial.own))
    compared = comparison.compare(own.full, readings, higher=True, relative=False)
    verdict = judged(rule, subject, own, compared)
    if verdict.value is Answer.FAIL:
        return verdict
    doubt = _doubt(subject, found, compared, ends)
    if doubt:
        return Verdict(Answer.INCONCLUSIVE, doubt, samples)
    if not found.upgraded:
        return _unknown(subject, found, samples)
    controls = next((stretch.controls for stretch in reversed(found.stretches) if stretch.upgraded), 0)
    least = exposure.needed(controls, rule.stops_at)
    if least is not None and least > len(found.upgraded):
        because = f"{too_few(rule, len(found.upgraded), controls)}; {least} might"
        return Verdict(Answer.PASS, because, samples)
    if compared.own_changes:
        told += f" (with {OWN}, {len(compared.own_changes)} of them: nothing)"
    return Verdict(Answer.PASS, f"{told} would stop", samples)


def _unknown(subject: Subject, found: Counted, samples: dict[str, Any]) -> Verdict:
    """Before any upgraded host tells anything."""
    noisy = {peer.host for peer in subject.cohort.peers if comparison.is_upgraded(peer)} & found.noisy
    watched = _watched(subject, found)
    if not noisy and not watched:
        return Verdict(Answer.INCONCLUSIVE, "no upgraded host could be watched", samples)
    because = f"{hosts(len(watched))} upgraded, not watched for a whole window yet"
    if noisy:
        because += f"; {hosts(len(noisy))} showed events before the upgrade, too, and cannot tell"
    return Verdict(Answer.PASS, because, samples)


def _watched(subject: Subject, found: Counted) -> list[str]:
    """Upgraded hosts that no whole window is known of."""
    seen = found.upgraded | found.noisy | set(found.silent)
    return [peer.host for peer in subject.cohort.at("upgraded") if peer.healthy_at and peer.host not in seen]


def _samples(rule: Rule, found: Counted, e: float, ends: Sequence[float]) -> dict[str, Any]:
    worst = sorted(found.fired, key=lambda host: (-found.fired[host], host))[:NAMED]
    samples: dict[str, Any] = {
        "upgraded": len(found.upgraded),
        "controls": len(found.controls),
        "against": CONTROLS,
        "e": rounded(e),
        "stops_at": rounded(rule.stops_at),
        "window": rule.window,
        "value": len(found.fired),
        "controls_with_events": found.controls_with,
        "already_noisy": len(found.noisy),
        "worst": [[host, rounded(found.fired[host])] for host in worst],
        "series": [stretch.upgraded_with for stretch in found.stretches[-SERIES:]],
    }
    if ends:
        samples |= {"from": ends[0] - rule.window, "to": ends[-1]}
    return samples


def _told(found: Counted, e: float, stops_at: float) -> str:
    return (
        f"{len(found.fired)} of {hosts(len(found.upgraded))} upgraded show events; {found.controls_with} of "
        f"{len(found.controls)} of the {CONTROLS} do; e = {e:.3g}, and {stops_at:.0f}"
    )


def _doubt(subject: Subject, found: Counted, own: Compared, ends: Sequence[float]) -> str:
    silent = well(subject, found.silent)
    if silent:
        return f"no value of {some(silent)} in the newest window, where others have one"
    if ends and ends[-1] in found.dark:
        return "fewer than half of the hosts to compare with have a value in the newest window"
    known = found.upgraded - set(own.alone)
    if len(own.alone) > len(known):
        return nothing_left(len(own.alone), len(known))
    watched = _watched(subject, found)
    if subject.moment == AFTER_WAVE and watched:
        return f"{some(watched)} must still be watched for a window"
    return ""
