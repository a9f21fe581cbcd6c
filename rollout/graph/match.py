"""Which combo each host falls in."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase

from rollout.errors import Problem
from rollout.model.fleet import Fleet, Host
from rollout.model.graph import Untouched
from rollout.model.plan import ComboRule, Plan

SHOWN = 5
"""How many hosts a sentence names before it counts the rest."""


@dataclass(slots=True)
class Matched:
    """The hosts of each combo that are to be upgraded, in inventory order; those already there; and what is wrong."""

    hosts: dict[str, list[Host]]
    current: dict[str, int]
    untouched: list[Untouched] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)


def match(plan: Plan, fleet: Fleet) -> Matched:
    """Exactly one combo for each host. Hosts with the same factors are judged once."""
    matched = Matched({rule.name: [] for rule in plan.combos}, {rule.name: 0 for rule in plan.combos})
    alike: dict[tuple[str, ...], list[Host]] = {}
    for host in fleet.hosts:
        alike.setdefault(tuple(host.factors.get(name, "") for name in plan.factors), []).append(host)
    for hosts in alike.values():
        _judge(plan, hosts, matched)
    order = {host.name: index for index, host in enumerate(fleet.hosts)}
    for members in matched.hosts.values():
        members.sort(key=lambda host: order[host.name])
    matched.untouched.sort(key=lambda untouched: order[untouched.host])
    return matched


def _judge(plan: Plan, hosts: list[Host], matched: Matched) -> None:
    factors = hosts[0].factors
    fitting = [rule for rule in plan.combos if fits(factors, rule.match)]
    if len(fitting) > 1:
        names = ", ".join(rule.name for rule in fitting)
        place = plan.place("combos", plan.combos.index(fitting[1]), "match")
        matched.problems.append(
            Problem(place, f"{listed(hosts)}: in several combos ({names}); a host belongs to exactly one")
        )
        return
    if fitting:
        _assign(fitting[0], hosts, matched)
        return
    there = next((rule for rule in plan.combos if is_current(factors, rule)), None)
    if there is not None:
        _mark_current(there, hosts, matched)
    elif plan.otherwise == "exclude":
        matched.untouched += [Untouched(host.name, "excluded", "no combo matches it") for host in hosts]
    else:
        shown = ", ".join(f"{name}={value}" for name, value in factors.items())
        message = f"{listed(hosts)}: no combo matches ({shown}); add a combo, narrow the pattern, or write `otherwise: exclude`"
        matched.problems.append(Problem(plan.place("hosts"), message))


def _assign(rule: ComboRule, hosts: list[Host], matched: Matched) -> None:
    if rule.verdict == "blocked":
        because = f"combo {rule.name} is blocked: {rule.reason}"
        matched.untouched += [Untouched(host.name, "excluded", because, rule.name) for host in hosts]
    elif is_current(hosts[0].factors, rule):
        _mark_current(rule, hosts, matched)
    else:
        matched.hosts[rule.name] += hosts


def _mark_current(rule: ComboRule, hosts: list[Host], matched: Matched) -> None:
    matched.current[rule.name] += len(hosts)
    because = f"already what combo {rule.name} leads to"
    matched.untouched += [Untouched(host.name, "current", because, rule.name) for host in hosts]


def fits(factors: Mapping[str, str], wanted: Mapping[str, tuple[str, ...]]) -> bool:
    """Whether every wanted factor has a value that one of its globs accepts; case counts."""
    return all(
        any(fnmatchcase(factors.get(name, ""), glob) for glob in globs) for name, globs in wanted.items()
    )


def is_current(factors: Mapping[str, str], rule: ComboRule) -> bool:
    """Whether the host already satisfies `to`, and the combo's other factors."""
    return bool(rule.to) and fits(factors, {**rule.match, **rule.to})


def listed(hosts: list[Host]) -> str:
    """`3 hosts (a, b, c)`; beyond a handful only the first are named."""
    names = ", ".join(host.name for host in hosts[:SHOWN])
    if len(hosts) == 1:
        return f"host {names}"
    more = f", and {len(hosts) - SHOWN} more" if len(hosts) > SHOWN else ""
    return f"{len(hosts)} hosts ({names}{more})"
