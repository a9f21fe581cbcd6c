"""A compiled plan as Markdown, for a merge request: a table of the combos, the picture, what is not touched, and the rest folded away."""

import time
from collections.abc import Sequence

from rollout.model.graph import Combo, Graph, Node
from rollout.report import combos, drawn, plans, rungs, safeguards, untouched, waivers, windows
from rollout.report.estimate import disruption, seconds_of_wave
from rollout.report.markdown import code, fenced, table
from rollout.report.plain import counted, spoken
from rollout.report.saved import Compiled

COMBOS_SHOWN = 50
CANARIES_SHOWN = 5


def markdown(compiled: Compiled, now: float | None = None) -> str:
    """What comes from outside stands in code alone. `now` as in `plans.text`."""
    graph, at = compiled.graph, time.time() if now is None else now
    lines = [f"## Plan {code(graph.plan)}", "", f"- Digest {code(graph.digest[:12])}"]
    lines += [f"- {said[:1].upper()}{said[1:]}" for said in plans.head(graph)[1:]]
    lines += ["", *_combos(graph)]
    if graph.waves:
        lines += ["", "### Order", *fenced(drawn.mermaid(graph).rstrip("\n").split("\n"), "mermaid")]
    lines += ["", "### Not touched", *fenced(untouched.lines(graph))]
    rest = [
        ("Order in words", rungs.lines(graph)),
        ("Gates", safeguards.gates(graph)),
        ("Known errors", safeguards.risks(graph)),
        ("Waivers", waivers.lines(graph, at)),
        ("Limits", safeguards.limits(compiled)),
        ("Failures tolerated", safeguards.failures(graph)),
        ("Windows", windows.lines(graph, at)),
        ("Defaults used, and notes", plans.notes(graph)),
    ]
    for title, said in rest:
        if said:
            lines += ["", f"<details><summary>{title}</summary>", "", *fenced(said), "", "</details>"]
    return "\n".join(lines) + "\n"


def _combos(graph: Graph) -> list[str]:
    members = combos.members(graph)
    shown = [combo for combo in graph.combos.values() if combo.hosts]
    rows = [_row(graph, combo, members[combo.name]) for combo in shown[:COMBOS_SHOWN]]
    head = ["combo", "verdict", "hosts", "leads to", "canaries", "expected", "host-minutes", "VM-minutes"]
    more = (
        ["", f"And {counted(len(shown) - COMBOS_SHOWN, 'more combo')}."] if len(shown) > COMBOS_SHOWN else []
    )
    return table(head, rows) + more


def _row(graph: Graph, combo: Combo, nodes: Sequence[Node]) -> list[str]:
    waves = graph.waves_of[combo.name]
    canaries = [host for wave in waves if wave.canary for host in wave.hosts]
    of = disruption(graph, nodes)
    more = f" and {len(canaries) - CANARIES_SHOWN} more" if len(canaries) > CANARIES_SHOWN else ""
    return [
        code(combo.name),
        combo.verdict if combo.verdict == "supported" else code(combos.verdict(graph, combo, nodes)),
        str(combo.hosts),
        code(combos.target(combo)),
        ", ".join(code(host) for host in canaries[:CANARIES_SHOWN]) + more or "none of its own",
        spoken(sum(seconds_of_wave(graph, wave) for wave in waves)),
        combos.minutes(of.hosts),
        combos.minutes(of.guests) if of.known else "not known",
    ]
