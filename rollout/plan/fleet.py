"""Plan + inventory -> Fleet: each host's factors as text, and the size of every failure domain."""

import re
from collections import Counter
from collections.abc import Mapping

from rollout.errors import PlanInvalid, Problem
from rollout.model.fleet import Fleet, Host
from rollout.model.plan import Plan
from rollout.plan import zones
from rollout.plan.hostvars import address_of
from rollout.plan.inventory import Inventory
from rollout.plan.pilots import marks, sets_of_nobody
from rollout.plan.readings import Lacking, Reader
from rollout.plan.words import plain, shown, some

_HOST_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.:-]{0,252}")
"""A name that is safe in a path, a command and a terminal: DNS names, addresses, and Ansible's own habits."""


def fleet(plan: Plan, inventory: Inventory) -> Fleet:
    """The selected hosts with their factors. Raises PlanInvalid with every host that cannot be placed."""
    problems = _names(plan, inventory)
    if not inventory.hosts:
        message = (
            f"the pattern {shown(plan.hosts)} selects no host of {', '.join(map(plain, plan.inventory))}"
        )
        problems.append(Problem(plan.place("hosts"), message))
    reader = Reader(plan, inventory)
    selected = set(inventory.hosts)
    factors: dict[str, Mapping[str, str]] = {}
    sizes: dict[str, Counter[str]] = {factor: Counter() for factor in plan.factors}
    lacking: dict[str, Lacking] = {}
    for host in inventory.all_hosts:
        factors[host], unusable = reader.factors(host)
        for factor, value in factors[host].items():
            sizes[factor][value] += 1
        if host in selected:
            for factor, missing in unusable.items():
                for name, why in missing:
                    lacking.setdefault(factor, {}).setdefault((name, why), []).append(host)
    problems += [_told(plan, factor, lacking[factor]) for factor in plan.factors if factor in lacking]
    marked = marks(plan, inventory)
    keys, unplaced = zones.of_hosts(plan, inventory)
    problems += [*sets_of_nobody(plan, inventory), *marked.problems, *unplaced]
    if problems:
        raise PlanInvalid(problems)
    hosts = tuple(
        Host(
            name,
            factors[name],
            address_of(inventory.variables(name)),
            inventory.digest(name),
            guests=marked.guests.get(name),
            pilot=name in marked.pilots,
            last=name in marked.last,
            zones=keys[name],
            facts=reader.facts(name),
            probed=reader.probed(name),
        )
        for name in inventory.hosts
    )
    return Fleet(hosts, sizes, zones.all_of(plan, keys.values()))


def _names(plan: Plan, inventory: Inventory) -> list[Problem]:
    odd = [shown(host) for host in inventory.hosts if not _HOST_NAME.fullmatch(host) or ".." in host]
    if not odd:
        return []
    message = f"{_count(odd)} unusable as a host name: {some(odd)}; letters, digits, dot, colon, dash and underscore only"
    return [Problem(plan.place("hosts"), message)]


def _told(plan: Plan, factor: str, lacking: Lacking) -> Problem:
    """All that the hosts lack of a factor, in one sentence, and every way to give it to them."""
    parts = [_part(name, why, hosts) for (name, why), hosts in lacking.items()]
    ways = ""
    if any(not why for _, why in lacking):
        ways = (
            "; set it in the inventory (host_vars, group_vars), ask the hosts (`rollout plan --probe`), "
            "let the inventory carry Ansible's cached facts, or narrow `hosts`"
        )
    elif any("template" in why for _, why in lacking):
        ways = "; or ask the hosts (`rollout plan --probe`)"
    return Problem(plan.place("factors", factor), f"factor {factor}: {'; '.join(parts)}{ways}")


def _part(name: str, why: str, hosts: list[str]) -> str:
    listed = f"{len(hosts)} hosts ({some(hosts)})" if len(hosts) > 1 else f"host {some(hosts)}"
    if why:
        return f"{name} of {listed} {why}"
    has = "have" if len(hosts) > 1 else "has"
    return f"{listed} {has} no hostvar, fact or probe result {shown(name)}"


def _count(names: list[str]) -> str:
    return f"{len(names)} names are" if len(names) > 1 else "a name is"
