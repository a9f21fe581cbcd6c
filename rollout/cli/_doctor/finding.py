"""What a check found, and what it is given to look at."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from rollout.model.graph import Graph
from rollout.model.plan import Plan

if TYPE_CHECKING:
    from rollout.plan.inventory import Inventory

Word = Literal["ok", "warn", "bad"]
"""`bad`: a run would fail, or already does. `warn`: it may, or that could not be found out."""


@dataclass(frozen=True, slots=True)
class Finding:
    """`source`: where the value comes from: a file, a variable, an option, a default. `advice`: what to do, unless it is ok."""

    word: Word
    name: str
    value: str
    source: str
    advice: str = ""


@dataclass(frozen=True, slots=True)
class Situation:
    """Where we are. Without a plan, or with one that has mistakes, there is no `plan`; what needs it is not looked at.

    `journal`, and where that name comes from.
    """

    folder: Path
    journal: str
    journal_source: str
    plan: Plan | None = None
    inventory: "Inventory | None" = None
    graph: Graph | None = None

    @property
    def processes(self) -> tuple[int, str]:
        """Ansible processes that a run would have at once at most, and who says so."""
        if self.plan is None:
            return Plan("", "", (), "", {}, (), ()).limits.controller, "the default of limits.controller"
        limit = self.plan.limits.controller
        path = ("limits", "controller")
        said = (
            f"limits.controller at {self.plan.places[path]}"
            if path in self.plan.places
            else "the default of limits.controller"
        )
        hosts = len(self.graph.nodes) if self.graph is not None else limit
        return (limit, said) if limit <= hosts else (max(hosts, 1), "the hosts to upgrade")
