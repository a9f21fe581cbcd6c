"""The facts that the journal holds, in order."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class Kind(StrEnum):
    """What happened. In brackets: what `data` holds.

    Written by the holder of the lease, except the requests, which anyone with access to the journal may write.
    """

    # the run
    TAKEN_UP = "taken-up"
    """A controller took the lease [owner, fence, unattended: by a schedule]: questions that the one before had asked are void."""
    ROUND = "round-asked"
    """Gates `before run`, `before wave` or `after wave` are to be asked [moment; wave, unless of the whole run]."""
    OPENED = "wave-opened"
    """[wave]"""
    PASSED = "wave-passed"
    """[wave]"""
    TRIPPED = "breaker-tripped"
    """[combo, or factors (name -> value), or nothing for the whole run; by: count | evidence | risk | halt | gate; harmed: failed hosts among those
    that it stops; what the evidence counted; the gate, moment, about, and fence of the controller that it failed under]"""
    RESET = "breaker-reset"
    """[combo, or factors, or nothing for the whole run]"""
    PAUSED = "paused"
    """A request; or the scheduler's, when something common is suspected [by, and what the evidence counted]."""
    SUSPECTED = "path-suspected"
    """The way to some hosts, or our own machine, is in doubt [path, by: path | controller, asked: hosts]: the run pauses."""
    RESTORED = "path-restored"
    """It works again [path]: that pause lifts itself."""
    AMENDED = "amended"
    """The plan or its files are others from here on [old, new: digests of graphs; by; reason; changed: sentences; excluded, gone: host -> why it
    leaves; credit: combo -> those of its steps that are others: what was verified before proves nothing of it; gates: names of those that are others]"""
    ENDED = "controller-ended"
    """The controller let go of the lease [exit_code]."""

    # requests that are about the run
    CONTINUED = "continued"
    ABORTED = "aborted"
    APPROVED = "approved"
    """What comes after the rungs up to that one may begin [through, digest, by]."""
    WAIVED = "gate-waived"
    """That gate is asked and recorded, and decides nothing any more in this run [gate, by]. A request."""
    PROMOTED = "promoted"
    """Soaks end now, and the hosts are asked at once: of the event's host, of a wave, or all [wave]. A request."""

    # a host
    INTENDED = "step-intended"
    """Committed before the step begins [slots: those newly taken]."""
    DONE = "step-done"
    """[found: what it hands on to later steps of the host]"""
    FAILED = "step-failed"
    """[ending, task]"""
    VOID = "step-void"
    """Taken up: the step never began, or was interrupted and may begin again [ending]."""
    RETRYING = "step-retrying"
    """[not_before; risk: the known error that it was]"""
    ASKED = "gate-asked"
    """[gate, moment, reserves: its slot is kept free meanwhile; without a host, about: whom it is about]"""
    STILL = "gate-unchanged"
    """A gate about the fleet answers as it did before [gate, moment, about]; said from time to time by ANSWERED."""
    YIELDED = "slot-yielded"
    """The slot that was kept free for the host is given back: nothing may begin now."""
    ANSWERED = "gate-answered"
    """[gate, moment, value, samples, link: where a person sees the same numbers; shadow or waived: True, it decided nothing; without a host,
    about: whom it is about]"""
    ASK_AGAIN = "gate-retrying"
    """[not_before]"""
    STUCK = "gate-stuck"
    """A gate could not find out [gate]: the run pauses, the host waits for a person."""
    STRANDED = "host-stranded"
    """What is in doubt kept its step, or a question about it, from an end: not counted, it waits until that is mended [path;
    begun: False if nothing of the step can have reached the host]."""
    SOAKING = "host-soaking"
    """[until]"""
    VERIFIED = "host-verified"
    HELD = "host-held"
    """[uncertain: whether what its step did is unknown; away: others broke it before it was touched; risk: the known error that it was]"""
    GONE = "host-gone"
    FOUND = "host-found"
    """How a drain found the host before it closed it [found]: it is given back so."""
    STAYS = "rollback-refused"
    """Nothing was undone yet, and a gate forbids it: the healthy host stays what it is."""
    ROLLED_BACK = "host-rolled-back"
    """Every open side effect was taken back."""

    # requests that are about a host
    RETRIED = "host-retried"
    RESOLVED = "host-resolved"
    """[as: done | failed]"""
    RETIRED = "host-retired"
    ROLLBACK = "rollback-asked"
    SKIPPED = "host-skipped"
    """A host that has not begun is left out."""


REQUESTS = frozenset({
    *(Kind.PAUSED, Kind.CONTINUED, Kind.ABORTED, Kind.APPROVED, Kind.PROMOTED, Kind.WAIVED),
    *(Kind.RETRIED, Kind.RESOLVED, Kind.RETIRED, Kind.ROLLBACK, Kind.SKIPPED),
})  # fmt: skip

UNWRITTEN = frozenset({Kind.ASKED, Kind.YIELDED, Kind.STILL})
"""Known to the asking controller alone: what it asked is void when it dies, so the journal never holds them."""


@dataclass(frozen=True, slots=True)
class Event:
    """One fact. `seq` counts from 1 within a run and `at` is the journal's time; both are 0 until it is written.

    `because` is a sentence for a person. `step` and `attempt` name the order that it is about.
    """

    kind: Kind
    because: str = ""
    host: str | None = None
    step: str | None = None
    attempt: int = 0
    data: Mapping[str, Any] = field(default_factory=dict)
    seq: int = 0
    at: float = 0.0
