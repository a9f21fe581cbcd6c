"""Plan + fleet -> graph."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import replace
from fnmatch import fnmatchcase

from rollout.errors import PlanInvalid
from rollout.graph.budgets import of_combos, of_run, of_values
from rollout.graph.climb import climb
from rollout.graph.cut import Cut
from rollout.graph.match import Matched, match
from rollout.graph.order import ordered
from rollout.graph.questions import gates_of
from rollout.graph.sizes import by_combo, by_fleet
from rollout.graph.variants import Variant, Variants, variants
from rollout.model.fleet import Fleet
from rollout.model.graph import Combo, Graph, Node, Untouched, Wave
from rollout.model.plan import Plan, Together
from rollout.model.slots import FLEET
from rollout.model.verdict import Given, Judgement
from rollout.model.windows import Calendar

NOTHING_GIVEN = Given()


def compile_graph(
    plan: Plan,
    fleet: Fleet,
    parts: Mapping[str, str],
    given: Given = NOTHING_GIVEN,
    *,
    seed: str | None = None,
) -> Graph:
    """The graph of a plan over a fleet.

    `parts` are the digests of the files that the run depends on, by name. `seed` decides ties among canaries; by default it is the plan file's
    digest. Raises PlanInvalid with every mistake.
    """
    seed = seed or parts.get("plan", plan.name)
    matched = match(plan, fleet, given)
    rules, cycles = ordered(plan)
    problems = [*matched.problems, *cycles]
    if problems:
        raise PlanInvalid(problems)
    split = variants(plan, fleet.hosts, rules, matched)
    declared, plan = plan, replace(plan, combos=tuple(split.rules))
    cut = _cut(plan, fleet, split, seed)
    nodes = _nodes(plan, fleet, cut.waves, split.judgements)
    combos = {one.rule.name: _combo(one, nodes) for one in split.all if one.rule.name in cut.present}
    caps = caps_of(plan, fleet, nodes)
    own = own_parts(fleet, caps, cut.waves, nodes, other_ways(declared, combos.values()))
    used = {name for node in nodes.values() for name in node.waivers}
    return Graph(
        plan=plan.name,
        digest=digest_of({**parts, **own}),
        parts={**parts, **own},
        nodes=nodes,
        combos=combos,
        waves=cut.waves,
        gates=gates_of(plan.gates, combos.values()),
        caps=caps,
        controller=plan.limits.controller,
        tolerated_canary=plan.failures.canary,
        tolerated_combo=of_combos(plan.failures, combos),
        tolerated_run=of_run(plan.failures, len(nodes)),
        tolerated_per=of_values(plan.failures, nodes.values()),
        on_fault=plan.failures.on_fault,
        untouched=(*matched.untouched, *_unreached(split, nodes)),
        risks=plan.risks,
        notes=(*plan.defaults, *_notes(declared, fleet, matched), *cut.notes),
        harm=plan.harm,
        seed=seed,
        shape=shape_of(declared),
        four_eyes=plan.approval.four_eyes,
        approval_to_begin=plan.approval.begin,
        identity=plan.approval.identity,
        calendar=Calendar(plan.windows, fleet.zones) if plan.windows else None,
        deadline=plan.deadline,
        waivers=tuple(waiver for waiver in plan.waivers if waiver.name in used),
        allow_unknown=given.allow_unknown,
    )


def _cut(plan: Plan, fleet: Fleet, split: Variants, seed: str) -> Cut:
    rules, present = split.rules, {one.rule.name for one in split.all if one.hosts or one.current}
    cut = Cut(plan, fleet.hosts, split.members, frozenset(present))
    if plan.waves is None:
        climb(cut, rules, seed)
    elif plan.scope == "fleet":
        by_fleet(cut, rules, plan.waves)
    else:
        by_combo(cut, rules, plan.waves)
    return cut


def _combo(one: Variant, nodes: Mapping[str, Node]) -> Combo:
    """Hosts that no wave reaches are none of its hosts: nobody waits for them."""
    rule = one.rule
    return Combo(
        rule.name,
        rule.steps,
        rule.to,
        hosts=sum(host.name in nodes for host in one.hosts),
        current=one.current,
        guests_ignored=rule.guests_ignored,
        rule=one.of if one.of != rule.name else "",
        verdict=one.verdict,
        because=one.because,
        hops=one.hops,
    )


def _unreached(split: Variants, nodes: Mapping[str, Node]) -> list[Untouched]:
    return [
        Untouched(host.name, "excluded", f"no wave of {one.rule.name} reaches it", one.rule.name)
        for one in split.all
        for host in one.hosts
        if host.name not in nodes
    ]


def _nodes(
    plan: Plan, fleet: Fleet, waves: Mapping[str, Wave], judgements: Mapping[str, Judgement]
) -> dict[str, Node]:
    """In inventory order; on the ladder in the order of the waves, whose hosts stand so that the failure domains take turns."""
    wave_of = {name: wave for wave in waves.values() for name in wave.hosts}
    shared: dict[tuple[str, ...], tuple[str, ...]] = {}
    expect = {rule.name: sum(step.expect for step in rule.steps) for rule in plan.combos}
    found = {host.name: host for host in fleet.hosts}
    nodes = {}
    for name in wave_of if plan.waves is None else (name for name in found if name in wave_of):
        host, wave = found[name], wave_of[name]
        slots = slots_of(plan, name, host.factors)
        nodes[name] = Node(
            name,
            wave.combo,
            wave.id,
            shared.setdefault(slots, slots),
            host.factors,
            host.address,
            host.digest,
            expect[wave.combo],
            host.guests,
            host.zones,
            judgements[name].risks,
            judgements[name].waivers,
        )
    return nodes


def slots_of(plan: Plan, name: str, factors: Mapping[str, str]) -> tuple[str, ...]:
    """What a host takes while it is disrupted. A factor that it does not have counts for nothing."""
    return (
        FLEET,
        *(f"{factor}={factors[factor]}" for factor in plan.limits.per if factor in factors),
        *(_slot(one) for one in plan.limits.together if _is_in(name, one)),
    )


def _slot(one: Together) -> str:
    return f"together={one.name}"


def _is_in(name: str, one: Together) -> bool:
    return any(fnmatchcase(name, glob) for glob in one.hosts)


def caps_of(plan: Plan, fleet: Fleet, nodes: Mapping[str, Node]) -> dict[str, int]:
    """At once: of the selected hosts. Per domain: of all its hosts in the inventory."""
    caps = {FLEET: plan.limits.at_once.of(len(fleet.hosts))}
    for factor, amount in plan.limits.per.items():
        sizes = fleet.domain_sizes.get(factor, {})
        for value in {node.factors[factor]: None for node in nodes.values() if factor in node.factors}:
            caps[f"{factor}={value}"] = amount.of(sizes.get(value, 1))
    taken = {slot for node in nodes.values() for slot in node.slots}
    sets = {_slot(one): one.at_most for one in plan.limits.together}
    return caps | {slot: at_most for slot, at_most in sets.items() if slot in taken}


def _notes(plan: Plan, fleet: Fleet, matched: Matched) -> list[str]:
    notes = []
    met = {rule.name for rule in plan.combos if matched.is_upgraded(rule.name)}
    met |= {untouched.combo for untouched in matched.untouched if untouched.combo}
    for rule in plan.combos:
        if not (rule.verdict == "blocked" or rule.name in met or matched.current[rule.name]):
            notes.append(f"combo {rule.name} matches no host")
        notes += [
            f"combo {rule.name} waits for {after.combo}, which has no host to upgrade: it does not wait"
            for after in rule.after
            if matched.is_upgraded(rule.name) and not matched.is_upgraded(after.combo)
        ]
    names = [host.name for host in fleet.hosts]
    notes += [
        f"limit together {one.name} holds no selected host"
        for one in plan.limits.together
        if not any(_is_in(name, one) for name in names)
    ]
    return notes


def own_parts(
    fleet: Fleet,
    caps: Mapping[str, int],
    waves: Mapping[str, Wave],
    nodes: Mapping[str, Node],
    ways: Mapping[str, str],
) -> dict[str, str]:
    """The digests of what is no file: the hosts, how many may be disrupted at once, who is in which wave, and which way it leads (`other_ways`)."""
    return {
        "hosts": _hosts_digest(fleet),
        "limits": _caps_digest(caps),
        "waves": _waves_digest(waves, nodes, ways),
    }


def _hosts_digest(fleet: Fleet) -> str:
    content = [[host.name, host.digest, sorted(host.factors.items())] for host in fleet.hosts]
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()


def other_ways(plan: Plan, combos: Iterable[Combo]) -> dict[str, str]:
    """Combo -> digest of its chain, where that is not as the plan's combo has it: facts that are no part of the plan decide between hops."""
    chains = {rule.name: rule.steps for rule in plan.combos}
    return {
        combo.name: hashlib.sha256(repr(combo.chain).encode()).hexdigest()
        for combo in combos
        if combo.hosts and combo.chain != chains.get(combo.of_rule)
    }


