"""Simulated runs in words and in JSON: of one seed what happened, of many how it is spread."""

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from math import ceil
from typing import Any

from rollout.errors import DONE, HELD_WITHIN_BUDGET
from rollout.model.event import Event
from rollout.model.graph import Graph
from rollout.model.simulated import Simulated
from rollout.report.plain import counted, listed, plain, spoken, table

HONEST = (
    "this simulates the policy over imagined hosts: it proves nothing about hardware, and no host was reached"
)
SHOWN = 40
"""Waves that are shown."""

REASONS = 5
"""Reasons that are shown, the commonest first."""


def text(graph: Graph, one: Simulated) -> str:
    """What became of one seed."""
    lines = [f"simulation, seed {one.seed}: {plain(one.stop.because, 2000)} (exit code {one.stop.exit_code})"]
    lines.append(f"  took {spoken(one.took)}, {counted(one.events, 'event')}{_crashed(one.crashes)}")
    lines.append(
        f"  hosts harmed by defects: {len(one.harmed)}{f' ({listed(one.harmed)})' if one.harmed else ''}"
    )
    lines.append(f"  VM-minutes of disruption: {_vm_minutes(graph, [one.vm_minutes])}")
    lines += ["", "waves, and when they had passed"]
    rows = [
        [
            plain(wave.id),
            counted(len(wave.hosts), "host"),
            spoken(one.passed[wave.id]) if wave.id in one.passed else "never",
        ]
        for wave in graph.waves.values()
    ]
    lines += _shortened(rows)
    if one.stopped:
        lines += ["", "what stopped it"]
        lines += [
            f"  after {spoken(_at(one, event))}: {plain(event.because, 2000)}"
            for event in one.stopped[:REASONS]
        ]
        if len(one.stopped) > REASONS:
            lines.append(f"  and {len(one.stopped) - REASONS} more")
    return "\n".join([*lines, "", HONEST]) + "\n"


def spread(graph: Graph, many: Sequence[Simulated]) -> str:
    """How the seeds came out, taken together."""
    stopped = [one for one in many if is_stopped(one)]
    lines = [
        f"simulation of {counted(len(many), 'seed')}: {_percent(len(stopped), len(many))} stopped before their end",
        "",
        *table(
            [
                ["", "p50", "p90", "p95", "max"],
                *([name, *map(show, _quantiles(values))] for name, values, show in _rows(many)),
            ]
        ),
        f"  guests are known for {_known(graph)}",
    ]
    if stopped:
        lines += ["", "why they stopped, the commonest first"]
        lines += [
            f"  {_percent(number, len(many))}: {plain(example.stopped[0].because if example.stopped else example.stop.because, 500)} (seed {example.seed})"
            for number, example in _reasons(stopped)[:REASONS]
        ]
    lines += ["", "waves, and when they had passed"]
    rows = [["", "p50", "p90", "of the seeds"]]
    for wave in graph.waves:
        times = [one.passed[wave] for one in many if wave in one.passed]
        shown = [spoken(_quantile(times, share)) if times else "never" for share in (0.5, 0.9)]
        rows.append([plain(wave), *shown, _percent(len(times), len(many))])
    lines += _shortened(rows)
    return "\n".join([*lines, "", HONEST]) + "\n"


def as_json(one: Simulated) -> str:
    """One line for one seed. Times are seconds since the run began."""
    return json.dumps(
        {
            "seed": one.seed,
            "exit_code": one.stop.exit_code,
            "because": one.stop.because,
            "seconds": one.took,
            "harmed": list(one.harmed),
            "vm_minutes": round(one.vm_minutes, 1),
            "hosts": {str(status): number for status, number in one.statuses.items()},
            "waves": dict(one.passed),
            "stopped": [
                {"after": _at(one, event), "event": str(event.kind), "because": event.because}
                for event in one.stopped
            ],
            "crashes": one.crashes,
            "events": one.events,
        }
    )


def spread_as_json(many: Sequence[Simulated]) -> str:
    """One line for all seeds."""
    stopped = [one for one in many if is_stopped(one)]
    figures: dict[str, Any] = {
        name.replace(" ", "_").lower(): dict(
            zip(("p50", "p90", "p95", "max"), _quantiles(values), strict=True)
        )
        for name, values, _ in _rows(many)
    }
    reasons = [
        {"share": number / len(many), "because": example.stop.because, "seed": example.seed}
        for number, example in _reasons(stopped)
    ]
    return json.dumps(
        {"seeds": len(many), "stopped": len(stopped) / len(many), **figures, "reasons": reasons}
    )


def is_stopped(one: Simulated) -> bool:
    """Whether hosts were left that had not begun, or that nobody knew what to do with."""
    return one.stop.exit_code not in {DONE, HELD_WITHIN_BUDGET}


def _rows(many: Sequence[Simulated]) -> Iterator[tuple[str, list[float], Any]]:
    yield "makespan", [one.took for one in many], spoken
    yield "hosts harmed", [float(len(one.harmed)) for one in many], _whole
    yield "VM-minutes", [one.vm_minutes for one in many], _whole


def _quantiles(values: Sequence[float]) -> list[float]:
    return [_quantile(values, share) for share in (0.5, 0.9, 0.95, 1.0)]


def _quantile(values: Sequence[float], share: float) -> float:
    """The least value that so many are at most (nearest rank)."""
    return sorted(values)[max(0, ceil(share * len(values)) - 1)]


def _reasons(stopped: Iterable[Simulated]) -> list[tuple[int, Simulated]]:
    """How many stopped for the same, and the first of them; two reasons are the same if they are of one kind and about the same."""
    counts: Counter[tuple[str, ...]] = Counter()
    first: dict[tuple[str, ...], Simulated] = {}
    for one in stopped:
        key = _about(one.stopped[0]) if one.stopped else ("stop", str(one.stop.exit_code))
        counts[key] += 1
        first.setdefault(key, one)
    return [(number, first[key]) for key, number in counts.most_common()]


def _about(event: Event) -> tuple[str, ...]:
    """What is the same of two events whose words differ in numbers alone."""
    data = event.data
    factors = (f"{factor}={value}" for factor, value in sorted(data.get("factors", {}).items()))
    return (str(event.kind), *(str(data.get(key, "")) for key in ("combo", "gate", "path", "by")), *factors)


def _at(one: Simulated, event: Event) -> float:
    return event.at - one.began


def _crashed(crashes: int) -> str:
    return f"; the controller died {counted(crashes, 'time')}" if crashes else ""


def _vm_minutes(graph: Graph, values: Sequence[float]) -> str:
    return f"{_whole(sum(values))} (guests are known for {_known(graph)})"


def _known(graph: Graph) -> str:
    known = sum(1 for node in graph.nodes.values() if node.guests is not None)
    return f"{known} of {counted(len(graph.nodes), 'host')}"


def _shortened(rows: list[list[str]]) -> list[str]:
    more = [f"  and {len(rows) - SHOWN} more (--json tells of all)"] if len(rows) > SHOWN else []
    return table(rows[:SHOWN]) + more


def _whole(number: float) -> str:
    return f"{number:,.0f}"


def _percent(part: int, whole: int) -> str:
    return f"{part / whole:.1%}"
