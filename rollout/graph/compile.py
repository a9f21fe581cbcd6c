"""Plan + fleet -> graph."""

import hashlib
import json
from collections.abc import Mapping

from rollout.errors import PlanInvalid
from rollout.graph.match import Matched, match
from rollout.graph.order import ordered
from rollout.model.fleet import Fleet, Host
from rollout.model.graph import Combo, Graph, Need, Node, Untouched, Wave
from rollout.model.plan import Amount, ComboRule, Plan
from rollout.model.slots import FLEET

_SIZES = (Amount(1), Amount(100, percent=True))


def compile_graph(plan: Plan, fleet: Fleet, parts: Mapping[str, str]) -> Graph:
    """The graph of a plan over a fleet.

    `parts` are the digests of the files that the run depends on, by name. Raises PlanInvalid with every mistake.
    """
    matched = match(plan, fleet)
    rules, cycles = ordered(plan)
    problems = [*matched.problems, *cycles]
    if problems:
        raise PlanInvalid(problems)
    cuts = {rule.name: _cut(plan, matched.hosts[rule.name]) for rule in rules}
    combos = {
        rule.name: _combo(rule, cuts[rule.name], matched.current[rule.name])
        for rule in rules
        if cuts[rule.name] or matched.current[rule.name]
    }
    waves: dict[str, Wave] = {}
    unreached: list[Untouched] = []
    for rule in rules:
        cut = cuts[rule.name]
        waves.update(_waves(plan, rule, cut, combos, waves))
        reached = len(cut[-1]) if cut else 0
        because = f"no wave of {rule.name} reaches it"
        unreached += [
            Untouched(host.name, "excluded", because, rule.name)
            for host in matched.hosts[rule.name][reached:]
        ]
    nodes = _nodes(plan, fleet, waves)
    caps = _caps(plan, fleet, nodes)
    parts = {**parts, "hosts": _hosts_digest(fleet), "limits": _caps_digest(caps)}
    return Graph(
        plan=plan.name,
        digest=_digest(parts),
        parts=parts,
        nodes=nodes,
        combos=combos,
        waves=waves,
        gates=plan.gates,
        caps=caps,
        controller=plan.limits.controller,
        tolerated_canary=plan.failures.canary,
        tolerated_combo=plan.failures.combo,
        tolerated_run=len(nodes) if plan.failures.run is None else plan.failures.run,
        untouched=(*matched.untouched, *unreached),
        risks=plan.risks,
        notes=(*plan.defaults, *_notes(plan, matched)),
    )


def _combo(rule: ComboRule, cut: list[list[str]], current: int) -> Combo:
    """Hosts that no wave reaches are none of its hosts: nobody waits for them."""
    reached = len(cut[-1]) if cut else 0
    return Combo(rule.name, rule.steps, rule.to, reached, current, rule.guests_ignored)


def _cut(plan: Plan, hosts: list[Host]) -> list[list[str]]:
    """The hosts up to each cumulative size; sizes that come to the same number collapse."""
    names = [host.name for host in hosts]
    ends = sorted({min(size.of(len(names)), len(names)) for size in plan.waves or _SIZES}) if names else []
    return [names[:end] for end in ends]


def _waves(
    plan: Plan, rule: ComboRule, cut: list[list[str]], combos: Mapping[str, Combo], known: Mapping[str, Wave]
) -> dict[str, Wave]:
    waves: dict[str, Wave] = {}
    reached = 0
    for number, names in enumerate(cut, 1):
        needs = (Need(wave=f"{rule.name}/{number - 1}"),) if number > 1 else _needs(rule, combos, known)
        canary = number == 1
        soak = plan.soak.canary if canary else plan.soak.ramp
        identity = f"{rule.name}/{number}"
        waves[identity] = Wave(identity, rule.name, tuple(names[reached:]), canary, needs, soak)
        reached = len(names)
    return waves


def _needs(rule: ComboRule, combos: Mapping[str, Combo], known: Mapping[str, Wave]) -> tuple[Need, ...]:
    """A combo without hosts to upgrade is waited for by nobody."""
    needs = []
    for after in rule.after:
        if after.until == "canaries":
            if f"{after.combo}/1" in known:
                needs.append(Need(wave=f"{after.combo}/1"))
        elif after.combo in combos:
            needs.append(Need(combo=after.combo, share=float(after.until)))
    return tuple(needs)


def _nodes(plan: Plan, fleet: Fleet, waves: Mapping[str, Wave]) -> dict[str, Node]:
    wave_of = {name: wave for wave in waves.values() for name in wave.hosts}
    shared: dict[tuple[str, ...], tuple[str, ...]] = {}
    expect = {rule.name: sum(step.expect for step in rule.steps) for rule in plan.combos}
    nodes = {}
    for host in fleet.hosts:
        wave = wave_of.get(host.name)
        if wave is None:
            continue
        slots = (FLEET, *(f"{factor}={host.factors[factor]}" for factor in plan.limits.per))
        slots = shared.setdefault(slots, slots)
        nodes[host.name] = Node(
            host.name, wave.combo, wave.id, slots, host.factors, host.address, host.digest, expect[wave.combo]
        )
    return nodes


def _caps(plan: Plan, fleet: Fleet, nodes: Mapping[str, Node]) -> dict[str, int]:
    """At once: of the selected hosts. Per domain: of all its hosts in the inventory."""
    caps = {FLEET: plan.limits.at_once.of(len(fleet.hosts))}
    for factor, amount in plan.limits.per.items():
        sizes = fleet.domain_sizes.get(factor, {})
        for value in {node.factors[factor]: None for node in nodes.values()}:
            caps[f"{factor}={value}"] = amount.of(sizes.get(value, 1))
    return caps


def _notes(plan: Plan, matched: Matched) -> list[str]:
    notes = []
    for rule in plan.combos:
        if rule.verdict != "blocked" and not matched.hosts[rule.name] and not matched.current[rule.name]:
            notes.append(f"combo {rule.name} matches no host")
        notes += [
            f"combo {rule.name} waits for {after.combo}, which has no host to upgrade: it does not wait"
            for after in rule.after
            if matched.hosts[rule.name] and not matched.hosts[after.combo]
        ]
    return notes


def _hosts_digest(fleet: Fleet) -> str:
    content = [[host.name, host.digest, sorted(host.factors.items())] for host in fleet.hosts]
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()


def _caps_digest(caps: Mapping[str, int]) -> str:
    """A percentage of a domain changes with the domain's hosts in the inventory, selected or not."""
    return hashlib.sha256(json.dumps(sorted(caps.items())).encode()).hexdigest()


def _digest(parts: Mapping[str, str]) -> str:
    return hashlib.sha256(json.dumps(sorted(parts.items())).encode()).hexdigest()
