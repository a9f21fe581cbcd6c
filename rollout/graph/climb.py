"""The ladder's waves: canaries rung by rung, then the ramp of each combo, then what is to be last.

A need goes to an earlier rung of the same stage, to a stage before it, or to an earlier wave of the combo; what is last needs ramps, and nothing
needs it. So no wave can wait for itself.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from rollout.graph.cut import Cut
from rollout.graph.ladder import Choice, Ranks
from rollout.graph.sizes import in_turn, slices
from rollout.graph.stages import Stage, staged
from rollout.model.fleet import Host
from rollout.model.graph import Need
from rollout.model.plan import LAST, RAMP, ComboRule, Rung

MANY, FEW = 0.1, 50
"""The share of canaries from which the plan says which factor is to blame, unless the fleet is small anyway."""


@dataclass(slots=True)
class _Climb:
    """`ends`: the last rung of canaries of each stage; `canaries`: those of each stage; `lasts`: the hosts of a combo that are to be last."""

    cut: Cut
    ranks: Ranks
    factors: Sequence[str]
    ends: dict[str, str] = field(default_factory=dict)
    canaries: dict[str, list[Host]] = field(default_factory=dict)
    lasts: dict[str, list[Host]] = field(default_factory=dict)
    standing: list[Host] = field(default_factory=list)
    """The hosts among which canaries are chosen."""


def ladder_factors(cut: Cut) -> tuple[str, ...]:
    """Those that the plan names, or all that no limit counts by."""
    plan = cut.plan
    given = plan.ladder.factors
    return tuple(f for f in plan.factors if f not in plan.limits.per) if given is None else given


def climb(cut: Cut, rules: Sequence[ComboRule], seed: str) -> None:
    """Cut the waves of the ladder. `seed` names what is planned, before any wave is cut."""
    hosts = [host for rule in rules for host in cut.members[rule.name]]
    state = _Climb(cut, Ranks(hosts, seed), ladder_factors(cut))
    stages = staged(rules, cut.reached)
    for stage in stages:
        _stage(state, stage)
    _last(state, stages)
    _blame(state)


def _stage(state: _Climb, stage: Stage) -> None:
    cut, plan = state.cut, state.cut.plan
    climbing = {rule.name: _not_last(state, rule) for rule in stage.rules if rule.waves is None}
    state.standing += (host for members in climbing.values() for host in members)
    known = [host for name in stage.before for host in state.canaries[name]]
    choice = Choice(state.factors, tuple(plan.limits.per), state.ranks, known)
    choice.climb(plan.ladder.rungs, climbing)
    state.canaries[stage.name] = [host for found in choice.rungs.values() for host in found]
    combo_of = {host.name: name for name, members in climbing.items() for host in members}
    entry = tuple(Need(rung=state.ends[name]) for name in stage.waits if name in state.ends)
    before, below, previous = entry, entry, None
    for rung in plan.ladder.rungs:
        own: dict[str, list[Host]] = {}
        for host in choice.rungs[rung]:
            own.setdefault(combo_of[host.name], []).append(host)
        if rung == plan.ladder.rungs[-1]:
            own.update(_first_sizes(state, stage))
        if not own:
            continue
        needs = (*before, *_approvals(state, stage, previous, rung))
        for rule in stage.rules:
            cut.add(rule, own.get(rule.name, ()), stage.rung(rung), needs, canary=True)
        state.ends[stage.name] = stage.rung(rung)
        before, below, previous = (Need(rung=stage.rung(rung)),), before, rung
    asked = _approvals(state, stage, previous, RAMP)
    of_combos = previous == "combos" and below != entry and not asked
    _ramps(state, stage, choice, climbing, (*(below if of_combos else before), *asked))


def _first_sizes(state: _Climb, stage: Stage) -> dict[str, list[Host]]:
    """A combo that lists sizes of its own climbs with its first one, in the place of its canaries."""
    sized = {rule.name: _sizes(state, rule) for rule in stage.rules if rule.waves is not None}
    return {name: list(parts[0]) for name, parts in sized.items() if parts}


def _sizes(state: _Climb, rule: ComboRule) -> list[Sequence[Host]]:
    return slices(rule.waves or (), in_turn(state.cut.members[rule.name]))


def _ramps(
    state: _Climb,
    stage: Stage,
    choice: Choice,
    climbing: Mapping[str, Sequence[Host]],
    needs: tuple[Need, ...],
) -> None:
    """The rest of each combo, once its own canaries have passed, and those that covered factors and pairs are settled.

    What is on the rung of combos proves nothing of other combos: it is not waited for, unless a person is to be asked after it.
    """
    for rule in stage.rules:
        canaries = tuple(Need(wave=wave.id) for wave in state.cut.lines.get(rule.name, ()))
        if rule.waves is not None:
            for part in _sizes(state, rule)[1:]:
                before = Need(wave=state.cut.lines[rule.name][-1].id)
                state.cut.add(rule, part, RAMP, (*needs, before), canary=False)
            continue
        rest = choice.ramp(climbing[rule.name])
        state.cut.add(rule, rest, RAMP, (*needs, *canaries), canary=False)
        if state.lasts.get(rule.name) and _is_waited_for(state, rule, share=True):
            before = Need(wave=state.cut.lines[rule.name][-1].id)
            state.cut.add(rule, state.lasts.pop(rule.name), RAMP, (*needs, before), canary=False)


def _not_last(state: _Climb, rule: ComboRule) -> list[Host]:
    """The hosts that take part in the ladder; sets the others apart."""
    members = state.cut.members[rule.name]
    lasts = [host for host in members if host.last]
    if not lasts:
        return members
    only = len(lasts) == len(members)
    if only and _is_waited_for(state, rule, share=False):
        state.cut.notes.append(
            f"combo {rule.name}: all its hosts are to be last, but others wait for it, so they are not"
        )
        return members
    if not only and _is_waited_for(state, rule, share=True):
        state.cut.notes.append(
            f"combo {rule.name}: others wait for it, so the hosts that are to be last are so in that combo alone"
        )
    state.lasts[rule.name] = sorted(lasts, key=lambda host: (not host.pilot, state.ranks[host]))
    return [host for host in members if not host.last]


def _is_waited_for(state: _Climb, rule: ComboRule, *, share: bool) -> bool:
    """By any combo with hosts; `share`: for more than its canaries."""
    return any(
        after.combo == rule.name and not (share and after.until == "canaries")
        for other in state.cut.plan.combos
        if state.cut.members.get(other.name)
        for after in other.after
    )


def _last(state: _Climb, stages: Sequence[Stage]) -> None:
    """After all else. A combo of which every host is to be last has its canary among them."""
    cut, plan = state.cut, state.cut.plan
    ramps = {wave.combo for wave in cut.waves.values() if wave.rung == RAMP}
    idle = [stage for stage in stages if not any(rule.name in ramps for rule in stage.rules)]
    needs = [Need(rung=RAMP)] if ramps else []
    needs += [Need(rung=state.ends[stage.name]) for stage in idle if stage.name in state.ends]
    if cut.waves and RAMP in plan.approval.after:
        needs.append(Need(approved=RAMP))
    for rule in (rule for stage in stages for rule in stage.rules):
        hosts = state.lasts.get(rule.name, [])
        if not hosts:
            continue
        canary = [] if rule.name in cut.lines else hosts[:1]
        cut.add(rule, canary, LAST, needs, canary=True)
        before = tuple(Need(wave=wave.id) for wave in cut.lines.get(rule.name, ()))
        cut.add(rule, hosts[len(canary) :], LAST, (*needs, *before), canary=False)


def _approvals(state: _Climb, stage: Stage, previous: Rung | None, rung: str) -> tuple[Need, ...]:
    """A person is asked after a rung that is empty, too: once what came before it is done."""
    rungs: list[str] = [*state.cut.plan.ladder.rungs, RAMP]
    if previous is None and rung != RAMP:
        return ()
    begin = rungs.index(previous) if previous is not None else 0
    wanted = [word for word in rungs[begin : rungs.index(rung)] if word in state.cut.plan.approval.after]
    if stage.name and previous is None:
        wanted = [word for word in wanted if word != "one"]
    return tuple(Need(approved=stage.rung(word)) for word in wanted)


def _blame(state: _Climb) -> None:
    """Many canaries come of a factor with many values: of a serial number, say."""
    canaries, hosts = sum(map(len, state.canaries.values())), len(state.standing)
    covering = sum(
        len(wave.hosts) for wave in state.cut.waves.values() if wave.rung.startswith(("factors", "pairs"))
    )
    if hosts < FEW or covering <= MANY * hosts:
        return
    values = {
        factor: len({host.factors.get(factor, "") for host in state.standing}) for factor in state.factors
    }
    worst = max(values, key=lambda factor: values[factor])
    others = ", ".join(factor for factor in state.factors if factor != worst)
    way_out = f"`waves.factors: [{others}]`" if others else "`waves.ladder`"
    state.cut.notes.append(
        f"{canaries} of {hosts} hosts are canaries, mostly for factor {worst}, which has {values[worst]} values; "
        f"{way_out} leaves it out"
    )
