"""Who may still take a slot: counted as slots are taken and released, never by looking at the fleet."""

from collections import Counter
from collections.abc import Iterable, Mapping

from rollout.model.queues import Domain, Queues

FLEET = "fleet"
"""The slot of the limit `at_once`: every host of the run takes it."""


class Slots:
    """Counts of taken slots against their caps; fills and empties the domains of a queue.

    A domain's first slot is that of the fleet, which is looked at by itself. `taken` can exceed its cap: a host that regresses takes its slot back whatever the limit says.
    """

    def __init__(self, caps: Mapping[str, int], domains: Iterable[Domain], *queues: Queues) -> None:
        self.caps = caps
        self.taken: Counter[str] = Counter()
        self._queues = queues
        self._sharing: dict[str, list[Domain]] = {}
        self._full: Counter[Domain] = Counter()
        self._work: Counter[str] = Counter()
        for domain in domains:
            for slot in domain[1:]:
                self._sharing.setdefault(slot, []).append(domain)

    @property
    def fleet_full(self) -> bool:
        """Whether `at_once` hosts are disrupted."""
        return self.taken[FLEET] >= self.caps[FLEET]

    def full(self, slots: Domain) -> list[str]:
        """Those of the slots that nobody may take now."""
        return [slot for slot in slots if self.taken[slot] >= self.caps[slot]]

    def over(self, slots: Domain) -> list[str]:
        """Those of the slots that more hosts hold, or have reserved, than may."""
        return [slot for slot in slots if self.taken[slot] > self.caps[slot]]

    def take(self, slots: Domain) -> None:
        """A host takes its slots."""
        for slot in slots:
            self.taken[slot] += 1
            if self.taken[slot] == self.caps[slot]:
                for domain in self._sharing.get(slot, ()):
                    self._full[domain] += 1
                    if self._full[domain] == 1:
                        self._queues[0].fill(domain)

    def release(self, slots: Domain) -> None:
        """A host gives its slots back."""
        for slot in slots:
            if self.taken[slot] == self.caps[slot]:
                for domain in self._sharing.get(slot, ()):
                    self._full[domain] -= 1
                    if not self._full[domain]:
                        self._queues[0].empty(domain)
            self.taken[slot] -= 1

    def load(self, slots: Domain, seconds: int) -> None:
        """So much more (or less) work is left in these domains; nobody's turn changes before it is weighed."""
        for slot in slots[1:]:
            self._work[slot] += seconds

    def weigh(self, slots: Domain | None = None) -> None:
        """Put in order the domains that share these slots (all, for None): the busiest of a host's domains says when its turn is."""
        shared = self._sharing if slots is None else slots[1:]
        for domain in dict.fromkeys(domain for slot in shared for domain in self._sharing[slot]):
            weight = max(self._work[slot] / self.caps[slot] for slot in domain[1:])
            for queues in self._queues:
                queues.weigh(domain, weight)
