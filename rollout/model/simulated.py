"""How a simulated run came out."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from rollout.model.decision import Stop
from rollout.model.event import Event
from rollout.model.state import Status


@dataclass(frozen=True, slots=True)
class Simulated:
    """A whole run under one seed. `began` is in seconds since the epoch; the other times are seconds since then.

    `passed`: when each wave had. `harmed`: the hosts that a planted defect broke while or after they were disrupted. `vm_minutes`: guests x minutes
    in which their host held a slot. `stopped`: the events that kept something from beginning, in order. `crashes`: controllers that died.
    `endless`: it would never have ended, and was cut off.
    """

    seed: int
    stop: Stop
    began: float
    took: float
    passed: Mapping[str, float] = field(default_factory=dict)
    harmed: tuple[str, ...] = ()
    vm_minutes: float = 0.0
    stopped: tuple[Event, ...] = ()
    statuses: Mapping[Status, int] = field(default_factory=dict)
    crashes: int = 0
    events: int = 0
    endless: bool = False
