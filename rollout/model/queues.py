"""Hosts that wait, grouped by what they would take; the group with the most work per place comes first."""

from bisect import bisect_left, insort
from collections.abc import Iterator

Group = tuple[str, tuple[str, ...]]
"""Hosts of one combo that take the same slots: (combo, slots)."""


class Queues:
    """Queues by group, each in the order of its hosts' ranks. `open_groups` yields those that are not blocked, least slack first.

    A rank belongs to the host, not to its time of arrival: who is next is the same after a crash. Slack is read as waiting hosts per place of the group's smallest domain; ties go by name, so the order is determined.
    """

    def __init__(self, places: dict[Group, int]) -> None:
        self._places = places
        self._hosts: dict[Group, list[tuple[int, str]]] = {}
        self._blocked: set[Group] = set()
        self._order: list[tuple[float, Group]] = []

    def __len__(self) -> int:
        """How many groups have hosts that wait."""
        return len(self._hosts)

    def first(self, group: Group) -> str:
        """The host whose turn it is."""
        return self._hosts[group][0][1]

    def hosts(self) -> Iterator[str]:
        """Every host that waits, in no particular order."""
        for queue in self._hosts.values():
            yield from (host for _, host in queue)

    def open_groups(self) -> Iterator[Group]:
        """Groups that are not blocked, least slack first."""
        return (group for _, group in self._order)

    def add(self, group: Group, host: str, rank: int) -> None:
        """A host joins its group's queue; the lowest rank is first."""
        self._leave_order(group)
        insort(self._hosts.setdefault(group, []), (rank, host))
        self._join_order(group)

    def remove(self, group: Group, host: str, rank: int) -> None:
        """A host leaves its group's queue."""
        self._leave_order(group)
        queue = self._hosts[group]
        del queue[bisect_left(queue, (rank, host))]
        if not queue:
            del self._hosts[group]
        self._join_order(group)

    def block(self, group: Group) -> None:
        """No host of the group may go on for now."""
        self._leave_order(group)
        self._blocked.add(group)

    def unblock(self, group: Group) -> None:
        """A host of the group may go on again."""
        if group in self._blocked:
            self._blocked.discard(group)
            self._join_order(group)

    def _weight(self, group: Group) -> tuple[float, Group]:
        return (-len(self._hosts[group]) / self._places[group], group)

    def _leave_order(self, group: Group) -> None:
        if group in self._hosts and group not in self._blocked:
            del self._order[bisect_left(self._order, self._weight(group))]

    def _join_order(self, group: Group) -> None:
        if group in self._hosts and group not in self._blocked:
            insort(self._order, self._weight(group))
