"""A compiled plan as Markdown, for a merge request: a table of the combos, the picture, what is not touched, and the rest folded away."""

import time
from collections.abc import Sequence
from itertools import chain

from rollout.model.graph import Combo, Graph, Node
from rollout.report import combos, drawn, plans, rungs, safeguards, untouched, waivers, windows
from rollout.report.estimate import disruption, seconds_of_wave
from rollout.report.markdown import code, fenced, table
from rollout.report.plain import counted, spoken
from rollout.report.saved import Compiled

COMBOS_SHOWN = 50
CANARIES_SHOWN = 5
LINES_SHOWN = 400
"""Of what is folded."""


def markdown(compiled: Compiled, now: float | None = None) -> str:
    """What comes from outside stands in code alone. `now` as in `plans.text`."""
    graph, at = compiled.graph, time.time() if now is None else now
    lines = [f"## Plan {code(graph.plan)}", "", *head(graph)]
    return "\n".join([*lines, *chain.from_iterable(sections(compiled, at))]) + "\n"


def head(graph: Graph) -> list[str]:
    """A list of what matters most: the digest, how many hosts, how long, and what is out of service."""
    said = (f"- {words[:1].upper()}{words[1:]}" for words in plans.head(graph)[1:])
    return [f"- Digest {code(graph.digest[:12])}", *said]


def sections(compiled: Compiled, now: float) -> list[list[str]]:
    """The rest in the order in which it is read, each with an empty line before it; what is long is folded."""
    graph = compiled.graph
    found = [["", *_combos(graph)]]
    if graph.waves:
        found.append(_folded("Order", drawn.mermaid(graph).rstrip("\n").split("\n"), "mermaid"))
    found.append(["", "### Not touched", *fenced(untouched.lines(graph))])
    rest = [
        ("Order in words", rungs.lines(graph)),
        ("Gates", safeguards.gates(graph)),
        ("Known errors", safeguards.risks(graph)),
        ("Waivers", waivers.lines(graph, now)),
        ("Limits", safeguards.limits(compiled)),
        ("Failures tolerated", safeguards.failures(graph)),
        ("Windows", windows.lines(graph, now)),
        ("Defaults used, and notes", plans.notes(graph)),
    ]
    return found + [_folded(title, said) for title, said in rest if said]


def _folded(title: str, said: Sequence[str], language: str = "text") -> list[str]:
    """What is longer than a person reads is cut, and says so."""
    shown = list(said[:LINES_SHOWN])
    if len(said) > LINES_SHOWN:
        shown.append(f"and {counted(len(said) - LINES_SHOWN, 'more line')}: `rollout plan` tells all")
    return [
        "",
        f"<details><summary>{title}</summary>",
        "",
        *fenced(shown, language),
        "",
        "</details>",
    ]


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
