"""Hosts that wait, grouped by what they would take; the group with the most work per place comes first."""

from bisect import bisect_left, insort
from collections import deque
from collections.abc import Iterator

Group = tuple[str, tuple[str, ...]]
"""Hosts of one combo that take the same slots: (combo, slots)."""


class Queues:
    """First-in queues by group. `open_groups` yields those with hosts that are not blocked, least slack first.

    Slack is read as waiting hosts per place of the group's smallest domain; ties go by name, so the order is determined.
    """

    def __init__(self, places: dict[Group, int]) -> None:
        self._places = places
        self._hosts: dict[Group, deque[str]] = {}
        self._blocked: set[Group] = set()
        self._order: list[tuple[float, Group]] = []

    def __len__(self) -> int:
        """How many groups have hosts that wait."""
        return len(self._hosts)

    def first(self, group: Group) -> str:
        """The host whose turn it is."""
        return self._hosts[group][0]

    def hosts(self) -> Iterator[str]:
        """Every host that waits, in no particular order."""
        for queue in self._hosts.values():
            yield from queue

    def open_groups(self) -> Iterator[Group]:
        """Groups that are not blocked, least slack first."""
        return (group for _, group in self._order)

    def add(self, group: Group, host: str, *, front: bool = False) -> None:
        """A host joins its group's queue; at the front, if something was already asked for it."""
        self._leave_order(group)
        queue = self._hosts.setdefault(group, deque())
        if front:
            queue.appendleft(host)
        else:
            queue.append(host)
        self._join_order(group)

    def remove(self, group: Group, host: str) -> None:
        """A host leaves its group's queue."""
        self._leave_order(group)
        queue = self._hosts[group]
        if queue[0] == host:
            queue.popleft()
        else:
            queue.remove(host)
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