def _waves_digest(waves: Mapping[str, Wave], nodes: Mapping[str, Node], ways: Mapping[str, str]) -> str:
    """Who is a canary can change with what is no variable of a host: with a cached fact that counts its guests, say. So can what is known of it."""
    content: list[object] = [[wave.id, wave.rung, wave.hosts] for wave in waves.values()]
    content += [
        [node.name, node.risks, node.waivers] for node in nodes.values() if node.risks or node.waivers
    ]
    content += sorted(ways.items())
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()


def _caps_digest(caps: Mapping[str, int]) -> str:
    """A percentage of a domain changes with the domain's hosts in the inventory, selected or not."""
    return hashlib.sha256(json.dumps(sorted(caps.items())).encode()).hexdigest()


def digest_of(parts: Mapping[str, str]) -> str:
    """One digest for all parts of a graph."""
    return hashlib.sha256(json.dumps(sorted(parts.items())).encode()).hexdigest()


def shape_of(plan: Plan) -> str:
    """A digest of all that says how waves are cut: while it is the same, every host may keep its wave."""
    cut = [plan.waves, plan.scope, plan.ladder, plan.approval, list(plan.limits.per)]
    rules = [(rule.name, rule.after, rule.waves) for rule in plan.combos]
    factors = list(plan.factors) if plan.ladder.factors is None else []
    return hashlib.sha256(repr([cut, rules, factors]).encode()).hexdigest()
