"""Finds the journal and a run in it; what a run's rows say, without its hosts' whole state."""

import os
import time
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING

from rollout import journal
from rollout.errors import HALTED, Amended, JournalError, UsageError
from rollout.journal import Journal, Owner, RunRow
from rollout.model.event import REQUESTS, Event, Kind
from rollout.model.fold import apply
from rollout.model.learned import Lesson
from rollout.model.plan import Plan
from rollout.model.progress import UNFINISHED
from rollout.model.state import State, Status
from rollout.report.standing import RUNNING_SHOWN, Held, Holder, Running, Standing

if TYPE_CHECKING:
    from rollout.report.eta import Eta

FOLDER = ".rollout"
FILE = Path(FOLDER) / "journal.sqlite3"
SMALL = 200
"""Hosts up to which every one of them is looked at for `status`, unasked."""

FINISHED = (0, 4)
"""Exit codes after which nothing is left to do, unless a person asks for something."""


def where(given: str | None, beside: Path | None = None) -> str:
    """The journal's path or URL: as given, or the default beside a plan file, or in the current directory."""
    return given or str((beside.parent if beside else Path()) / FILE)


def is_beside(plan_file: Path) -> bool:
    """Whether the default journal of this plan is there."""
    return (plan_file.absolute().parent / FILE).is_file()


def existing(given: str | None) -> Journal:
    """The journal, for reading or a request. Raises JournalError when there is none."""
    found = where(given)
    if not journal.is_url(found) and not Path(found).is_file():
        raise JournalError(
            f"there is no journal at {found}: run this in the plan's folder, or give --journal (nothing was applied yet?)"
        )
    return journal.open(found)


def options(used: str) -> str:
    """What a command typed here needs to find the journal: nothing, or ` --journal X`. A password is not repeated."""
    found = {_resolved(name) for name in (str(FILE), os.environ.get("ROLLOUT_JOURNAL")) if name}
    return "" if _resolved(used) in found else f" --journal {quote(journal.without_password(used))}"


def _resolved(name: str) -> str:
    return name if journal.is_url(name) else str(Path(name).resolve())


def units(used: str, plan_file: Path) -> Path:
    """Where units are: whoever has the journal's file finds what was begun. With a database they are beside the plan."""
    beside = plan_file.absolute().parent / FOLDER if journal.is_url(used) else Path(used).absolute().parent
    return beside / "units"


def me() -> str:
    """Who asks: user@machine."""
    owner = Owner.current()
    return f"{owner.user}@{owner.machine}"


def life(row: RunRow) -> str | None:
    """A word of `Life`; None when nobody holds the run."""
    found = row.life(Owner.current())
    return None if found is None else str(found)


def unread(book: Journal, run: str) -> list[Event]:
    """Requests that no controller has folded yet."""
    return [event for event in book.events(run, after=book.state(run).seq) if event.kind in REQUESTS]


def paused(book: Journal, run: str) -> str | None:
    """Why the run is paused, requests that nobody has read yet included."""
    found = book.state(run).paused
    for event in unread(book, run):
        if event.kind is Kind.PAUSED:
            found = event.because
        elif event.kind is Kind.CONTINUED:
            found = None
    return found


def waived(book: Journal, run: str) -> dict[str, str]:
    """Gates and why, requests that nobody has read yet included."""
    asked = (event for event in unread(book, run) if event.kind is Kind.WAIVED)
    return {**{str(event.data.get("gate", "")): event.because for event in asked}, **book.state(run).waived}


def aborted(book: Journal, run: str) -> str | None:
    """Why the run was aborted, requests that nobody has read yet included."""
    asked = [event.because for event in unread(book, run) if event.kind is Kind.ABORTED]
    return book.state(run).aborted or (asked[0] if asked else None)


def is_finished(book: Journal, row: RunRow) -> bool:
    """Whether nothing is left to carry on with: it ended, and nobody has asked for anything since.

    An abort that no controller has carried through leaves something to do while hosts are on their way; so does a rollback.
    """
    if row.owner is not None:
        return False
    asked = unread(book, row.id)
    if asked and any(event.host for event in asked):
        return False
    if aborted(book, row.id):
        if not book.state(row.id).aborted:
            return not book.hosts(row.id, Status.RUNNING)
        carried = row.ended is not None and row.ended.exit_code in {*FINISHED, HALTED}
        state = folded(book, row.id)
        return carried and not (state.walking or state.stuck)
    return row.ended is not None and row.ended.exit_code in FINISHED and not asked


def folded(book: Journal, run: str) -> State:
    """Where every host stands, requests that nobody has read yet included."""
    while True:
        graph = book.graph(run)
        try:
            found, hosts, tail = book.load(run, graph)
        except Amended:
            continue  # between two reads
        state = State(graph, found, hosts)
        for event in tail:
            apply(state, event)
        return state


