"""Time zones by their IANA names, as data: so that the graph needs no database of zones, and every machine decides the same."""

import re
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from functools import cache
from itertools import pairwise
from zoneinfo import ZoneInfo, available_timezones

from rollout.errors import Problem
from rollout.model.plan import Plan
from rollout.model.windows import Calendar, Key
from rollout.model.zones import Zone
from rollout.plan.hostvars import MISSING, Unusable, text_of
from rollout.plan.inventory import Inventory
from rollout.plan.words import meant, shown, some

TEMPLATE = re.compile(r"\{\{\s*([A-Za-z_][A-Za-z0-9_]*)\s*\}\}", re.ASCII)
"""A zone that is a variable of each host: its name in double braces, and nothing else."""

FIRST, LAST = datetime(2020, 1, 1, tzinfo=UTC), datetime(2070, 1, 1, tzinfo=UTC)
"""The years that are looked at; fixed, so that the same plan gives the same graph on another day."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_STEP = timedelta(days=7)
"""No zone changes its clocks twice in so short a time."""

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_+/-]{0,63}", re.ASCII)
_OF_THIS_MACHINE = ("localtime", "Factory", "posixrules", "posix/", "right/")


def mistake(name: str) -> str | None:
    """What is wrong with the name of a zone."""
    if "{{" in name or "{%" in name:
        return (
            None
            if TEMPLATE.fullmatch(name)
            else f'{shown(name)} is more than a variable\'s name: only "{{{{ variable }}}}" is understood, and read from each host'
        )
    if _zone(name) is not None:
        return None
    like_one = _NAME.fullmatch(name) and not name.startswith(_OF_THIS_MACHINE)
    known = (
        sorted(one for one in available_timezones() if not one.startswith(_OF_THIS_MACHINE))
        if like_one
        else []
    )
    return f"unknown time zone {shown(name)}{meant(name, known) or '; names are those of IANA, such as Europe/Berlin'}"


@cache
def _zone(name: str) -> ZoneInfo | None:
    if not _NAME.fullmatch(name) or name.startswith(_OF_THIS_MACHINE):
        return None
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):  # KeyError: no such name; the others: a folder, or no name at all
        return None


@cache
def zone(name: str) -> Zone:
    """The zone's clocks. Raises KeyError for a name that `mistake` does not let pass."""
    clocks = _zone(name)
    if clocks is None:
        raise KeyError(name)
    known = [(FIRST, _offset(clocks, FIRST))]
    looks = [FIRST + number * _STEP for number in range((LAST - FIRST) // _STEP + 1)]
    for before, after in pairwise(looks):
        if _offset(clocks, after) != known[-1][1]:
            changed = _change(clocks, before, after)
            known.append((changed, _offset(clocks, changed)))
    return Zone(name, tuple(((at - _EPOCH).total_seconds(), offset) for at, offset in known))


def _offset(clocks: ZoneInfo, at: datetime) -> int:
    ahead = at.astimezone(clocks).utcoffset()
    return round(ahead.total_seconds()) if ahead is not None else 0


def _change(clocks: ZoneInfo, before: datetime, after: datetime) -> datetime:
    """The second at which the clocks change, somewhere between the two."""
    old = _offset(clocks, before)
    while after - before > timedelta(seconds=1):
        middle = before + timedelta(seconds=(after - before).total_seconds() // 2)
        before, after = (middle, after) if _offset(clocks, middle) == old else (before, middle)
    return after


def of_hosts(plan: Plan, inventory: Inventory) -> tuple[dict[str, Key], list[Problem]]:
    """The selected hosts' own zones, by the variables that windows name; and one problem for each way in which they have none."""
    templates = Calendar(plan.windows, {}).templates
    keys: dict[str, list[str]] = {host: [] for host in inventory.hosts}
    problems: list[Problem] = []
    for template in templates:
        index = next(number for number, window in enumerate(plan.windows) if window.zone == template)
        variable = template.strip("{ }")
        unusable: dict[str, list[str]] = {}
        for host in inventory.hosts:
            try:
                name = text_of(inventory.variables(host), variable)
            except Unusable as error:
                unusable.setdefault(_lacking(variable, str(error)), []).append(host)
                continue
            if _zone(name) is None:
                unusable.setdefault(f"{variable}: {mistake(name)}", []).append(host)
            keys[host].append(name)
        place = plan.place("windows", index, "zone")
        problems += [Problem(place, f"zone: {_who(hosts)}: {why}") for why, hosts in unusable.items()]
    shared: dict[Key, Key] = {}
    return {host: shared.setdefault(tuple(key), tuple(key)) for host, key in keys.items()}, problems


def _lacking(variable: str, why: str) -> str:
    if why == MISSING:
        return f"no hostvar {shown(variable)}; set it in the inventory (host_vars, group_vars)"
    return f"{variable} {why}"


def _who(hosts: list[str]) -> str:
    return f"{len(hosts)} hosts ({some(hosts)})" if len(hosts) > 1 else f"host {some(hosts)}"


def all_of(plan: Plan, keys: Iterable[Key]) -> dict[str, Zone]:
    """Every zone that windows or hosts name."""
    named = {window.zone for window in plan.windows if not window.is_templated}
    return {name: zone(name) for name in sorted(named.union(*keys))}
