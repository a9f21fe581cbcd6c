"""Which gate a host is asked next."""

from rollout.model.decision import Ask
from rollout.model.plan import GateRule
from rollout.model.state import HostState

FRESH = 300.0
"""Seconds for which the answer of a gate before a step may be relied upon."""


def ask(
    host: HostState,
    moment: str,
    gates: tuple[GateRule, ...],
    *,
    reserves: bool = False,
    stale: float = 0.0,
) -> Ask | None:
    """The first of the gates that has no answer, or only one from before `stale`."""
    for gate in gates:
        if (
            host.answered.get(f"{moment}/{gate.name}", -1.0) < stale
            or f"{moment}/{gate.name}" not in host.answered
        ):
            return Ask(host.name, gate, moment, reserves, f"{gate.name} is asked {moment}")
    return None
