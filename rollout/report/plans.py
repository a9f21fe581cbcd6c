"""A compiled plan as text."""

import time
from collections import Counter

from rollout.model.graph import Graph
from rollout.report import combos, rungs, safeguards, untouched, waivers, windows
from rollout.report.estimate import disruption, seconds_of_run
from rollout.report.plain import counted, plain, spoken
from rollout.report.plan_json import json_lines
from rollout.report.saved import Compiled

__all__ = ["json_lines", "text"]


def text(compiled: Compiled, now: float | None = None) -> str:
    """Everything that `rollout plan` says. `now` (seconds since the epoch): from when on windows, waivers and the deadline are told."""
    graph, at = compiled.graph, time.time() if now is None else now
    members = combos.members(graph)
    sections = [head(graph)]
    sections += [
        combos.lines(graph, combo, members[name], at) for name, combo in graph.combos.items() if combo.hosts
    ]
    if graph.nodes:
        sections += [
            rungs.lines(graph),
            safeguards.gates(graph),
            safeguards.risks(graph),
            waivers.lines(graph, at),
            safeguards.limits(compiled),
            safeguards.failures(graph),
            windows.lines(graph, at),
        ]
    sections += [notes(graph), untouched.lines(graph)]
    return "\n\n".join("\n".join(lines) for lines in sections if lines) + "\n"


def head(graph: Graph) -> list[str]:
    """Name, digest and numbers; how long it takes, and what it costs."""
    counts = Counter(one.word for one in graph.untouched)
    upgrading = sum(1 for combo in graph.combos.values() if combo.hosts)
    found = [f"plan {plain(graph.plan)}, digest {graph.digest[:12]}"]
    found.append(
        f"{counted(len(graph.nodes), 'host')} in {counted(upgrading, 'combo')} to upgrade, "
        f"{counts['current']} already there, {counts['excluded']} excluded"
    )
    if graph.nodes:
        longer = [
            word for word, is_so in (("windows", graph.calendar), ("approvals", graph.approvals)) if is_so
        ]
        uncounted = f"; what {' and '.join(longer)} add is not counted" if longer else ""
        found.append(
            f"expected to take at least {spoken(seconds_of_run(graph))}, if nothing fails and steps take as long as `expect` says{uncounted}"
        )
        found.append(combos.out_of_service(disruption(graph, graph.nodes.values())))
    return found


def notes(graph: Graph) -> list[str]:
    """What was left out of the plan file, and what a person should know of it."""
    return ["defaults used, and notes", *(f"  {plain(note)}" for note in graph.notes)] if graph.notes else []
