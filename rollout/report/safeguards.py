"""What keeps a plan from doing harm, in words: gates, known errors, limits, failures tolerated."""

import re
from collections import Counter
from collections.abc import Mapping

from rollout.model.graph import Graph
from rollout.model.plan import DURING, PER_HOST, PER_RUN, PER_WAVE, GateRule, Risk
from rollout.model.slots import FLEET
from rollout.report.plain import counted, listed, plain, spoken, table
from rollout.report.saved import Compiled

_DIGITS = re.compile(r"([0-9]{1,18})")


def gates(graph: Graph) -> list[str]:
    """The questions, and when they are asked."""
    rows = [[gate.name, f"({gate.kind})", ", ".join([str(gate.when), *marks(gate)])] for gate in graph.gates]
    return (
        ["gates", *table(rows)] if rows else ["gates: none; a step that ends well is all the proof there is"]
    )


def marks(gate: GateRule) -> list[str]:
    """Of whom it is asked, how often it has to pass, and whether it decides anything: what is as usual is left out."""
    usual = PER_RUN if gate.when.edge == DURING or gate.when.what == "run" else PER_WAVE
    about = gate.fleet and gate.per not in {PER_HOST, usual}
    of_each = gate.fleet and gate.per == PER_HOST and gate.when.what in {"run", "wave"}
    said = (
        (about, f"for each {gate.per}"),
        (of_each, "for each host"),
        (gate.canaries, "of canaries"),
        (gate.acts, "disturbs the host"),
        (gate.samples > 1, f"{gate.samples} passes in a row"),
        (gate.lasts > 0, f"for {spoken(gate.lasts)}"),
        (gate.shadow, "shadow: decides nothing"),
    )
    return [words for holds, words in said if holds]


def risks(graph: Graph) -> list[str]:
    """The known errors: whom each concerns, and what answers it."""
    concerned = Counter(name for node in graph.nodes.values() for name in node.risks)
    rows = []
    for risk in graph.risks:
        steps = f"on {' and '.join(risk.steps) or 'any step'}" if risk.symptom else "before anything"
        rows.append([risk.name, steps, _whom(risk, concerned[risk.name]), _answer(risk)])
    if not any(risk.applies for risk in graph.risks):
        rows = [[name, steps, answer] for name, steps, _, answer in rows]
    return ["known errors", *table(rows)] if rows else []


def _whom(risk: Risk, hosts: int) -> str:
    """Of the hosts that are touched; those that it keeps from that are told below, with their reason."""
    if not risk.applies:
        return "any host"
    return f"concerns {counted(hosts, 'host')} in waves" if hosts else "concerns no host in a wave"


def _answer(risk: Risk) -> str:
    link = f" ({plain(risk.link)})" if risk.link else ""
    if not risk.symptom:
        return f"not begun, unless a waiver names it: {plain(risk.because) or 'a person is needed'}{link}"
    first = "not begun, unless a waiver names it; then " if risk.applies else ""
    if risk.then == "hold":
        return f"{first}held: {plain(risk.because) or 'a person is needed'}{link}"
    if risk.then == "halt":
        because = f": {plain(risk.because)}" if risk.because else ""
        return (
            f"{first}held, and nothing more begins on hosts with the same {plain(risk.halts)}{because}{link}"
        )
    times = counted(risk.times, "time")
    remedy = plain(risk.remedy.playbook or "") if risk.remedy is not None else ""
    said = f"remedied by {remedy}, {times} at most" if remedy else f"tried again, {times} at most"
    return said + ("" if risk.repeatable else "; a `once` step is held") + link


def limits(compiled: Compiled) -> list[str]:
    """How many hosts may be disrupted at once, with what was written."""
    graph, rows = compiled.graph, []
    rows.append(
        ["at once", f"{counted(graph.caps[FLEET], 'host')} (at_once: {compiled.amounts.get('', '?')})"]
    )
    domains: dict[str, list[tuple[str, int]]] = {}
    for slot, cap in graph.caps.items():
        if slot != FLEET:
            factor, _, value = slot.partition("=")
            domains.setdefault(factor, []).append((value, cap))
    sets = domains.pop("together", [])
    for factor, found in domains.items():
        values = sorted(found, key=lambda one: _naturally(one[0]))
        caps = sorted({cap for _, cap in values})
        each = (
            counted(caps[0], "host") + " each of " + listed((value for value, _ in values), 8)
            if len(caps) == 1
            else listed((f"{value}: {cap}" for value, cap in values), 8)
        )
        rows.append(
            [f"per {plain(factor)}", f"{each} (per {plain(factor)}: {compiled.amounts.get(factor, '?')})"]
        )
    for name, cap in sets:
        held = [node.name for node in graph.nodes.values() if f"together={name}" in node.slots]
        rows.append([f"together {plain(name)}", f"{cap} of {listed(held, 8)}"])
    rows.append(["controller", counted(graph.controller, "Ansible process", "Ansible processes")])
    return ["limits", *table(rows)]


def _naturally(value: str) -> list[tuple[int, str]]:
    """A key by which r2 stands before r10."""
    return [
        (int(part), "") if _DIGITS.fullmatch(part) else (-1, part) for part in _DIGITS.split(value) if part
    ]


def failures(graph: Graph) -> list[str]:
    """How many are tolerated, where."""
    hosts = len(graph.nodes)
    run = f"{hosts} of {counted(hosts, 'host')}" if graph.tolerated_run >= hosts else str(graph.tolerated_run)
    others = f"{_tolerated(graph.tolerated_combo)} among its other hosts" if graph.tolerated_combo else ""
    others = others or "its other hosts judged by evidence alone"
    lines = [
        f"failures tolerated: {graph.tolerated_canary} among a combo's canaries, {others}, {run} in the run"
    ]
    values: dict[str, dict[str, int]] = {}
    for key, amount in graph.tolerated_per.items():
        factor, _, value = key.partition("=")
        values.setdefault(factor, {})[value] = amount
    lines += [f"  per {plain(factor)}: {_tolerated(amounts)}" for factor, amounts in values.items()]
    if graph.on_fault == "halt":
        lines.append("  any breaker that trips halts the whole run")
    return lines


def _tolerated(amounts: Mapping[str, int]) -> str:
    """One number if all have the same."""
    each = sorted(set(amounts.values()))
    return str(each[0]) if len(each) == 1 else listed((f"{what}: {n}" for what, n in amounts.items()), 8)
