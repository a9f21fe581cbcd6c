"""Which combo each host falls in, and whether it may be touched."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from functools import partial

from rollout.errors import Problem
from rollout.graph.hops import Way, way
from rollout.graph.shelves import Shelves
from rollout.graph.toolchain import PYTHON
from rollout.graph.verdict import contradictions, drift, expired, judge, meets, vouching, waived_by, worse
from rollout.model.fleet import Fleet, Host
from rollout.model.graph import Untouched
from rollout.model.plan import ComboRule, Plan
from rollout.model.verdict import Cause, Given, Hop, Judgement, Wanted
from rollout.model.versions import fits as value_fits

SHOWN = 5
"""How many hosts a sentence names before it counts the rest."""


@dataclass(frozen=True, slots=True)
class Placed:
    """Hosts that are judged alike: the way that leads them there, and their verdict."""

    way: Way
    judgement: Judgement
    hosts: list[Host]


@dataclass(slots=True)
class Matched:
    """The hosts of each combo that are to be upgraded, in inventory order; those already there; and what is wrong."""

    placed: dict[str, list[Placed]]
    current: dict[str, int]
    untouched: list[Untouched] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)

    def is_upgraded(self, name: str) -> bool:
        """Whether the combo has hosts that are to be upgraded."""
        return bool(self.placed[name])


@dataclass(frozen=True, slots=True)
class _Matching:
    plan: Plan
    given: Given
    into: Matched
    shelves: Shelves
    asked: tuple[str, ...]
    """The factors that anything is made to depend on; hosts that differ in others alone, in their racks say, are alike."""


def match(plan: Plan, fleet: Fleet, given: Given) -> Matched:
    """Exactly one combo for each host. Hosts that nothing tells apart are judged once."""
    matched = Matched({rule.name: [] for rule in plan.combos}, {rule.name: 0 for rule in plan.combos})
    matching = _Matching(plan, given, matched, Shelves(plan.compat), _asked(plan))
    named = [waiver for waiver in plan.waivers if waiver.hosts]
    alike: dict[tuple[object, ...], list[Host]] = {}
    for host in fleet.hosts:
        key = (
            tuple(host.factors.get(name, "") for name in matching.asked),
            tuple(sorted((name, value) for name, value in host.probed.items() if name in matching.asked)),
            tuple(sorted(host.facts.items())),
            tuple(any(fnmatchcase(host.name, glob) for glob in waiver.hosts) for waiver in named),
        )
        alike.setdefault(key, []).append(host)
    for hosts in alike.values():
        _place(matching, hosts)
    order = {host.name: index for index, host in enumerate(fleet.hosts)}
    matched.untouched.sort(key=lambda untouched: order[untouched.host])
    return matched


def _asked(plan: Plan) -> tuple[str, ...]:
    wanted: list[Mapping[str, object]] = [risk.applies for risk in plan.risks]
    for rule in plan.combos:
        wanted += [rule.match, rule.to, rule.require]
    for hop in plan.hops:
        wanted += [hop.match, hop.to, hop.require]
    for row in plan.compat:
        wanted += [row.match, row.to]
    named = {PYTHON, *(name for one in wanted for name in one)}
    return tuple(name for name in plan.factors if name in named)


def _place(matching: _Matching, hosts: list[Host]) -> None:
    plan, matched = matching.plan, matching.into
    factors = hosts[0].factors
    fitting = [rule for rule in plan.combos if fits(plan, factors, rule.match)]
    if len(fitting) > 1:
        names = ", ".join(rule.name for rule in fitting)
        place = plan.place("combos", plan.combos.index(fitting[1]), "match")
        matched.problems.append(
            Problem(place, f"{listed(hosts)}: in several combos ({names}); a host belongs to exactly one")
        )
        return
    if fitting:
        _assign(matching, fitting[0], hosts)
        return
    there = next((rule for rule in plan.combos if is_current(plan, factors, rule)), None)
    if there is not None and is_current(plan, {**factors, **hosts[0].probed}, there):
        _mark_current(matched, there, hosts)
    elif there is not None:
        _exclude(matched, hosts, _not_there(plan, there, hosts[0]), there, "drift")
    elif plan.otherwise == "exclude":
        _exclude(matched, hosts, "no combo matches it")
    else:
        same = [name for name in factors if all(host.factors.get(name) == factors[name] for host in hosts)]
        shown = ", ".join(f"{name}={factors[name]}" for name in same)
        message = f"{listed(hosts)}: no combo matches ({shown}); add a combo, narrow the pattern, or write `otherwise: exclude`"
        matched.problems.append(Problem(plan.place("hosts"), message))


def _assign(matching: _Matching, rule: ComboRule, hosts: list[Host]) -> None:
    plan, given, matched = matching.plan, matching.given, matching.into
    host = hosts[0]
    really = replace(host, factors={**host.factors, **host.probed}, probed={})
    is_shut = rule.verdict == "blocked" and not waived_by(plan, rule, host, "blocked", given.today)
    if not is_shut:
        if is_current(plan, really.factors, rule):
            _mark_current(matched, rule, hosts)
            return
        if is_current(plan, host.factors, rule):
            _exclude(matched, hosts, _not_there(plan, rule, host), rule, "drift")
            return
        drifted = drift(plan, rule, host) or _astray(plan, rule, host, really)
        if drifted and not waived_by(plan, rule, host, "drift", given.today):
            over = expired(vouching(plan, rule, host), "drift", given.today)
            _exclude(matched, hosts, "; ".join([drifted, *over]), rule, "drift")
            return
    found = way_of(plan, rule, host)
    if found.lacking and not is_shut:
        _exclude(matched, hosts, found.lacking, rule, "path")
        return
    judgement = _judged(matching, rule, host, found)
    if really.factors != host.factors:
        judgement = worse(judgement, _judged(matching, rule, really, found))
    because = "; ".join(judgement.because)
    if judgement.word == "blocked":
        _exclude(matched, hosts, because, rule, judgement.cause)
    elif judgement.word == "unknown" and not given.allow_unknown:
        _exclude(matched, hosts, f"unknown: {because}", rule, judgement.cause)
    else:
        matched.placed[rule.name].append(Placed(found, judgement, hosts))


def _not_there(plan: Plan, rule: ComboRule, host: Host) -> str:
    """Of a host that is where its combo leads by the inventory alone."""
    other = contradictions(plan, host, {**rule.match, **rule.to})
    return f"drift: by its probe {', '.join(other)}; by the inventory it is already what combo {rule.name} leads to"


def _judged(matching: _Matching, rule: ComboRule, host: Host, found: Way) -> Judgement:
    given = matching.given
    return judge(
        matching.plan,
        rule,
        host,
        targets_of(rule, found),
        given.today,
        given.toolchain,
        found.legs,
        allow_unknown=given.allow_unknown,
        shelves=matching.shelves,
    )


def way_of(plan: Plan, rule: ComboRule, host: Host) -> Way:
    """The hops that lead it to its combo's target."""
    return way(plan, rule, host.factors, partial(fits, plan), partial(_is_open, plan, host))


