"""Hosts that break alike, and the chain that each of them walks."""

from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass, field

from rollout.model.chain import UNDO, Step
from rollout.model.verdict import Word


@dataclass(frozen=True, slots=True)
class Combo:
    """Hosts that break alike. `chain` is what each of them walks; `to` is where it leads (factor -> globs).

    `hosts` counts those in waves, `current` those already there. `guests_ignored` is the reason why guests are no obstacle.
    """

    name: str
    chain: tuple[Step, ...]
    to: Mapping[str, tuple[str, ...]]
    hosts: int
    current: int = 0
    guests_ignored: str | None = None
    learned: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    """The seconds that steps took in an earlier run: p50 and p90."""
    rule: str = ""
    """The combo of the plan that it is a part of; empty: it is the whole of it."""
    verdict: Word = "supported"
    because: tuple[str, ...] = ()
    """Why the verdict is not `supported`."""
    hops: tuple[str, ...] = ()
    """Where each leg of the way leads, if it has several."""

    @property
    def of_rule(self) -> str:
        """The name of its combo in the plan."""
        return self.rule or self.name

    def step(self, name: str) -> Step | None:
        """The step of that name, if the chain has it; or the undo or commit of one of its steps."""
        for step in self.chain:
            for one in (step, step.undo, step.commit):
                if one is not None and one.name == name:
                    return one
        return None

    def leads_to(self, step: Step) -> Mapping[str, tuple[str, ...]]:
        """Where the step is to bring the host: `to`, or as far as the step's own hop leads."""
        return {**self.to, **{factor: (value,) for factor, value in step.target.items()}}

    def begins_leg(self, name: str) -> bool:
        """Whether it is the first step of a further hop that disrupts the host."""
        last: Step | None = None
        for link in self.chain:
            if link.needs_slot:
                if link.name == name:
                    return last is not None and dict(last.target) != dict(link.target)
                last = link
        return False

    def before(self, name: str) -> str | None:
        """The step before the one named; None for the first."""
        names = [step.name for step in self.chain]
        index = names.index(name)
        return names[index - 1] if index else None

    def reached(self, *known: str | None) -> tuple[Step, ...]:
        """The chain up to the last of the named steps."""
        names = [step.name for step in self.chain]
        ends = [names.index(name) + 1 for name in known if name in names]
        return self.chain[: max(ends, default=0)]

    def following(self, passed: str | None) -> Step | None:
        """The step after the one named; the first for None; None at the end. Steps are keys, never positions."""
        if passed is None:
            return self.chain[0]
        names = [step.name for step in self.chain]
        index = names.index(passed) + 1
        return self.chain[index] if index < len(names) else None

    def irreversible(self, steps: Iterable[Step], kept: Container[str] | None = None) -> str | None:
        """The first step that changes the host and that nothing takes back: it has no undo, and no snapshot was kept before it.

        `kept`: the steps whose effect is still open; None: all that can be.
        """
        snapshot = False
        for step in steps:
            is_kept = step.undo is not None and (kept is None or step.name in kept)
            if step.commit is not None and is_kept:
                snapshot = True
            if step.changes_host and not is_kept and not snapshot:
                return step.name
        return None

    def holds_slot(self, step: str) -> bool:
        """Whether a host is disrupted in that step: it, or one before it, needs a slot. So does an undo, if its step did."""
        side = self.step(step)
        if side is not None and side.of is not None:
            return side.name.startswith(UNDO) and (side.needs_slot or self.holds_slot(side.of))
        for link in self.chain:
            if link.needs_slot:
                return True
            if link.name == step:
                return False
        return False

    @property
    def first_disruptive(self) -> str | None:
        """The name of the first step that needs a slot."""
        return next((step.name for step in self.chain if step.needs_slot), None)
