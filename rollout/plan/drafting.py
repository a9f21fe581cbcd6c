"""A first plan for an inventory: which of its variables tell hosts apart, and which combinations there are."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

from rollout.model.plan import Plan
from rollout.model.versions import fits
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
    """A combination: `match` maps a factor to globs, one of which its hosts fit. `to` is empty where nobody knows what comes next."""

    name: str
    match: Mapping[str, tuple[str, ...]]
    to: Mapping[str, str]
    hosts: tuple[str, ...]
    newest: bool = False
    domains: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Draft:
    """`contradicted`: host -> what a probe found instead of what the inventory says, where no `match` takes both.

    `renamed`: factors that a probe calls otherwise on every host; their `match` takes both names.
    """

    factors: Mapping[Role, Found]
    combos: tuple[Drafted, ...]
    contradicted: Mapping[str, str]
    renamed: tuple[Role, ...] = ()


def wanted(plan: Plan) -> Plan:
    """The same, asking probes for all that a draft can use."""
    return replace(plan, factors={"os": "os"}, probes={name: name for name in (*sorted(PROBED), "guests")})


def draft(plan: Plan, inventory: Inventory) -> Draft:
    """What can be said of the plan's hosts. Without `os` among its factors there is nothing that an upgrade could change."""
    values: dict[Role, dict[str, str]] = {}
    said: dict[Role, dict[str, str]] = {}
    factors: dict[Role, Found] = {}
    for role in KNOWN:
        found = _choose(plan, inventory, role)
        if found is None:
            continue
        told = _probed(inventory, role) if role in PROBED else {}
        own = _values(plan, inventory, role, found.source) if found.source else dict(told)
        if role not in TELLING and len(set(own.values())) < 2:
            continue  # one site is no failure domain
        factors[role], values[role] = found, {**told, **own} if found.probe else own
        if (
            found.probe or found.source == role
        ):  # a probe's name for it: then both are compared when it is planned
            said[role] = told
    renamed = tuple(role for role in said if _is_renamed(role, values[role], said[role]))
    spelt = {role: _spellings(role, values[role], said.get(role, {}), role in renamed) for role in values}
    combos = _combos(inventory.hosts, values, spelt)
    return Draft(factors, combos, _contradicted(inventory.hosts, values, said, spelt), renamed)


def _contradicted(
    hosts: tuple[str, ...],
    values: Mapping[Role, Mapping[str, str]],
    said: Mapping[Role, Mapping[str, str]],
    spelt: Mapping[Role, Mapping[str, tuple[str, ...]]],
) -> dict[str, str]:
    found: dict[str, list[str]] = {}
    for role, told in said.items():
        for host in hosts:
            own = values[role].get(host)
            if host in told and own is not None and not fits((told[host],), spelt[role][own]):
                found.setdefault(host, []).append(f"{role} is {told[host]}, and {own} in the inventory")
    return {host: "; ".join(words) for host, words in found.items()}


def _is_renamed(role: Role, own: Mapping[str, str], said: Mapping[str, str]) -> bool:
    """Whether no host is called alike by both; two versions of the same system are no two names of it."""
    pairs = [(own[host], said[host]) for host in said if host in own]
    return bool(pairs) and not any(_alike(*pair) or (role != "hardware" and _kin(*pair)) for pair in pairs)


def _alike(one: str, other: str) -> bool:
    """The same, told as precisely or less so: kvm-7.2 and kvm-7.2.0."""
    return one == other or one.startswith(f"{other}.") or other.startswith(f"{one}.")


def _kin(one: str, other: str) -> bool:
    kinds = [_VERSIONED.fullmatch(text) for text in (one, other)]
    return all(kinds) and len({kind["kind"].lower() for kind in kinds if kind}) == 1


def _spellings(
    role: Role, own: Mapping[str, str], said: Mapping[str, str], renamed: bool
) -> dict[str, tuple[str, ...]]:
    """For each value the globs that it and what probes say of its hosts fit. No two values share a part of theirs only."""
    pairs = [(own[host], told) for host, told in said.items() if host in own]
    stems = sorted({min(pair, key=len) for pair in pairs if pair[0] != pair[1] and _alike(*pair)}, key=len)
    found: dict[str, tuple[str, ...]] = {}
    for value in set(own.values()):
        stem = next((one for one in stems if _alike(one, value) and len(one) <= len(value)), None)
        glob = _glob(role, value)
        if stem is not None:
            found[value] = (_literal(stem), f"{_literal(stem)}.*")
        elif renamed:
            found[value] = (
                glob,
                *sorted({_glob(role, told) for mine, told in pairs if mine == value} - {glob}),
            )
        else:
            found[value] = (glob,)
    return found


def _choose(plan: Plan, inventory: Inventory, role: Role) -> Found | None:
    """The first that all hosts have; else what the probe tells; else what most of them have."""
    hosts = inventory.hosts
    said = _probed(inventory, role) if role in PROBED else {}
    read = {name: _values(plan, inventory, role, name) for name in KNOWN[role]}
    read = {name: own for name, own in read.items() if own and (role != "os" or _tells_release(own.values()))}
    best = max(read, key=lambda name: len(read[name]), default=None)
    if best is not None:
        alike = any(host in said and _alike(said[host], value) for host, value in read[best].items())
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


def _combos(
    hosts: tuple[str, ...],
    values: Mapping[Role, Mapping[str, str]],
    spelt: Mapping[Role, Mapping[str, tuple[str, ...]]],
) -> tuple[Drafted, ...]:
    """The largest first: it gives the most evidence."""
    telling = [role for role in TELLING if role in values]
    groups: dict[tuple[tuple[str, ...], ...], list[str]] = {}
    for host in hosts:
        if all(host in values[role] for role in telling):
            groups.setdefault(tuple(spelt[role][values[role][host]] for role in telling), []).append(host)
    names: set[str] = set()
    found = []
    for globs, members in sorted(groups.items(), key=lambda group: (-len(group[1]), group[0])):
        match: dict[str, tuple[str, ...]] = dict(zip(map(str, telling), globs, strict=True))
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
    return _literal(value)


def _literal(value: str) -> str:
    plain = re.sub(r"[*?\[]", lambda odd: f"[{odd[0]}]", value)
    if plain[0] in "<>=":  # else it would be a range
        return f"[{plain[0]}]{plain[1:]}"
    return f"?{plain[1:]}" if plain[0] == "!" else plain


def _target(match: Mapping[str, tuple[str, ...]], release: str) -> dict[str, str]:
    """The next release brings another version of the same hypervisor."""
    after = next_release(release)
    if after is None:
        return {}
    kind = _VERSIONED.fullmatch(match["hypervisor"][0]) if "hypervisor" in match else None
    return {"os": after, **({"hypervisor": f"{kind['kind']}-*"} if kind else {})}


def _named(match: Mapping[str, tuple[str, ...]], taken: set[str]) -> str:
    """A name that no other combo has: the words of its values."""
    words = "-".join(re.sub(r"[^a-z0-9.]+", "-", globs[0].lower()).strip("-.") for globs in match.values())
    stem = re.sub(r"-{2,}", "-", words)[:55].strip("-.") or "combo"
    name, number = stem, 1
    while name in taken:
        number += 1
        name = f"{stem}-{number}"
    taken.add(name)
    return name
