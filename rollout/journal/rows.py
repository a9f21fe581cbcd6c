"""What a reader of the journal gets. Times are seconds since the epoch, by the journal's clock."""

from collections.abc import Mapping
from typing import Any, NamedTuple, Self

from rollout.journal.owner import Life, Owner
from rollout.model.event import Event
from rollout.model.state import Status


class Ended(NamedTuple):
    """How the last controller let go of the run."""

    exit_code: int
    because: str
    at: float


class RunRow(NamedTuple):
    """A run. `owner` is None when nobody holds it; `ended` is None while it is held, or its last holder died.

    `tool` and `policy` are the versions it was begun with; `seq` is the number of its last event. `lease` is how many seconds an
    owner who cannot be seen may be silent (None: no time-out decides); `read_at` is when this row was read.
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
    lease: float | None = None
    read_at: float = 0.0

    @property
    def silent(self) -> float:
        """Seconds since the owner's last sign of life, by the journal's clock alone."""
        return max(0.0, self.read_at - self.renewed_at)

    def life(self, seen_by: Owner) -> Life | None:
        """What is known of the owner; None when nobody holds the run.

        Under a lease, controllers of several machines meet here. Their names prove nothing then: what has another boot id may be
        another machine of the same name.
        """
        if self.owner is None:
            return None
        far = self.lease is not None and self.owner.boot_id != seen_by.boot_id
        life = Life.UNKNOWN if far else self.owner.life(seen_by)
        if life is Life.UNKNOWN and self.lease is not None and self.silent > self.lease:
            return Life.LAPSED
        return life


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


class ApprovalRow(NamedTuple):
    """Somebody let a plan begin, or its amended `run` go on. `claims`: of a verified token; without any, `by` is what the machine told.

    `at`: seconds since the epoch. `newest`: the newest run of the journal then; None if it had none.
    """

    plan: str
    digest: str
    run: str | None
    by: str
    because: str
    claims: Mapping[str, str] = {}
    at: float = 0.0
    newest: str | None = None


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
