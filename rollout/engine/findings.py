"""What was found out about a path, and in which words it is said."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Finding:
    """`path` is its name, empty when there is none that could be asked. `trouble`: what kept this machine from asking.

    `others` maps each host that was asked to why it did not let us in, empty if it did; `lost` the same of hosts that had vanished.
    `bastion` and `refusal`: the last one on the way, empty if there is none, and why it did not let us in, empty if it did.
    """

    path: str = ""
    others: Mapping[str, str] = field(default_factory=dict)
    lost: Mapping[str, str] = field(default_factory=dict)
    bastion: str = ""
    refusal: str = ""
    trouble: str = ""

    @property
    def answering(self) -> str | None:
        """A host that let us in."""
        return next((name for name, why in {**self.lost, **self.others}.items() if not why), None)

    @property
    def suspected(self) -> bool:
        """Hosts decide, if any could be asked; else the bastion does. A path of which nobody can tell is not suspected."""
        if self.answering is not None:
            return False
        return bool(self.others) or bool(self.refusal)

    @property
    def because(self) -> str:
        """Why it is suspected."""
        said = f"the path {self.path} is suspected: "
        if self.bastion:
            does = f"does not let us in ({self.refusal})" if self.refusal else "lets us in"
            said += f"the bastion {self.bastion} {does}"
            said += (", and " if self.refusal else ", but ") if self.others else ""
        if self.others:
            names = list(self.others)
            first = f"{names[0]}: {self.others[names[0]]}"
            who = f"none of {', '.join(names)} answers" if len(names) > 1 else f"{names[0]} does not answer"
            said += f"{who}{' through it' if self.bastion else ''} ({first})"
        return said

    @property
    def works(self) -> str:
        """How it is known that it works again."""
        if self.answering is not None:
            return f"{self.answering} answers"
        return (
            f"the bastion {self.bastion} lets us in" if self.bastion else "nobody is left who could be asked"
        )


@dataclass(frozen=True, slots=True)
class Questioned:
    """The answer to the question of that number about a path."""

    question: int
    finding: Finding
