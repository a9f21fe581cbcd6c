"""What the scheduler wants done next. Every decision says why."""

from dataclasses import dataclass

from rollout.model.event import Event
from rollout.model.plan import GateRule


@dataclass(frozen=True, slots=True)
class Start:
    """Begin a step on a host; `slots` are those it takes with it. The intent is written first."""

    host: str
    step: str
    attempt: int
    slots: tuple[str, ...]
    because: str


@dataclass(frozen=True, slots=True)
class Ask:
    """Ask a gate about a host; or, with an empty `host`, about the fleet: `about` says whom. `moment` is what the answer is for, e.g. `after verify`, `remember`, `soak`.

    `reserves`: the host keeps its place in the limits while it is asked, for its next step takes the slot.
    """

    host: str
    gate: GateRule
    moment: str
    reserves: bool
    because: str
    about: str = ""

    @property
    def subject(self) -> str:
        """What is asked about at most once at a time: a host, or a question of its own."""
        return self.host or f"{self.moment}/{self.gate.name}/{self.about}"


@dataclass(frozen=True, slots=True)
class Record:
    """Write down a change that needs no act: hold, soak, verify, open a wave, trip a breaker, pause ..."""

    event: Event

    @property
    def because(self) -> str:
        """The event's own words."""
        return self.event.because


@dataclass(frozen=True, slots=True)
class Stop:
    """Nothing is left to do, or nothing can be done, for this controller: let go with this exit code."""

    exit_code: int
    because: str


@dataclass(frozen=True, slots=True)
class Wait:
    """Nothing to do before `until` (seconds since the epoch; None: until something is reported)."""

    until: float | None
    because: str


Decision = Start | Ask | Record | Stop | Wait
