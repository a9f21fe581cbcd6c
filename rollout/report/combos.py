"""One combination of a compiled plan, in words: its verdict, its way, its canaries, what it takes."""

from collections.abc import Sequence

from rollout.model.chain import Step
from rollout.model.graph import Combo, Graph, Node, Wave
from rollout.report import rungs, windows
from rollout.report.estimate import Disruption, bound, disruption, seconds_of_wave
from rollout.report.plain import counted, listed, plain, spoken, table

CANARIES_SHOWN = 20
REASONS_SHOWN = 8


def lines(graph: Graph, combo: Combo, nodes: Sequence[Node], now: float) -> list[str]:
    """All that is said of it. `nodes` are its hosts in waves."""
    waves = graph.waves_of[combo.name]
    head = f"combo {plain(combo.name)}: {counted(combo.hosts, 'host')} to {target(combo)}"
    if combo.rule:
        head = f"combo {plain(combo.name)}, a part of {plain(combo.rule)}: {counted(combo.hosts, 'host')} to {target(combo)}"
    if combo.current:
        head += f" ({combo.current} already there)"
    found = [head, *_verdict(graph, combo, nodes)]
    if combo.hops:
        found.append(f"  {counted(len(combo.hops), 'leg')}: to {', then to '.join(map(plain, combo.hops))}")
    found.append(f"  steps: {', '.join(_step(step) for step in combo.chain)}")
    slot = combo.first_disruptive
    found.append(
        f"  a host takes its slot at {slot}, and keeps it until it is proven healthy"
        if slot
        else "  no step disrupts a host: it takes no slot"
    )
    found += way_back(combo)
    if combo.guests_ignored is not None:
        found.append(f"  guests are no obstacle here: {plain(combo.guests_ignored)}")
    found += table([_wave(wave) for wave in waves])
    found.append(f"  {proof(waves)}")
    taken = spoken(sum(seconds_of_wave(graph, wave) for wave in waves))
    found.append(f"  expected: {taken}; {out_of_service(disruption(graph, nodes))}")
    return found + windows.of_hosts(graph, nodes, now)


def members(graph: Graph) -> dict[str, list[Node]]:
    """The hosts of each combo that are in waves."""
    found: dict[str, list[Node]] = {name: [] for name in graph.combos}
    for node in graph.nodes.values():
        found[node.combo].append(node)
    return found


def target(combo: Combo) -> str:
    """Where it leads."""
    said = ", ".join(f"{plain(factor)} {plain(' or '.join(globs))}" for factor, globs in combo.to.items())
    return said or "the same factors"


def verdict(graph: Graph, combo: Combo, nodes: Sequence[Node]) -> str:
    """The word, and on whose word hosts are touched all the same."""
    names = dict.fromkeys(name for node in nodes for name in node.waivers)
    if names:
        return f"{combo.verdict}, let pass by {listed(names, 8)}"
    is_allowed = combo.verdict == "unknown" and graph.allow_unknown
    return f"{combo.verdict}, touched because of --allow-unknown" if is_allowed else combo.verdict


def _verdict(graph: Graph, combo: Combo, nodes: Sequence[Node]) -> list[str]:
    """With the reasons; hosts have each their own, so they may be many."""
    lines = [f"  verdict: {verdict(graph, combo, nodes)}"]
    lines += [f"    {plain(because)}" for because in combo.because[:REASONS_SHOWN]]
    more = len(combo.because) - REASONS_SHOWN
    return [*lines, f"    and {counted(more, 'more reason')}"] if more > 0 else lines


def proof(waves: Sequence[Wave]) -> str:
    """What its canaries show if all are well."""
    canaries = sum(len(wave.hosts) for wave in waves if wave.canary)
    if not canaries:
        return "no canary of its own: all that is known when it begins is what other combos have shown"
    who = counted(canaries, "healthy canary", "healthy canaries")
    return f"{who} would show, at 95 %, that fewer than {bound(canaries):.0%} of such hosts fail"


def out_of_service(of: Disruption) -> str:
    """Minutes of hosts, and of guests where the inventory counts them."""
    if not of.hosts:
        return "no host is out of service"
    said = f"out of service for {minutes(of.hosts)} host-minutes"
    if not of.known:
        return said
    return f"{said}, {minutes(of.guests)} VM-minutes (guests are known of {counted(of.known, 'host')})"


def minutes(seconds: float) -> str:
    """Whole minutes; up, so that nothing looks like nothing."""
    return str(-(-round(seconds) // 60))


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


def way_back(combo: Combo) -> list[str]:
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
