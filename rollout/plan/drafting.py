"""A first plan for an inventory: which of its variables tell hosts apart, and which combinations there are."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

from rollout.model.plan import Plan
from rollout.plan.inventory import Inventory
from rollout.plan.readings import Reader
from rollout.plan.releases import is_newest, next_release

Role = Literal["hardware", "os", "hypervisor", "site", "rack"]

KNOWN: Mapping[Role, tuple[str, ...]] = {
    "hardware": ("hw_model", "hardware_model", "hardware", "server_model", "product_name", "model"),
    "os": (
        "os_release", "os_version", "operating_system", "distro", "os",
        "{distribution}-{distribution_major_version}", "{distribution}-{major}", "distribution_release",
    ),
    "hypervisor": ("hypervisor", "hypervisor_version", "hypervisor_type", "virt_type"),
    "site": ("site", "datacenter", "data_center", "dc", "location", "region", "availability_zone", "az"),
    "rack": ("rack", "rack_name", "rack_id", "cabinet"),
}  # fmt: skip
"""Names of hostvars and facts by what they tell, the usual ones first."""

TELLING: tuple[Role, ...] = ("hardware", "os", "hypervisor")
"""What makes a combination. The others are failure domains."""

PROBED = frozenset[str](TELLING)
"""What a probe tells, under the same names."""

_PATCH = re.compile(r"(?P<kept>[A-Za-z]+-\d+\.\d+)\.\d[\w.]*")
_VERSIONED = re.compile(r"(?P<kind>[A-Za-z]+)-\d.*")


@dataclass(frozen=True, slots=True)
class Found:
    """Where a factor is read from; `probe`: by a probe, too, or by it alone when `source` is empty. `lacking`: the hosts without one."""

    source: str
    probe: bool = False
    lacking: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Drafted:
    """A combination: `match` maps a factor to the glob that its hosts fit. `to` is empty where nobody knows what comes next."""

    name: str
    match: Mapping[str, str]
    to: Mapping[str, str]
    hosts: tuple[str, ...]
    newest: bool = False
    domains: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Draft:
    """`contradicted`: host -> what a probe found instead of what the inventory says."""

    factors: Mapping[Role, Found]
    combos: tuple[Drafted, ...]
    contradicted: Mapping[str, str]


def wanted(plan: Plan) -> Plan:
    """The same, asking probes for all that a draft can use."""
    return replace(plan, factors={"os": "os"}, probes={name: name for name in (*sorted(PROBED), "guests")})


def draft(plan: Plan, inventory: Inventory) -> Draft:
    """What can be said of the plan's hosts. Without `os` among its factors there is nothing that an upgrade could change."""
    values: dict[Role, dict[str, str]] = {}
    factors: dict[Role, Found] = {}
    contradicted: dict[str, list[str]] = {}
    for role in KNOWN:
        found = _choose(plan, inventory, role)
        if found is None:
            continue
        said = _probed(inventory, role) if role in PROBED else {}
        own = _values(plan, inventory, role, found.source) if found.source else dict(said)
        if role not in TELLING and len(set(own.values())) < 2:
            continue  # one site is no failure domain
        factors[role], values[role] = found, {**said, **own} if found.probe else own
        for host in inventory.hosts if found.probe else ():
            if host in said and host in own and said[host] != own[host]:
                contradicted.setdefault(host, []).append(
                    f"{role} is {said[host]}, and {own[host]} in the inventory"
                )
    combos = _combos(inventory.hosts, values)
    return Draft(factors, combos, {host: "; ".join(words) for host, words in contradicted.items()})


def _choose(plan: Plan, inventory: Inventory, role: Role) -> Found | None:
    """The first that all hosts have; else what the probe tells; else what most of them have."""
    hosts = inventory.hosts
    said = _probed(inventory, role) if role in PROBED else {}
    read = {name: _values(plan, inventory, role, name) for name in KNOWN[role]}
    read = {name: own for name, own in read.items() if own and (role != "os" or _tells_release(own.values()))}
    best = max(read, key=lambda name: len(read[name]), default=None)
    if best is not None:
        alike = any(said.get(host) == value for host, value in read[best].items())
        lacking = tuple(host for host in hosts if host not in read[best] and not (alike and host in said))
        if not lacking or len(said) < len(hosts):
            return Found(best, alike, lacking) if 2 * len(read[best]) >= len(hosts) else None
    if said:
        return Found("", probe=True, lacking=tuple(host for host in hosts if host not in said))
    return None


def _tells_release(values: Iterable[str]) -> bool:
    return any(any(c.isdigit() for c in value) or next_release(value) for value in values)


def _values(plan: Plan, inventory: Inventory, role: Role, name: str) -> dict[str, str]:
    """By host, as the inventory alone tells it."""
    reader = Reader(replace(plan, factors={role: name}, probes={}), replace(inventory, probed={}))
    read = {host: reader.factors(host)[0].get(role) for host in inventory.hosts}
    return {host: value for host, value in read.items() if value is not None}


def _probed(inventory: Inventory, role: Role) -> dict[str, str]:
    records = {host: inventory.probed[host] for host in inventory.hosts if host in inventory.probed}
    return {host: text for host, record in records.items() if (text := record.text(role)) is not None}


def _combos(hosts: tuple[str, ...], values: Mapping[Role, Mapping[str, str]]) -> tuple[Drafted, ...]:
    """The largest first: it gives the most evidence."""
    telling = [role for role in TELLING if role in values]
    groups: dict[tuple[str, ...], list[str]] = {}
    for host in hosts:
        if all(host in values[role] for role in telling):
            groups.setdefault(tuple(_glob(role, values[role][host]) for role in telling), []).append(host)
    names: set[str] = set()
    found = []
    for globs, members in sorted(groups.items(), key=lambda group: (-len(group[1]), group[0])):
        match: dict[str, str] = dict(zip(map(str, telling), globs, strict=True))
        release = values["os"][members[0]] if "os" in values else ""
        domains = {
            str(role): len({values[role].get(host) for host in members})
            for role in ("site", "rack")
            if role in values
        }
        name = _named(match, names)
        found.append(
            Drafted(name, match, _target(match, release), tuple(members), is_newest(release), domains)
        )
    return tuple(found)


def _glob(role: Role, value: str) -> str:
    """What fits that value; of a hypervisor every patch level, which tells no two hosts apart."""
    patch = _PATCH.fullmatch(value) if role == "hypervisor" else None
    if patch:
        return f"{patch['kept']}.*"
    plain = re.sub(r"[*?\[]", lambda odd: f"[{odd[0]}]", value)
    if plain[0] in "<>=":  # else it would be a range
        return f"[{plain[0]}]{plain[1:]}"
    return f"?{plain[1:]}" if plain[0] == "!" else plain


def _target(match: Mapping[str, str], release: str) -> dict[str, str]:
    """The next release brings another version of the same hypervisor."""
    after = next_release(release)
    if after is None:
        return {}
    kind = _VERSIONED.fullmatch(match.get("hypervisor", ""))
    return {"os": after, **({"hypervisor": f"{kind['kind']}-*"} if kind else {})}


def _named(match: Mapping[str, str], taken: set[str]) -> str:
    """A name that no other combo has: the words of its values."""
    words = "-".join(re.sub(r"[^a-z0-9.]+", "-", glob.lower()).strip("-.") for glob in match.values())
    stem = re.sub(r"-{2,}", "-", words)[:55].strip("-.") or "combo"
    name, number = stem, 1
    while name in taken:
        number += 1
        name = f"{stem}-{number}"
    taken.add(name)
    return name
