"""Which gates are asked around which steps, on every hop."""

from collections.abc import Iterable, Sequence
from dataclasses import replace

from rollout.model.graph import Combo
from rollout.model.plan import GateRule


def gates_of(gates: Sequence[GateRule], combos: Iterable[Combo]) -> tuple[GateRule, ...]:
    """The plan's gates, and each that is asked before or after a step again for that step on other hops."""
    others: dict[str, dict[str, None]] = {}
    for combo in combos:
        for step in combo.chain:
            for one in (step, step.undo):
                if one is not None and one.base:
                    others.setdefault(one.base, {})[one.name] = None
    found: list[GateRule] = []
    for gate in gates:
        found.append(gate)
        names = others.get(gate.when.what, ())
        found += (replace(gate, when=replace(gate.when, what=name)) for name in names)
    return tuple(found)
