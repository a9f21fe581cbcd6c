"""Hosts that wait, by combo and by what they would take; the domain with the least slack comes first.

Slack is read as work left per place: the seconds that a domain's hosts have still to be disrupted, over how many may be at once.
"""

from bisect import bisect_left, insort
from collections.abc import Iterator, Mapping
from heapq import merge

Domain = tuple[str, ...]
"""The slots that a host takes."""

Kin = tuple[str, tuple[str, ...]]
"""Hosts of one combo whose windows are open at the same times: (combo, time zones)."""

Group = tuple[Kin, Domain, tuple[str, ...]]
"""Hosts that are alike in all that can keep one of them from beginning: (combo and zones, slots, factor values)."""

Line = tuple[Kin, Domain]
"""All hosts of a kin that take the same slots."""

Turn = tuple[int, str]
"""A host and its rank, the lowest first."""


class Queues:
    """A queue for each group, in the order of its hosts' ranks. `candidates` yields the host of each open group whose turn it is.

    A rank belongs to the host, not to its time of arrival: who is next is the same after a crash. Domains of equal weight go by name.
    """

    def __init__(self) -> None:
        self._hosts: dict[Group, list[Turn]] = {}
        self._heads: dict[Line, list[tuple[Turn, Group]]] = {}
        self._orders: dict[Kin, list[tuple[float, Domain]]] = {}
        self._full: set[Domain] = set()
        self._blocked: set[Line] = set()
        self._stopped: set[Group] = set()
        self._weights: dict[Domain, float] = {}
        self._kins_in: dict[Domain, dict[Kin, None]] = {}

    def __len__(self) -> int:
        """How many groups have hosts that wait."""
        return len(self._hosts)

    def kins(self) -> list[Kin]:
        """Those that have a host whose turn it could be."""
        return list(self._orders)

    def hosts(self) -> Iterator[str]:
        """Every host that waits, in no particular order."""
        for queue in self._hosts.values():
            yield from (host for _, host in queue)

    def candidates(self, kins: Mapping[Kin, float]) -> Iterator[str]:
        """The first host of each open group of these kins, least slack first. `kins` gives their own weights, in seconds of work per place."""
        orders = [self._ordered(kin, -weight) for kin, weight in kins.items() if kin in self._orders]
        for *_, domain, _, kin in orders[0] if len(orders) == 1 else merge(*orders):
            for (_, host), _ in self._heads[kin, domain]:
                yield host

    def _ordered(self, kin: Kin, own: float) -> Iterator[tuple[float, float, Domain, Turn, Kin]]:
        return (
            (min(weight, own), weight, domain, self._heads[kin, domain][0][0], kin)
            for weight, domain in self._orders[kin]
        )

    def add(self, group: Group, host: str, rank: int) -> None:
        """A host joins its group's queue; the lowest rank is first."""
        self._lose_head(group)
        insort(self._hosts.setdefault(group, []), (rank, host))
        self._show_head(group)

    def remove(self, group: Group, host: str, rank: int) -> None:
        """A host leaves its group's queue."""
        self._lose_head(group)
        queue = self._hosts[group]
        del queue[bisect_left(queue, (rank, host))]
        if queue:
            self._show_head(group)
        else:
            del self._hosts[group]

    def block(self, line: Line) -> None:
        """No host of the kin in that domain may go on for now."""
        self._leave_order(line)
        self._blocked.add(line)

    def unblock(self, line: Line) -> None:
        """A host of it may go on again."""
        if line in self._blocked:
            self._blocked.discard(line)
            self._join_order(line)

    def stop(self, group: Group) -> None:
        """No host of it is a candidate for now; they wait all the same."""
        self._lose_head(group)
        self._stopped.add(group)

    def go(self, group: Group) -> None:
        """They are candidates again."""
        self._stopped.discard(group)
        self._show_head(group)

    def fill(self, domain: Domain) -> None:
        """One of its limits is full: none of its hosts may go on for now."""
        for kin in self._kins_in.get(domain, ()):
            self._leave_order((kin, domain))
        self._full.add(domain)

    def empty(self, domain: Domain) -> None:
        """None of its limits is full any more."""
        self._full.discard(domain)
        for kin in self._kins_in.get(domain, ()):
            self._join_order((kin, domain))

    def weigh(self, domain: Domain, weight: float) -> None:
        """The seconds of work per place that are left in it."""
        if self._weights.get(domain, 0.0) == -weight:
            return
        for kin in self._kins_in.get(domain, ()):
            self._leave_order((kin, domain))
        self._weights[domain] = -weight
        for kin in self._kins_in.get(domain, ()):
            self._join_order((kin, domain))

    def _show_head(self, group: Group) -> None:
        """The group's first host is a candidate, if it has one."""
        if group not in self._hosts or group in self._stopped:
            return
        line = group[:2]
        heads = self._heads.setdefault(line, [])
        insort(heads, (self._hosts[group][0], group))
        if len(heads) == 1:
            self._kins_in.setdefault(line[1], {})[line[0]] = None
            self._join_order(line)

    def _lose_head(self, group: Group) -> None:
        if group not in self._hosts or group in self._stopped:
            return
        line = group[:2]
        heads = self._heads[line]
        del heads[bisect_left(heads, (self._hosts[group][0], group))]
        if not heads:
            self._leave_order(line)
            del self._heads[line], self._kins_in[line[1]][line[0]]

    def _is_open(self, line: Line) -> bool:
        return line in self._heads and line not in self._blocked and line[1] not in self._full

    def _join_order(self, line: Line) -> None:
        if self._is_open(line):
            kin, domain = line
            insort(self._orders.setdefault(kin, []), (self._weights.get(domain, 0.0), domain))

    def _leave_order(self, line: Line) -> None:
        if self._is_open(line):
            kin, domain = line
            order = self._orders[kin]
            del order[bisect_left(order, (self._weights.get(domain, 0.0), domain))]
            if not order:
                del self._orders[kin]
