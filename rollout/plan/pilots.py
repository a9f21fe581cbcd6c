"""Which hosts go first, which last, and how many guests each carries: by the plan's globs, and by the hosts' own variables."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from fnmatch import fnmatchcase

from rollout.errors import Problem
from rollout.model.plan import Path, Plan
from rollout.plan.hostvars import MISSING, Unusable, text_of
from rollout.plan.inventory import Inventory
from rollout.plan.waves import set_path
from rollout.plan.words import meant, shown, some

_OURS, _COMMON = "rollout_canary", "canary"
"""Host variables that make a pilot; the first speaks before the second, which may be another tool's."""

_LIKE_YES = {"true", "yes", "on", "y", "1"}


@dataclass(slots=True)
class Marks:
    """Names of hosts; `guests` of those for which the inventory says it."""

    pilots: set[str] = field(default_factory=set)
    last: set[str] = field(default_factory=set)
    guests: dict[str, int] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)


def marks(plan: Plan, inventory: Inventory) -> Marks:
    """What marks the selected hosts. A variable that cannot be understood is a mistake that names its hosts."""
    found = Marks()
    ladder = plan.ladder
    odd: dict[str, list[str]] = {}
    for host in inventory.hosts:
        if fits(host, ladder.pilots) or _is_canary(inventory, host, odd):
            found.pilots.add(host)
        if fits(host, ladder.last):
            found.last.add(host)
    for name, hosts in odd.items():
        message = f"{name} of {some(hosts)} is not true or false; write `{name}: true` in YAML (True in an INI inventory)"
        found.problems.append(Problem(plan.place("hosts"), message))
    _count_guests(plan, inventory, found)
    return found


def fits(host: str, globs: Iterable[str]) -> bool:
    """Whether one of the globs is for the host's name; case counts."""
    return any(fnmatchcase(host, glob) for glob in globs)


def _is_canary(inventory: Inventory, host: str, odd: dict[str, list[str]]) -> bool:
    variables = inventory.variables(host)
    name = _OURS if _OURS in variables else _COMMON
    value = variables.get(name)
    if not isinstance(value, bool) and (
        name in variables and (name == _OURS or str(value).strip().lower() in _LIKE_YES)
    ):
        odd.setdefault(name, []).append(host)
    return value is True


def _count_guests(plan: Plan, inventory: Inventory, found: Marks) -> None:
    name = plan.ladder.guests
    if name is None:
        return
    odd: dict[str, list[str]] = {}
    for host in inventory.hosts:
        try:
            text = text_of(inventory.variables(host), name)
        except Unusable as error:
            if str(error) != MISSING:
                odd.setdefault(str(error), []).append(host)
            continue
        if text.isascii() and text.isdigit():
            found.guests[host] = int(text)
        else:
            odd.setdefault("is no number of guests such as 0 or 12", []).append(host)
    place = plan.place("waves", "guests")
    found.problems += [Problem(place, f"guests: {name} of {some(hosts)} {why}") for why, hosts in odd.items()]
    if inventory.hosts and not found.guests and not odd:
        message = f"guests: no selected host has the host variable {shown(name)}"
        found.problems.append(Problem(place, message))


def sets_of_nobody(plan: Plan, inventory: Inventory) -> Iterator[Problem]:
    """A name or glob that fits no host of the whole inventory is mistyped: what it is to protect would not be protected."""
    written: list[tuple[Path, tuple[str, ...]]] = [
        (("waves", "pilots"), plan.ladder.pilots),
        (("waves", "last"), plan.ladder.last),
    ]
    written += [(set_path(one.name), one.hosts) for one in plan.limits.together]
    for path, globs in written:
        for index, glob in enumerate(globs):
            if not any(fnmatchcase(host, glob) for host in inventory.all_hosts):
                message = (
                    f"no host of the inventory is called {shown(glob)}{meant(glob, inventory.all_hosts)}"
                )
                yield Problem(plan.place(*path, index), message)