def lesson(book: Journal, plan: str) -> Lesson:
    """What the newest run of the plan taught about how long things take; nothing, if there is none."""
    row = newest(book, plan)
    if row is None:
        return Lesson()
    state = folded(book, row.id)
    chains = {
        name: sum(host.spent.values())
        for name, host in state.hosts.items()
        if host.status is Status.VERIFIED and host.spent
    }
    return Lesson(state.learned.of_earlier_runs(), chains)


def in_flight(book: Journal, run: str, host: str) -> Event | None:
    """The intent of the step that is in flight on a host."""
    found = None
    for event in book.events(run, host=host):
        if event.kind is Kind.INTENDED:
            found = event
        elif event.kind in {Kind.DONE, Kind.FAILED, Kind.VOID, Kind.STRANDED}:
            found = None
    return found


def _under_way(book: Journal, run: str) -> list[Running]:
    """What runs on the hosts that have been under way for longest: a step that never ends is soon among them."""
    hosts = sorted(book.hosts(run, Status.RUNNING), key=lambda host: host.since)[:RUNNING_SHOWN]
    intents = [intent for host in hosts if (intent := in_flight(book, run, host.name)) is not None]
    return [Running(intent.host or "", intent.step or "", intent.at) for intent in intents]


def newest(book: Journal, plan: str | None, run: str | None = None) -> RunRow | None:
    """The newest run of a plan; or the run of that name, which must be one of that plan. None if there is none."""
    for row in book.runs():
        if run in {None, row.id} and plan in {None, row.plan}:
            return row
        if run == row.id:
            raise UsageError(f"run {run!r} is of plan {row.plan!r}, not of {plan!r}")
    return None


def of_plan(book: Journal, plan: Plan, run: str | None) -> RunRow:
    """As `newest`. Raises JournalError if there is none."""
    row = newest(book, plan.name, run)
    if row is None:
        raise JournalError(
            f"the journal has no run of plan {plan.name!r}: `rollout apply {plan.file}` begins one"
        )
    return row


def standing(book: Journal, row: RunRow, *, whole: bool = False) -> Standing:
    """What `status` shows. Cheap at any fleet size: rows are counted by the journal.

    `whole`, or a small fleet: when it is expected to end, and what held hosts block, is worked out from every host.
    """
    state = book.state(row.id)
    counts = book.summary(row.id)
    is_small = sum(counts.values()) <= SMALL and any(status in UNFINISHED for _, _, status in counts)
    everything = folded(book, row.id) if whole or is_small else None
    holder = None
    if row.owner is not None:
        who = f"{row.owner.user} on {row.owner.machine} (pid {row.owner.pid})"
        holder = Holder(who, row.taken_at, row.renewed_at, str(life(row)))
    held = _held(book, row.id, everything)
    return Standing(
        run=row.id,
        plan=row.plan,
        digest=row.digest,
        plan_file=row.plan_file,
        created_at=row.created_at,
        created_by=row.created_by,
        now=time.time(),
        holder=holder,
        ended=(row.ended.exit_code, row.ended.because, row.ended.at) if row.ended else None,
        paused=state.paused,
        aborted=state.aborted,
        tripped=state.tripped,
        counts=counts,
        held=sorted(held, key=lambda host: host.since),
        asked=unread(book, row.id),
        running=sorted(_under_way(book, row.id), key=lambda step: step.since),
        paused_at=state.paused_at,
        eta=_eta(everything) if everything is not None else None,
        gates=tuple(state.standing.values()),
        waived=waived(book, row.id),
    )


def _eta(state: State) -> "Eta":
    from rollout.report.eta import estimate

    return estimate(state.graph, state, time.time())


def _held(book: Journal, run: str, state: State | None) -> list[Held]:
    """With the places that they keep, and (`state`) who waits for those."""
    places: dict[str, list[str]] = {}
    rows = book.hosts(run, Status.HELD)
    for slot, names in (book.slots(run) if rows else {}).items():
        for name in names:
            places.setdefault(name, []).append(slot)
    held = []
    for host in rows:
        slots = tuple(places.get(host.name, ()))
        full, waiting = _blocked(state, slots) if state is not None else ((), 0)
        held.append(Held(host.name, host.step, host.since, host.because, slots, full, waiting))
    return held


def _blocked(state: State, slots: tuple[str, ...]) -> tuple[tuple[str, ...], int]:
    """Which of the slots held hosts fill, and how many hosts wait for them."""
    full = tuple(slot for slot in slots if state.dead[slot] >= state.graph.caps[slot])
    waiting = sum(
        host.status in {Status.WAITING, Status.RUNNING}
        and not host.slot
        and not set(full).isdisjoint(state.graph.nodes[host.name].slots)
        for host in state.hosts.values()
    )
    return full, waiting if full else 0