def _astray(plan: Plan, rule: ComboRule, host: Host, really: Host) -> str:
    """Whether hops would lead another way from what a probe found, which `match` need not speak of; a sentence, or nothing."""
    if (
        not plan.hops
        or really.factors == host.factors
        or way_of(plan, rule, really) == way_of(plan, rule, host)
    ):
        return ""
    led = {factor for hop in plan.hops for factor in (*hop.match, *hop.to)}
    other = [
        f"{factor} is {value}, and {host.factors.get(factor, 'nothing')} in the inventory"
        for factor, value in really.factors.items()
        if factor in led and value != host.factors.get(factor)
    ]
    return f"drift: by its probe {', '.join(other)}; from there hops lead another way"


def targets_of(rule: ComboRule, found: Way) -> list[Wanted]:
    """Where each leg leads, and where all of them do: the last may change more than the combo speaks of."""
    stops: list[Wanted] = [{factor: (value,) for factor, value in leg.to.items()} for leg in found.legs]
    return [*stops[:-1], {**(stops[-1] if stops else {}), **rule.to}]


def _is_open(plan: Plan, host: Host, hop: Hop) -> bool:
    return all(meets(plan, host, name, wanted) for name, wanted in hop.require.items())


def _mark_current(matched: Matched, rule: ComboRule, hosts: list[Host]) -> None:
    matched.current[rule.name] += len(hosts)
    because = f"already what combo {rule.name} leads to"
    matched.untouched += [Untouched(host.name, "current", because, rule.name) for host in hosts]


def _exclude(
    matched: Matched, hosts: list[Host], because: str, rule: ComboRule | None = None, cause: Cause = ""
) -> None:
    name = rule.name if rule is not None else None
    matched.untouched += [Untouched(host.name, "excluded", because, name, cause) for host in hosts]


def fits(plan: Plan, factors: Mapping[str, str], wanted: Wanted) -> bool:
    """Whether every wanted factor has a value that one of its globs or ranges accepts; case counts."""
    return all(
        value_fits((factors.get(name, ""),), globs, plan.orders.get(name, "dotted"))
        for name, globs in wanted.items()
    )


def is_current(plan: Plan, factors: Mapping[str, str], rule: ComboRule) -> bool:
    """Whether the host already satisfies `to`, and the combo's other factors."""
    return bool(rule.to) and fits(plan, factors, {**rule.match, **rule.to})


def listed(hosts: list[Host]) -> str:
    """`3 hosts (a, b, c)`; beyond a handful only the first are named."""
    names = ", ".join(host.name for host in hosts[:SHOWN])
    if len(hosts) == 1:
        return f"host {names}"
    more = f", and {len(hosts) - SHOWN} more" if len(hosts) > SHOWN else ""
    return f"{len(hosts)} hosts ({names}{more})"
