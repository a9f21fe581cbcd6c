"""What every journal refuses, in the same words."""

from collections.abc import Collection, Iterable
from difflib import get_close_matches

from rollout.errors import Amended, Behind, JournalError, LeaseLost, LimitReached, Locked
from rollout.journal.owner import Lease, Life, Owner, stamp
from rollout.journal.rows import RunRow
from rollout.model.event import REQUESTS, Event

POLICY = 5
"""Raised when the fold or the scheduler reads the same events differently: a run is carried on under its own policy only."""


def check_policy(row: RunRow) -> None:
    """A run that was begun under another policy is not carried on: the same events would mean something else."""
    if row.policy != POLICY:
        raise JournalError(
            f"run {row.id!r} was begun by rollout {row.tool} under policy {row.policy}; this rollout has policy {POLICY}: "
            "finish the run with the version that began it"
        )


def refuse_if_held(row: RunRow, me: Owner, *, force: bool = False) -> None:
    """Raise Locked unless nobody holds the run, or its holder is known to be dead, or has let its lease lapse.

    `force`: a person has made sure that a holder who cannot be seen from here is dead. One who is seen to live is not forced.
    """
    life = row.life(me)
    if life in {None, Life.DEAD, Life.LAPSED} or (force and life is Life.UNKNOWN):
        return
    sentence = f"run {row.id!r} is held by {row.owner} since {stamp(row.taken_at)}, last sign of life {stamp(row.renewed_at)}"
    if life is Life.UNKNOWN:
        sentence += (
            "; whether that process still lives cannot be seen from here (another machine or container)"
        )
        if row.lease is not None:
            sentence += f", and it is taken for dead once it has been silent for {row.lease:g} s (now {row.silent:.0f} s)"
    raise Locked(sentence)


def check_request(event: Event, run: str, hosts: Collection[str]) -> None:
    """Only requests may be written without the lease, and only about hosts of the run."""
    if event.kind not in REQUESTS:
        raise JournalError(f"{event.kind} is not a request: only the holder of the lease may write it")
    if event.host is not None and event.host not in hosts:
        raise JournalError(f"run {run!r} has no host {event.host!r}{nearest(event.host, hosts)}")


def no_such_run(run: str | None, known: Iterable[str]) -> JournalError:
    """None: any run would have done, and there is none."""
    if run is None:
        return JournalError("the journal has no run yet")
    names = list(known)
    return JournalError(f"the journal has no run {run!r}{nearest(run, names)}")


def run_exists(run: str) -> JournalError:
    """Runs are never overwritten."""
    return JournalError(f"the journal has a run {run!r} already")


def no_such_host(host: str, run: str) -> JournalError:
    """A value is kept of a host that the graph does not have."""
    return JournalError(f"run {run!r} has no host {host!r}")


def limit_reached(host: str, slot: str, cap: int, holders: Iterable[str]) -> LimitReached:
    """Who is in the way, for a person."""
    names = sorted(holders)
    shown = ", ".join(repr(name) for name in names[:3]) + (", ..." if len(names) > 3 else "")
    return LimitReached(
        f"host {host!r} cannot take slot {slot!r}: {len(names)} of {cap} taken, by {shown or 'nobody'}"
    )


def lease_lost(lease: Lease, row: RunRow) -> LeaseLost:
    """Who has it now."""
    if row.owner is None:
        return LeaseLost(f"run {lease.run!r} is no longer held: its lease was released")
    return LeaseLost(
        f"run {lease.run!r} was taken over by {row.owner} at {stamp(row.taken_at)}; "
        "this controller has stopped and begins nothing more; what it had begun goes on, under the other one"
    )


def begun_meanwhile(run: str, by: str, at: float) -> Locked:
    """Two controllers began the same plan in the same moment: the first has it."""
    return Locked(
        f"run {run!r} of this plan was begun meanwhile by {by} at {stamp(at)}: nothing was begun twice; "
        "`rollout apply` once more carries that one on, when its controller is done"
    )


def amended_meanwhile(run: str) -> Amended:
    """What was read of the run is not what it goes on with."""
    return Amended(
        f"run {run!r} was amended meanwhile, by another command: nothing was done under the plan as it was before; begin this command again"
    )


def behind(run: str, seen: int, last: int) -> JournalError:
    """Somebody asked for something in the meantime; or events are gone, and nothing can be decided any more."""
    if last < seen:
        return JournalError(
            f"run {run!r} has events up to {last}, and this controller has read {seen}: the journal was put back to an earlier "
            "state (a backup, or a standby that had not received everything); look at the hosts before `rollout resume`"
        )
    return Behind(
        f"run {run!r} has events up to {last}, and this controller has read {seen}: read on and decide again"
    )


def overtaken(run: str) -> JournalError:
    """The connection was lost in a transaction that had been folded already, and others wrote before it could be repeated."""
    return JournalError(
        f"the connection to the journal was lost while run {run!r} was written, and others have written since: "
        "nothing was begun; `rollout resume` reads on and decides again"
    )


def checked_taker(event: Event) -> str:
    """Slots are taken by hosts."""
    if event.host is None:
        raise JournalError(f"{event.kind} names no host that could take a slot")
    return event.host


def nearest(word: str, known: Iterable[str]) -> str:
    """A did-you-mean, or nothing."""
    close = get_close_matches(word, known, 1)
    return f"; did you mean {close[0]!r}?" if close else ""
