"""How the rules differ between two graphs: targets, steps, order, gates, risks, waivers, limits, failures, windows."""

from collections.abc import Iterator, Mapping
from typing import Any

from rollout.model.chain import Step
from rollout.model.graph import Combo, Graph, Wave
from rollout.model.plan import GateRule, Identity, Risk
from rollout.report import rungs
from rollout.report.comparison import Difference, Item, by_field, grouped
from rollout.report.plain import spoken, stamp

_OF_A_STEP = (
    "playbook",
    "drain",
    "reopen",
    "once",
    "disruptive",
    "retries",
    "backoff",
    "timeout",
    "expect",
    "closes",
    "target",
)
_OF_A_GATE = (
    *("kind", "retries", "interval", "timeout", "per"),
    *("samples", "lasts", "on_inconclusive", "shadow", "canaries"),
)
_OF_A_RISK = (
    *("symptom", "then", "steps", "because", "times"),
    *("backoff", "repeatable", "applies", "halts", "link"),
)
_OF_A_WAIVER = "waives", "reason", "owner", "expires", "combos", "hosts"
_SECONDS = {"timeout", "expect", "backoff", "interval", "lasts"}


def differences(before: Graph, after: Graph) -> Iterator[Difference]:
    """By topic; combos, waves and values that differ alike are one difference."""
    yield from grouped("combos", by_field("", before, after, ("allow_unknown",), _said))
    yield from grouped("combos", _combos(before, after))
    both = [name for name in before.combos if name in after.combos]
    yield from grouped(
        "steps", (item for name in both for item in _chain(before.combos[name], after.combos[name]))
    )
    yield from grouped("order", _order(before, after))
    yield from _gates(before, after)
    was, now = ({risk.name: risk for risk in graph.risks} for graph in (before, after))
    yield from grouped("risks", _named("risk", was, now, _OF_A_RISK))
    remedies = [item for name in was if name in now for item in _remedy(was[name], now[name])]
    yield from grouped("risks", remedies)
    old, new = ({waiver.name: waiver for waiver in graph.waivers} for graph in (before, after))
    yield from grouped("waivers", _named("waiver", old, new, _OF_A_WAIVER))
    yield from grouped("limits", _limits(before, after))
    yield from grouped("failures", _failures(before, after))
    yield from grouped("windows", _windows(before, after))


