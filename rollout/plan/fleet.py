"""Plan + inventory -> Fleet: each host's factors as text, and the size of every failure domain."""

import re
from collections import Counter
from typing import Any

from rollout.errors import PlanInvalid, Problem
from rollout.model.fleet import Fleet, Host
from rollout.model.plan import Plan
from rollout.plan import zones
from rollout.plan.hostvars import MISSING, Unusable, text_of
from rollout.plan.inventory import Inventory
from rollout.plan.pilots import marks, sets_of_nobody
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
    factors: dict[str, dict[str, str]] = {}
    sizes: dict[str, Counter[str]] = {factor: Counter() for factor in plan.factors}
    unusable: dict[tuple[str, str], list[str]] = {}
    selected = set(inventory.hosts)
    shared: dict[str, str] = {}
    for host in inventory.all_hosts:
        variables = inventory.variables(host)
        own = factors[host] = {}
        for factor, name in plan.factors.items():
            try:
                value = text_of(variables, name)
            except Unusable as error:
                if host in selected:
                    unusable.setdefault((factor, str(error)), []).append(host)
                continue
            own[factor] = shared.setdefault(value, value)
            sizes[factor][value] += 1
    problems += [_told(plan, factor, why, hosts) for (factor, why), hosts in unusable.items()]
    marked = marks(plan, inventory)
    keys, unplaced = zones.of_hosts(plan, inventory)
    problems += [*sets_of_nobody(plan, inventory), *marked.problems, *unplaced]
    if problems:
        raise PlanInvalid(problems)
    hosts = tuple(
        Host(
            name,
            factors[name],
            _address(inventory.variables(name)),
            inventory.digest(name),
            guests=marked.guests.get(name),
            pilot=name in marked.pilots,
            last=name in marked.last,
            zones=keys[name],
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


def _told(plan: Plan, factor: str, why: str, hosts: list[str]) -> Problem:
    name = plan.factors[factor]
    has = "have" if len(hosts) > 1 else "has"
    listed = f"{len(hosts)} hosts ({some(hosts)})" if len(hosts) > 1 else f"host {some(hosts)}"
    if why == MISSING:
        sentence = (
            f"no hostvar {shown(name)}; set it in the inventory (host_vars, group_vars), or narrow `hosts`"
        )
        return Problem(plan.place("factors", factor), f"factor {factor}: {listed} {has} {sentence}")
    return Problem(plan.place("factors", factor), f"factor {factor}: {name} of {listed} {why}")


def _count(names: list[str]) -> str:
    return f"{len(names)} names are" if len(names) > 1 else "a name is"


def _address(variables: dict[str, Any]) -> str:
    """`ansible_host`, unless only Ansible itself could tell what it means."""
    address = variables.get("ansible_host", "")
    usable = isinstance(address, str) and address.isprintable() and "{{" not in address
    return address if usable else ""
