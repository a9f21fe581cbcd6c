"""The waves as they are cut: each takes the next number of its combo."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from rollout.graph.stages import needs_of
from rollout.model.fleet import Host
from rollout.model.graph import Need, Wave
from rollout.model.plan import ComboRule, Plan


@dataclass(slots=True)
class Cut:
    """All waves, each after those that it waits for.

    `hosts`: all of the fleet; `members`: those of each combo that are to be upgraded, both in inventory order; `present`: the combos that
    have hosts, upgraded or to upgrade; `lines`: the waves of each combo so far.
    """

    plan: Plan
    hosts: Sequence[Host]
    members: Mapping[str, list[Host]]
    present: frozenset[str]
    waves: dict[str, Wave] = field(default_factory=dict)
    lines: dict[str, list[Wave]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    @property
    def reached(self) -> list[str]:
        """The combos that have hosts to upgrade."""
        return [name for name, hosts in self.members.items() if hosts]

    def add(
        self, rule: ComboRule, hosts: Iterable[Host], rung: str, needs: Iterable[Need], *, canary: bool
    ) -> None:
        """The combo's next wave; its first waits for other combos, too. Without hosts there is none."""
        names = tuple(host.name for host in hosts)
        if not names:
            return
        line = self.lines.setdefault(rule.name, [])
        first = () if line else needs_of(rule, self.lines, self.present)
        soak = self.plan.soak.canary if canary else self.plan.soak.ramp
        identity = f"{rule.name}/{len(line) + 1}"
        wave = Wave(identity, rule.name, names, canary, tuple(dict.fromkeys((*first, *needs))), soak, rung)
        self.waves[identity] = wave
        line.append(wave)