def _said(name: str, value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if value is None or value in ("", (), {}):
        return "none"
    if name in _SECONDS:
        return spoken(value)
    if isinstance(value, Identity):
        branches = "" if value.protected else ", of any branch"
        return f"{value.project} of {value.issuer} for {value.audience}{branches}"
    if isinstance(value, Mapping):
        return "; ".join(f"{key} {' or '.join(of)}" for key, of in value.items())
    return ", ".join(map(str, value)) if isinstance(value, tuple) else str(value)


def _named(
    what: str, was: Mapping[str, Any], now: Mapping[str, Any], fields: tuple[str, ...]
) -> Iterator[Item]:
    for name in {**was, **now}:
        yield from by_field(f"{what} {name}", was.get(name), now.get(name), fields, _said)


def _remedy(was: Risk, now: Risk) -> Iterator[Item]:
    yield from by_field(f"remedy of {was.name}", was.remedy, now.remedy, ("playbook", "timeout"), _said)


def _combos(before: Graph, after: Graph) -> Iterator[Item]:
    for name in {**before.combos, **after.combos}:
        was, now = before.combos.get(name), after.combos.get(name)
        if was is None or now is None:
            yield "combo", "there" if was else "", "there" if now else "", name
            continue
        fields = "to", "verdict", "because", "hops", "guests_ignored"
        yield from by_field("", was, now, fields, _said, name)


def _chain(was: Combo, now: Combo) -> Iterator[Item]:
    old, new = ({step.name: step for step in combo.chain} for combo in (was, now))
    if list(old) != list(new):
        yield "steps", ", ".join(old), ", ".join(new), was.name
    for name in old:
        if name in new:
            yield from _step(f"step {name}", old[name], new[name], was.name)


def _step(subject: str, was: Step, now: Step, of: str) -> Iterator[Item]:
    yield from by_field(subject, was, now, _OF_A_STEP, _said, of)
    for side in ("undo", "commit"):
        yield from by_field(
            f"{side} of {subject.removeprefix('step ')}",
            getattr(was, side),
            getattr(now, side),
            _OF_A_STEP,
            _said,
            of,
        )


def _order(before: Graph, after: Graph) -> Iterator[Item]:
    for name in before.waves:
        if name in after.waves:
            was, now = before.waves[name], after.waves[name]
            if was.soak != now.soak:
                yield "soak", spoken(was.soak), spoken(now.soak), name
            if was.needs != now.needs:
                yield "waits for", _waits(was), _waits(now), name
    if before.approvals != after.approvals:
        yield "approval after", _said("", before.approvals), _said("", after.approvals), ""
    yield from by_field("", before, after, ("approval_to_begin", "four_eyes", "identity", "harm"), _said)


def _waits(wave: Wave) -> str:
    return (
        "nothing"
        if not wave.needs
        else ", ".join(rungs.need(one).removeprefix("after ") for one in wave.needs)
    )


def _gates(before: Graph, after: Graph) -> Iterator[Difference]:
    """Settings are named, and not shown: they may hold what is not for everybody."""
    was, now = ({f"{gate.name} ({gate.when})": gate for gate in graph.gates} for graph in (before, after))
    yield from grouped("gates", _named("gate", was, now, _OF_A_GATE))
    yield from grouped("gates", _settings(was, now), is_shown=False)


def _settings(was: Mapping[str, GateRule], now: Mapping[str, GateRule]) -> Iterator[Item]:
    for name in was:
        old, new = was[name].settings, now[name].settings if name in now else was[name].settings
        for key in sorted({*old, *new}):
            if old.get(key) != new.get(key):
                yield f"gate {name}: {key}", "there" if key in old else "", "there" if key in new else "", ""


def _limits(before: Graph, after: Graph) -> Iterator[Item]:
    """The values of a factor whose limit changes alike are one difference. Those that no host has any more limit nobody."""
    for slot in before.caps:
        if slot in after.caps and before.caps[slot] != after.caps[slot]:
            factor, _, value = slot.partition("=")
            limit = f"limit per {factor}" if value else "limit at once"
            yield limit, str(before.caps[slot]), str(after.caps[slot]), value
    was, now = ({slot.partition("=")[0] for slot in graph.caps} for graph in (before, after))
    for factor in sorted(was ^ now):
        yield f"limit per {factor}", "there" if factor in was else "", "there" if factor in now else "", ""
    yield from by_field("limit", before, after, ("controller",), _said)


def _failures(before: Graph, after: Graph) -> Iterator[Item]:
    if before.tolerated_canary != after.tolerated_canary:
        yield (
            "failures tolerated among canaries",
            str(before.tolerated_canary),
            str(after.tolerated_canary),
            "",
        )
    was, now = (_of_run(graph) for graph in (before, after))
    if was != now:
        yield "failures tolerated in the run", was, now, ""
    for what, was_of, now_of in (
        ("in a combo", before.tolerated_combo, after.tolerated_combo),
        ("per value", before.tolerated_per, after.tolerated_per),
    ):
        for name in was_of:
            if name in now_of and was_of[name] != now_of[name]:
                yield f"failures tolerated {what}", str(was_of[name]), str(now_of[name]), name
    yield from by_field("", before, after, ("on_fault",), _said)


def _of_run(graph: Graph) -> str:
    """As many as there are hosts is no limit."""
    return "no limit" if graph.tolerated_run >= len(graph.nodes) else str(graph.tolerated_run)


def _windows(before: Graph, after: Graph) -> Iterator[Item]:
    was, now = (
        {
            f"{'allow' if window.allow else 'deny'} {window} {window.zone}": ""
            for window in (graph.calendar.windows if graph.calendar else ())
        }
        for graph in (before, after)
    )
    for window in {**was, **now}:
        if (window in was) != (window in now):
            yield f"window {window}", "there" if window in was else "", "there" if window in now else "", ""
    if before.deadline != after.deadline:
        yield "deadline", _instant(before.deadline), _instant(after.deadline), ""


def _instant(at: float | None) -> str:
    return "none" if at is None else stamp(at)
