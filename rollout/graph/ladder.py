"""Which hosts are canaries: the least valuable one, every value, every pair of values, every combo, and the order of the rest.

Pure and the same for any order of the inventory: what decides last is a hash of what was planned and the host's name.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from itertools import combinations
from statistics import median

from rollout.graph.cover import cover
from rollout.model.fleet import Host
from rollout.model.plan import Rung

Item = tuple[int, str] | tuple[int, str, int, str]
"""What a canary covers: a factor (by its number) and a value; or two of them."""


class Ranks:
    """Which of two hosts is the better canary: the one with fewer guests (unknown is more than any number), then by hash.

    `seed` names what was planned, so that two plans over one fleet do not always try the same hosts.
    """

    def __init__(self, hosts: Iterable[Host], seed: str) -> None:
        hashes = {host.name: sha256(f"{seed}\0{host.name}".encode()).digest() for host in hosts}
        guests = {host.name: host.guests for host in hosts}

        def key(name: str) -> tuple[bool, int, bytes]:
            known = guests[name]
            return known is None, known or 0, hashes[name]

        self._of = {name: number for number, name in enumerate(sorted(hashes, key=key))}

    def __getitem__(self, host: Host) -> int:
        return self._of[host.name]


@dataclass(slots=True)
class Choice:
    """The canaries of a stage, rung by rung.

    `factors`: those to be covered; `domains`: those that limits count by, among whose values canaries are spread. `known`: canaries of the stages
    before this one, which have covered something already.
    """

    factors: Sequence[str]
    domains: Sequence[str]
    ranks: Ranks
    known: Sequence[Host] = ()
    rungs: dict[Rung, list[Host]] = field(default_factory=dict)
    _seen: set[tuple[str, str]] = field(default_factory=set)
    _chosen: dict[str, Host] = field(default_factory=dict)

    def climb(self, rungs: Sequence[Rung], combos: Mapping[str, Sequence[Host]]) -> None:
        """Choose the canaries of each rung from the hosts of each combo."""
        for host in self.known:
            self._note(host)
        hosts = [host for members in combos.values() for host in members]
        for rung in rungs:
            if rung == "one":
                found = self._one(hosts)
            elif rung == "combos":
                found = self._combos(combos)
            else:
                found = self._cover(hosts, single=rung == "factors")
            self.rungs[rung] = list(found)

    def _take(self, host: Host) -> Host:
        self._chosen[host.name] = host
        self._note(host)
        return host

    def _note(self, host: Host) -> None:
        self._seen.update((factor, host.factors[factor]) for factor in self.domains)

    def _fresh(self, host: Host) -> int:
        """In how many ways its failure domains are others than those of the canaries so far."""
        return sum((factor, host.factors[factor]) not in self._seen for factor in self.domains)

    def _preference(self, host: Host) -> tuple[int, ...]:
        return not host.pilot, -self._fresh(host), self.ranks[host]

    def _one(self, hosts: Sequence[Host]) -> Iterator[Host]:
        if hosts and not self.known:
            yield self._take(min(hosts, key=self._preference))

    def _cover(self, hosts: Sequence[Host], *, single: bool) -> Iterator[Host]:
        candidates = self._unlike(hosts)
        sets = [self._items(host, single=single) for host in candidates]
        before = (*self.known, *self._chosen.values())
        covered = {item for host in before for item in self._items(host, single=single)}
        for number in cover(sets, covered, lambda number: self._preference(candidates[number])):
            yield self._take(candidates[number])

    def _unlike(self, hosts: Sequence[Host]) -> list[Host]:
        """The best of those hosts that no step of the choice could tell apart: once one of them is chosen, the others add nothing."""
        best: dict[tuple[object, ...], Host] = {}
        for host in hosts:
            values = (host.factors.get(factor, "") for factor in (*self.factors, *self.domains))
            alike = (host.pilot, *values)
            other = best.get(alike)
            if other is None or self.ranks[host] < self.ranks[other]:
                best[alike] = host
        return list(best.values())

    def _items(self, host: Host, *, single: bool) -> list[Item]:
        values = [(number, host.factors.get(factor, "")) for number, factor in enumerate(self.factors)]
        return list(values) if single else [(*one, *other) for one, other in combinations(values, 2)]

    def _combos(self, combos: Mapping[str, Sequence[Host]]) -> Iterator[Host]:
        for members in combos.values():
            if members and not any(host.name in self._chosen for host in members):
                yield self._take(min(members, key=self._preference))
        for members in combos.values():
            loaded = loaded_hosts(members)
            if loaded and not any(host.name in self._chosen for host in loaded):
                yield self._take(min(loaded, key=self._preference))

    def ramp(self, hosts: Sequence[Host]) -> list[Host]:
        """The rest of a combo, the failure domains in turn."""
        left = sorted((host for host in hosts if host.name not in self._chosen), key=self.ranks.__getitem__)
        turns: dict[tuple[str, ...], int] = {}
        order = []
        for host in left:
            domain = tuple(host.factors[factor] for factor in self.domains)
            turns[domain] = turns.get(domain, -1) + 1
            order.append((turns[domain], self.ranks[host], host))
        return [host for _, _, host in sorted(order, key=lambda one: one[:2])]


def loaded_hosts(hosts: Sequence[Host]) -> list[Host]:
    """Those with as many guests as the median host or more; none if nobody knows, or all are alike."""
    known = [host.guests for host in hosts if host.guests is not None]
    if len(set(known)) < 2:
        return []
    middle = median(known)
    return [host for host in hosts if host.guests is not None and host.guests >= middle]
