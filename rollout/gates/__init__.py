"""Questions about health, one file per kind. `HostGate` and `FleetGate` are what a kind derives from."""

from abc import ABC, abstractmethod
from collections.abc import Collection, Iterator
from typing import ClassVar, Literal

from pydantic import BaseModel, ConfigDict

from rollout.model.seams import Subject, Verdict


class HostGate(BaseModel, ABC):
    """A question about one host: the settings are its fields, the answer is `check`.

    `remembers`: the host is also shown to `remember` before its first disruptive step. `canaries`: only canaries are asked unless
    the plan says `hosts: all`. `acts`: it disturbs the host (a boot, say), so that it is asked only while the host has its slot, and
    never again after the soak. `patience`: the `timeout` of one answer, in seconds, where the plan sets none.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    about: ClassVar[Literal["host", "fleet"]] = "host"
    remembers: ClassVar[bool] = False
    canaries: ClassVar[bool] = False
    acts: ClassVar[bool] = False
    patience: ClassVar[float | None] = None

    @abstractmethod
    def check(self, subject: Subject) -> Verdict:
        """The answer. Zero samples never pass; whatever could not be found out is `inconclusive` or `error`."""

    def remember(self, subject: Subject) -> Verdict:
        """What is kept of the host before its first disruptive step; a kind that compares nothing asks the same question."""
        return self.check(subject)

    def obstacle(self) -> str:
        """Why it can ask nothing from this machine, such as a secret that is not here; empty if it can. Nobody is asked."""
        return ""


class FleetGate(HostGate):
    """A question that something else than the host answers, about a host or about many: `subject.cohort` tells which.

    Around a step it is asked about each host; at the run's and a wave's moments, and `during` the run, once for them all, unless
    `asks_per_host`.
    """

    about: ClassVar[Literal["host", "fleet"]] = "fleet"

    def asks_per_host(self) -> bool:
        """Whether the settings name the one host that is asked about."""
        return False

    def objections(self, when: str, per: str, factors: Collection[str]) -> Iterator[tuple[str, str]]:  # noqa: ARG002  for kinds to look at
        """What of the settings does not fit a plan that asks `when`, and `per` what, and reads `factors`: the setting's key, and a sentence."""
        return iter(())
