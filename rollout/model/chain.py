"""The chain that every host walks: steps, with what takes them back or makes them final."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

REBOOT = "reboot"
"""A step of this name restarts the host: it is disruptive, and no guest may be on the host."""

UNDO, COMMIT, REMEDY = "undo-", "commit-", "remedy-"
"""How the names of steps begin that no host walks by itself: they belong to a step, or to a risk."""


@dataclass(frozen=True, slots=True)
class Step:
    """One link of the chain that every host walks: a playbook, or a drain action.

    `drain` and `reopen` name a kind of `rollout.drains`. `once` steps are destructive: never run again on a guess.
    `playbook` is relative to the plan's folder. `expect` is how long the step usually takes.

    `undo` takes back what the step did; a step that has one leaves a side effect, which stays in the ledger until it is undone,
    or `commit` (after the soak) makes it final, or a later step that names it in `closes` is done. `of` is the step that
    an undo or a commit belongs to.
    """

    name: str
    playbook: str | None = None
    drain: str | None = None
    reopen: str | None = None
    once: bool = False
    disruptive: bool = False
    retries: int = 0
    backoff: float = 30.0
    timeout: float = 3600.0
    expect: float = 360.0
    undo: "Step | None" = None
    commit: "Step | None" = None
    closes: tuple[str, ...] = ()
    of: str | None = None
    base: str = ""
    """The plan's own name of a step that is walked on one of several hops (`upgrade` for `upgrade-to-debian-12`); empty: its name."""
    target: Mapping[str, str] = field(default_factory=dict)
    """Where its hop leads, if that is not yet where the combo does."""

    @property
    def kind(self) -> str:
        """The plan's own name of the step, whichever hop it is on."""
        return self.base or self.name

    @property
    def needs_slot(self) -> bool:
        """Whether the host must hold its slot from this step on."""
        return self.drain is not None or self.once or self.disruptive

    @property
    def endangers_guests(self) -> bool:
        """Whether no guest may be on the host in that step (design, section 12)."""
        return self.once or self.kind in {REBOOT, UNDO + REBOOT, COMMIT + REBOOT}

    @property
    def changes_host(self) -> bool:
        """Whether the host is another after it, so that reopening it is no way back. A restart or a snapshot alone changes nothing."""
        if self.commit is not None:
            return False
        return self.once or (self.disruptive and self.drain is None and self.kind != REBOOT)

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "Step":
        """The step that `dataclasses.asdict` took apart."""
        sides = {key: cls.from_json(value[key]) for key in ("undo", "commit") if value.get(key)}
        return cls(**{**value, **sides, "closes": tuple(value.get("closes", ()))})
