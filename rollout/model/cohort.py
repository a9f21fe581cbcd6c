"""Hosts as a gate about the fleet is told of them: which have been changed, since when, and which are still as they were."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Stage = Literal["untouched", "disrupted", "upgraded", "failed", "out"]
"""`untouched`: to be upgraded, not begun. `disrupted`: it has its slot. `upgraded`: healthy on the target when it was last asked: it
soaks, or is verified. `failed`: held. `out`: retired, excluded, gone, rolled back."""


@dataclass(frozen=True, slots=True)
class Peer:
    """One host. Times are seconds since the epoch; 0: it has not come so far.

    `disrupted_at`: when its first disruptive step began. `healthy_at`: when it was first found healthy on the target.
    `address` is what Ansible connects to, empty if the inventory does not say.
    """

    host: str
    combo: str
    stage: Stage
    address: str = ""
    disrupted_at: float = 0.0
    healthy_at: float = 0.0
    canary: bool = False
    factors: Mapping[str, str] | None = None


@dataclass(frozen=True, slots=True)
class Cohort:
    """The hosts that a question is about, in the graph's order."""

    peers: tuple[Peer, ...] = ()

    def at(self, *stages: Stage) -> tuple[Peer, ...]:
        """Those at one of the stages."""
        return tuple(peer for peer in self.peers if peer.stage in stages)
