"""A compiled plan as text, and as lines of JSON."""

import json
from collections import Counter
from collections.abc import Iterator, Mapping

from rollout.model.chain import Step
from rollout.model.graph import Combo, Graph, Wave
from rollout.model.plan import Risk
from rollout.model.slots import FLEET
from rollout.report import rungs, windows
from rollout.report.estimate import bound, seconds_of_run, seconds_of_wave
from rollout.report.plain import counted, listed, plain, spoken, table
from rollout.report.saved import Compiled

CANARIES_SHOWN = 20


def text(compiled: Compiled, now: float | None = None) -> str:
    """Everything that `rollout plan` says. `now`: from when on windows are looked at; None: the clock's."""
    graph = compiled.graph
    counts = Counter(untouched.word for untouched in graph.untouched)
    upgrading = sum(1 for combo in graph.combos.values() if combo.hosts)
    head = [f"plan {plain(graph.plan)}, digest {graph.digest[:12]}"]
    head.append(
        f"{counted(len(graph.nodes), 'host')} in {counted(upgrading, 'combo')} to upgrade, "
        f"{counts['current']} already there, {counts['excluded']} excluded"
    )
    if graph.nodes:
        head.append(
            f"expected to take at least {spoken(seconds_of_run(graph))}, if nothing fails and steps take as long as `expect` says"
        )
    sections = [head]
    sections += [_combo(graph, combo) for combo in graph.combos.values() if combo.hosts]
    sections += [
        rungs.lines(graph),
        _gates(graph),
        _risks(graph),
        _limits(compiled),
        _failures(graph),
        windows.lines(graph, now),
        _notes(graph),
        _untouched(graph),
    ]
    return "\n\n".join("\n".join(lines) for lines in sections if lines) + "\n"


def _combo(graph: Graph, combo: Combo) -> list[str]:
    target = ", ".join(f"{plain(factor)} {plain(' or '.join(globs))}" for factor, globs in combo.to.items())
    waves = graph.waves_of[combo.name]
    lines = [f"combo {combo.name}: {counted(combo.hosts, 'host')} to {target or 'the same factors'}"]
    if combo.current:
        lines[0] += f" ({combo.current} already there)"
    lines.append(f"  steps: {', '.join(_step(step) for step in combo.chain)}")
    slot = combo.first_disruptive
    lines.append(
        f"  a host takes its slot at {slot}, and keeps it until it is proven healthy"
        if slot
        else "  no step disrupts a host: it takes no slot"
    )
    lines += _way_back(combo)
    if combo.guests_ignored is not None:
        lines.append(f"  guests are no obstacle here: {plain(combo.guests_ignored)}")
    lines += table([_wave(wave) for wave in waves])
    canaries = sum(len(wave.hosts) for wave in waves if wave.canary)
    lines.append(
        "  no canary of its own: all that is known when it begins is what other combos have shown"
        if not canaries
        else f"  {counted(canaries, 'healthy canary', 'healthy canaries')} would show, at 95 %, that fewer than {bound(canaries):.0%} of such hosts fail"
    )
    lines.append(f"  expected: {spoken(sum(seconds_of_wave(graph, wave) for wave in waves))}")
    return lines


def _step(step: Step) -> str:
    words = [
        word
        for word, is_so in (("once", step.once), ("disruptive", step.disruptive and not step.once))
        if is_so
    ]
    words += [f"drain {step.drain}"] if step.drain else []
    words += [f"reopen {step.reopen}"] if step.reopen else []
    words += ["made final after the soak"] if step.commit else []
    return step.name + (f" ({', '.join(words)})" if words else "")


def _way_back(combo: Combo) -> list[str]:
    """What a rollback would undo, and what it could not."""
    undone = [step.name for step in combo.chain if step.undo is not None]
    final = combo.irreversible(combo.chain)
    if not undone:
        return []
    said = f"  a rollback undoes {', '.join(reversed(undone))}"
    return [f"{said}; once {final} has begun there is no way back: it names no undo" if final else said]


def _wave(wave: Wave) -> list[str]:
    names = listed(wave.hosts, CANARIES_SHOWN if wave.canary else 3)
    kind = "canary" if wave.canary else "ramp"
    if wave.canary and len(wave.hosts) > 1:
        kind = "canaries"
    return [
        wave.id,
        kind,
        counted(len(wave.hosts), "host"),
        rungs.needs(wave),
        f"soak {spoken(wave.soak)}",
        names,
    ]


def _gates(graph: Graph) -> list[str]:
    rows = [[gate.name, f"({gate.kind})", str(gate.when)] for gate in graph.gates]
    return (
        ["gates", *table(rows)] if rows else ["gates: none; a step that ends well is all the proof there is"]
    )


def _risks(graph: Graph) -> list[str]:
    rows = [
        [risk.name, f"on {' and '.join(risk.steps) or 'any step'}", _answer(risk)] for risk in graph.risks
    ]
    return ["known errors", *table(rows)] if rows else []


def _answer(risk: Risk) -> str:
    if risk.then == "hold":
        return f"held: {plain(risk.because)}"
    times = counted(risk.times, "time")
    remedy = plain(risk.remedy.playbook or "") if risk.remedy is not None else ""
    said = f"remedied by {remedy}, {times} at most" if remedy else f"tried again, {times} at most"
    return said + ("" if risk.repeatable else "; a `once` step is held")


def _limits(compiled: Compiled) -> list[str]:
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
    for factor, values in domains.items():
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


def _failures(graph: Graph) -> list[str]:
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


def _notes(graph: Graph) -> list[str]:
    return ["defaults used, and notes", *(f"  {plain(note)}" for note in graph.notes)] if graph.notes else []


def _untouched(graph: Graph) -> list[str]:
    groups: dict[tuple[str, str], list[str]] = {}
    for untouched in graph.untouched:
        groups.setdefault((untouched.word, untouched.because), []).append(untouched.host)
    if not groups:
        return ["every selected host is in a wave"]
    return ["not touched"] + [
        f"  {counted(len(names), 'host')} {word}: {plain(because)}: {listed(names, 10)}"
        for (word, because), names in groups.items()
    ]


def json_lines(compiled: Compiled) -> Iterator[str]:
    """The plan, then each wave, then each host that is not touched."""
    graph = compiled.graph
    yield json.dumps(
        {
            "type": "plan",
            "plan": graph.plan,
            "plan_file": compiled.plan_file,
            "digest": graph.digest,
            "hosts": len(graph.nodes),
            "expected_seconds": round(seconds_of_run(graph)),
            "limits": dict(graph.caps),
            "rungs": list(graph.rungs),
            "approvals": list(graph.approvals),
            "four_eyes": graph.four_eyes,
            "harm": graph.harm,
            "notes": list(graph.notes),
        }
    )
    for wave in graph.waves.values():
        needs = [rungs.need(need) for need in wave.needs]
        yield json.dumps(
            {
                "type": "wave",
                "wave": wave.id,
                "combo": wave.combo,
                "canary": wave.canary,
                "rung": wave.rung,
                "hosts": list(wave.hosts),
                "needs": needs,
                "soak": wave.soak,
            }
        )
    for untouched in graph.untouched:
        yield json.dumps(
            {
                "type": "untouched",
                "host": untouched.host,
                "word": untouched.word,
                "because": untouched.because,
            }
        )
