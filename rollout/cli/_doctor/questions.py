"""Gates: whether this machine could ask them."""

from collections.abc import Iterator

from rollout.cli._doctor.finding import Finding, Situation
from rollout.report.plain import counted


def gates(situation: Situation) -> Iterator[Finding]:
    """Secrets and certificates that are not here, before a run finds that out at night. No server is asked."""
    if situation.graph is None:
        return
    from rollout.cli import _controller
    from rollout.gates import HostGate

    found = _controller.gates(situation.graph)
    well = 0
    for name, gate in found.items():
        obstacle = gate.obstacle() if isinstance(gate, HostGate) else ""
        if obstacle:
            advice = "set it for the process that runs the rollout, or correct the gate's settings"
            yield Finding("bad", f"gate {name}", obstacle, "its settings", advice)
        well += not obstacle
    if well:
        said = f"{counted(well, 'gate')} could be asked from here"
        yield Finding("ok", "gates", said, "their settings; `rollout gate test` asks one")
