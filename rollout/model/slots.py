"""Who may still take a slot: counted as slots are taken and released, never by looking at the fleet."""

from collections import Counter
from collections.abc import Iterable, Mapping

from rollout.model.queues import Group, Queues

FLEET = "fleet"
"""The slot of the limit `at_once`: every host of the run takes it."""


class Slots:
    """Counts of taken slots against their caps; blocks and unblocks the groups of a queue as domains fill and empty.

    `taken` can exceed its cap: a host that regresses takes its slot back whatever the limit says.
    """

    def __init__(self, caps: Mapping[str, int], groups: Iterable[Group], queues: Queues) -> None:
        self.caps = caps
        self.taken: Counter[str] = Counter()
        self._queues = queues
        self._sharing: dict[str, list[Group]] = {}
        self._full: Counter[Group] = Counter()
        for group in groups:
            for slot in group[1]:
                if slot != FLEET:
                    self._sharing.setdefault(slot, []).append(group)

    @property
    def fleet_full(self) -> bool:
        """Whether `at_once` hosts are disrupted."""
        return self.taken[FLEET] >= self.caps[FLEET]

    def full(self, slots: tuple[str, ...]) -> list[str]:
        """Those of the slots that nobody may take now."""
        return [slot for slot in slots if self.taken[slot] >= self.caps[slot]]

    def over(self, slots: tuple[str, ...]) -> list[str]:
        """Those of the slots that more hosts hold, or have reserved, than may."""
        return [slot for slot in slots if self.taken[slot] > self.caps[slot]]

    def take(self, slots: tuple[str, ...]) -> None:
        """A host takes its slots."""
        for slot in slots:
            self.taken[slot] += 1
            if self.taken[slot] == self.caps[slot]:
                for group in self._sharing.get(slot, ()):
                    self._full[group] += 1
                    self._queues.block(group)

    def release(self, slots: tuple[str, ...]) -> None:
        """A host gives its slots back."""
        for slot in slots:
            if self.taken[slot] == self.caps[slot]:
                for group in self._sharing.get(slot, ()):
                    self._full[group] -= 1
                    if not self._full[group]:
                        self._queues.unblock(group)
            self.taken[slot] -= 1
