"""Where a run stands, from what its journal keeps: what `rollout status` says."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from shlex import quote
from typing import TYPE_CHECKING, NamedTuple

from rollout.model.event import Event
from rollout.model.progress import UNFINISHED
from rollout.model.progress import Standing as Said
from rollout.model.state import Status
from rollout.report import answers
from rollout.report.events import what
from rollout.report.plain import clock, counted, listed, plain, spoken, stamp, table

if TYPE_CHECKING:
    from rollout.report.eta import Eta

HELD_SHOWN = 20
RUNNING_SHOWN = 8
GATES_SHOWN = 8
LONG = 86400.0
"""Seconds after which a pause, or a held host, seems to be forgotten."""


class Holder(NamedTuple):
    """The controller that holds the run; `life` is alive, dead, unknown or lapsed. Times are seconds since the epoch."""

    who: str
    since: float
    seen: float
    life: str


class Held(NamedTuple):
    """A host that a person must answer for. `slots`: the places that it keeps; `waiting`: how many hosts wait for those that are `full` of dead hosts."""

    host: str
    step: str | None
    since: float
    because: str
    slots: tuple[str, ...] = ()
    full: tuple[str, ...] = ()
    waiting: int = 0


class Running(NamedTuple):
    """A step in flight, and since when it runs."""

    host: str
    step: str
    since: float


@dataclass(frozen=True, slots=True)
class Standing:
    """A run at `now`. `asked`: requests that no controller has read yet. `ended`: exit code, why, when. `running`: a few, the longest first."""

    run: str
    plan: str
    digest: str
    plan_file: str
    created_at: float
    created_by: str
    now: float
    holder: Holder | None = None
    ended: tuple[int, str, float] | None = None
    paused: str | None = None
    aborted: str | None = None
    tripped: Mapping[str, str] = field(default_factory=dict)
    counts: Mapping[tuple[str, str, Status], int] = field(default_factory=dict)
    held: Sequence[Held] = ()
    asked: Sequence[Event] = ()
    running: Sequence[Running] = ()
    paused_at: float = 0.0
    eta: "Eta | None" = None
    """None: the fleet is too large for it to be worked out unasked."""
    gates: Sequence[Said] = ()
    """What gates about the fleet said last."""
    waived: Mapping[str, str] = field(default_factory=dict)


def age(since: float, now: float) -> str:
    """For how long; what a person has left for more than a day is marked."""
    return f"{spoken(now - since)}{', forgotten?' if now - since >= LONG else ''}"


def release(host: str, options: str = "") -> str:
    """The command that releases a held host, as it is typed."""
    return f"rollout retry {_word(host)}{options} --reason WHY"


def _word(host: str) -> str:
    """A shell word; a name with control characters is shown so that nothing in it acts, and must be typed by hand."""
    return quote(host) if host.isprintable() else f"'{plain(host)}'"


def others(options: str = "") -> str:
    """What else may be done with a held host."""
    return (
        f"or: rollout resolve HOST{options} --as done|retry|failed --reason WHY (it is upgraded: prove it again; it is not: run the step again; it failed: keep it held), "
        f"rollout retire HOST{options} --reason WHY (out of the run; frees its slot)"
    )


def text(standing: Standing, options: str = "") -> str:
    """`options` are what the commands need to find this journal, such as ` --journal X`."""
    rows = [
        ["run", plain(standing.run)],
        ["plan", f"{plain(standing.plan)}, digest {standing.digest[:12]}, from {plain(standing.plan_file)}"],
        ["begun", f"{stamp(standing.created_at)} by {plain(standing.created_by)}"],
        ["state", state(standing)],
    ]
    if standing.aborted:
        rows.append(["aborted", plain(standing.aborted)])
    if standing.paused:
        since = (
            f"since {stamp(standing.paused_at)} ({age(standing.paused_at, standing.now)}): "
            if standing.paused_at
            else ""
        )
        rows.append(["paused", f"{since}{plain(standing.paused)} (rollout resume{options} goes on)"])
    rows += [["stopped", plain(because)] for because in standing.tripped.values()]
    rows += [["gate", said] for said in _gates(standing)]
    rows += [["waived", f"gate {plain(gate)}: {plain(why)}"] for gate, why in standing.waived.items()]
    rows += [
        [
            "asked",
            f"{what(event)}{f' for {plain(event.host)}' if event.host else ''}, not read by a controller yet: {plain(event.because)}",
        ]
        for event in standing.asked
    ]
    rows += [["eta", said] for said in _expected(standing, options) if said]
    lines = [*table(rows, ""), "", *_counts(standing.counts, standing.eta)]
    if standing.running:
        lines += ["", "in flight, the longest first", *table(_running(standing))]
    if standing.held:
        lines += ["", "held, and in need of a person", *_held(standing.held, options, standing.now)]
    return "\n".join(lines) + "\n"


def _gates(standing: Standing) -> Iterator[str]:
    """Those that keep something from beginning first; of many the rest is counted."""
    gates = answers.in_order(standing.gates, standing.waived)
    stopping = sum(answers.stops(gate, standing.waived) for gate in gates)
    shown = gates[: max(GATES_SHOWN, min(stopping, HELD_SHOWN))]
    for gate in shown:
        yield answers.said(gate, standing.waived, standing.now, is_asked=standing.holder is not None)
    if len(gates) > len(shown):
        yield f"and {counted(len(gates) - len(shown), 'more answer')}: rollout why"


def state(standing: Standing) -> str:
    """One sentence: who holds the run, or how its last controller let go of it."""
    holder = standing.holder
    if holder is not None:
        since = f"since {stamp(holder.since)}"
        if holder.life == "dead":
            return f"interrupted: {plain(holder.who)}, which held it {since}, has died; `rollout resume` carries it on"
        sign = f"last sign of life {spoken(standing.now - holder.seen)} ago"
        if holder.life == "lapsed":
            return f"interrupted: {plain(holder.who)}, which held it {since}, has let its lease lapse ({sign}); `rollout resume` carries it on"
        doubt = "" if holder.life == "alive" else "; whether it lives cannot be seen from here"
        return f"running: held by {plain(holder.who)} {since}, {sign}{doubt}"
    if standing.ended is not None:
        code, because, at = standing.ended
        return f"{plain(because)} (exit code {code}, {stamp(at)})"
    return "not begun: no controller has held it yet"


def _expected(standing: Standing, options: str) -> Iterator[str]:
    if standing.eta is not None:
        from rollout.report.eta import told  # noqa: PLC0415  a large fleet's `status` needs none of it

        yield told(standing.eta, standing.now)
    elif any(status in UNFINISHED for _, _, status in standing.counts):
        yield f"`rollout status{options} --eta` works it out, from every host of the run"


def _counts(counts: Mapping[tuple[str, str, Status], int], eta: "Eta | None") -> list[str]:
    shown = [status for status in Status if any(key[2] is status for key in counts)]
    waves = sorted({(combo, wave) for combo, wave, _ in counts}, key=lambda key: (key[0], _number(key[1])))
    ends = eta.waves if eta is not None else {}
    rows = [["wave", *(str(status) for status in shown), "expected to end" if ends else ""]]
    rows += [
        [wave, *(str(counts.get((combo, wave, status), "-")) for status in shown), _end(ends.get(wave))]
        for combo, wave in waves
    ]
    totals = [str(sum(count for key, count in counts.items() if key[2] is status)) for status in shown]
    return table([*rows, ["all", *totals, ""]], "")


def _end(between: tuple[float, float] | None) -> str:
    if between is None:
        return ""
    usual, late = (stamp(end)[:-4] + "Z" for end in between)
    return usual if usual == late else f"{usual} .. {late}"


def _running(standing: Standing) -> list[list[str]]:
    return [
        [plain(step.host), step.step, f"since {clock(step.since)} ({spoken(standing.now - step.since)})"]
        for step in standing.running
    ]


def _number(wave: str) -> int:
    number = wave.rpartition("/")[2]
    return int(number) if number.isdigit() else 0


def _held(held: Sequence[Held], options: str, now: float) -> Iterator[str]:
    """Those that have waited for longest first."""
    for host in held[:HELD_SHOWN]:
        yield f"  {plain(host.host)}, since {stamp(host.since)} ({age(host.since, now)}): {plain(host.because)}"
        if host.slots:
            waiting = (
                f"; {counted(host.waiting, 'host')} cannot begin, for held hosts fill {listed(host.full)}"
                if host.waiting
                else ""
            )
            yield f"    keeps its place in {listed(host.slots)}{waiting}"
        yield f"    release: {release(host.host, options)}"
    if len(held) > HELD_SHOWN:
        yield f"  and {counted(len(held) - HELD_SHOWN, 'host')} more: rollout hosts{options} --status held"
    yield f"  {others(options)}"


def as_json(standing: Standing) -> str:
    """One line."""
    totals: dict[str, int] = {}
    waves: dict[str, dict[str, int]] = {}
    for (_, wave, status), count in standing.counts.items():
        totals[status] = totals.get(status, 0) + count
        waves.setdefault(wave, {})[status] = count
    holder, ended = standing.holder, standing.ended
    return json.dumps(
        {
            "run": standing.run,
            "plan": standing.plan,
            "digest": standing.digest,
            "plan_file": standing.plan_file,
            "state": state(standing),
            "holder": holder._asdict() if holder else None,
            "ended": {"exit_code": ended[0], "because": ended[1], "at": ended[2]} if ended else None,
            "paused": standing.paused,
            "paused_at": standing.paused_at or None,
            "eta": _eta(standing.eta),
            "aborted": standing.aborted,
            "stopped": dict(standing.tripped),
            "gates": [asdict(gate) for gate in standing.gates],
            "waived": dict(standing.waived),
            "hosts": totals,
            "waves": waves,
            "running": [step._asdict() for step in standing.running],
            "held": [host._asdict() for host in standing.held],
        }
    )


def _eta(eta: "Eta | None") -> object:
    if eta is None:
        return None
    from rollout.report.eta import as_json as value_of  # noqa: PLC0415  as above

    return value_of(eta)
