"""What a reader of the journal gets. Times are seconds since the epoch, by the journal's clock."""

from collections.abc import Mapping
from typing import Any, NamedTuple, Self

from rollout.journal.owner import Owner
from rollout.model.event import Event
from rollout.model.state import Status


class Ended(NamedTuple):
    """How the last controller let go of the run."""

    exit_code: int
    because: str
    at: float


class RunRow(NamedTuple):
    """A run. `owner` is None when nobody holds it; `ended` is None while it is held, or its last holder died.

    `tool` and `policy` are the versions it was begun with; `seq` is the number of its last event.
    """

    id: str
    plan: str
    digest: str
    plan_file: str
    created_at: float
    created_by: str
    tool: str
    policy: int
    seq: int
    fence: int
    owner: Owner | None
    taken_at: float
    renewed_at: float
    ended: Ended | None


class AnswerRow(NamedTuple):
    """What a gate answered, and the samples it saw."""

    seq: int
    at: float
    host: str | None
    gate: str
    moment: str
    value: str
    because: str
    samples: Mapping[str, Any]

    @classmethod
    def of(cls, event: Event) -> Self:
        """The row of a `gate-answered` event."""
        data = event.data
        gate, moment, value = str(data["gate"]), str(data["moment"]), str(data["value"])
        return cls(
            event.seq, event.at, event.host, gate, moment, value, event.because, data.get("samples", {})
        )


class HostRow(NamedTuple):
    """Where a host stands."""

    name: str
    combo: str
    wave: str
    status: Status
    step: str | None
    attempt: int
    since: float
    because: str


Summary = dict[tuple[str, str, Status], int]
"""(combo, wave, status) -> how many hosts; combos, waves and statuses without hosts are absent."""
