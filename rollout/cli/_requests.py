"""What a person asks of a run: an event of its own kind, who asked and why in its words."""

from collections.abc import Callable

import click

from rollout.cli import _hosts, _runs
from rollout.errors import UsageError
from rollout.journal import HostRow, Journal, RunRow
from rollout.model.event import Event, Kind
from rollout.model.state import Status
from rollout.model.suspicion import BY_COMMON_CAUSE, BY_CONTROLLER, BY_PATH
from rollout.report.events import what
from rollout.report.plain import plain


def of_run(journal: str | None, run: str | None, kind: Kind, reason: str, then: str) -> None:
    """Append a request about the run; `then` says what comes of it once a controller has read it."""
    with _runs.existing(journal) as book:
        row = unfinished(book, run)
        book.request(row.id, Event(kind, because(reason)))
        click.echo(f"run {plain(row.id)}: {then}. {when(row, _runs.options(_runs.where(journal)))}")


def unfinished(book: Journal, run: str | None) -> RunRow:
    """The run, if something can still be asked of it. Raises UsageError for one that is over."""
    row = book.run(run)
    aborted = _runs.aborted(book, row.id)
    if aborted:
        raise UsageError(f"run {row.id} was aborted already: {aborted}")
    if _runs.is_finished(book, row):
        raise UsageError(f"run {row.id} is over: {row.ended.because if row.ended else ''}")
    return row


def of_host(
    journal: str | None,
    run: str | None,
    host: str,
    event: Event,
    check: Callable[[Journal, RunRow, HostRow], str | None],
    then: str,
) -> None:
    """Append a request about a host, once `check` has found that it fits; the event holds the bare reason.

    What `check` gives is said too: what else comes of it.
    """
    with _runs.existing(journal) as book:
        row = book.run(run)
        found = _hosts.row(book, row.id, host)
        _refuse_if_left(book, row, found)
        more = check(book, row, found)
        book.request(row.id, Event(event.kind, because(event.because), host, data=event.data))
        said = f"{then}; {more}" if more else then
        click.echo(f"{plain(host)}: {said}. {when(row, _runs.options(_runs.where(journal)))}")


def _refuse_if_left(book: Journal, run: RunRow, host: HostRow) -> None:
    """Raises UsageError for a host that an amendment has taken out of the run: nothing brings it back."""
    out = host.status in {Status.EXCLUDED, Status.GONE}
    if out and host.name not in book.graph(run.id).nodes:
        raise UsageError(
            f"{plain(host.name)} is {host.status}, for the run was amended: {plain(host.because)}; a new run takes it, once the plan does"
        )


_STANDSTILLS = {
    "gate": "; the run is paused because a gate could not find out: `rollout resume` asks it again",
    BY_PATH: "; the run is paused because a path is suspected, and no host is blamed for it: `rollout resume` goes on",
    BY_COMMON_CAUSE: "; the run is paused because hosts that share nothing failed: once that is mended, `rollout resume` goes on",
    BY_CONTROLLER: "; the run is paused because of the controller's own machine: once that is mended, `rollout resume` goes on",
}


def must_be_held(book: Journal, run: RunRow, host: HostRow) -> None:
    """Raises UsageError for a host that is not held."""
    if host.status is not Status.HELD:
        gate = _STANDSTILLS.get(book.state(run.id).paused_by, "")
        raise UsageError(
            f"{plain(host.name)} is not held: it is {host.status}{_in(host)}; only a held host can be released{gate}"
            f"{asked_already(book, run, host.name)}"
        )


def asked_already(book: Journal, run: RunRow, host: str) -> str:
    """What people have asked of the host and no controller has read yet: that may be why it is what it is."""
    asked = [
        f"{what(event)}: {plain(event.because)}" for event in _runs.unread(book, run.id) if event.host == host
    ]
    return f"; asked before, and not read by a controller yet: {', '.join(asked)}" if asked else ""


def _in(host: HostRow) -> str:
    return f" in step {host.step}" if host.step else f" ({plain(host.because)})" if host.because else ""


def because(reason: str) -> str:
    """A reason with who gave it. Raises UsageError for one that says nothing."""
    if not reason.strip():
        raise UsageError("--reason must say something: it is all that the next reader has")
    return f"{reason.strip()} ({_runs.me()})"


def when(row: RunRow, options: str) -> str:
    """Who reads a request, and when."""
    life = _runs.life(row)
    if life == "alive":
        return "The controller that holds the run reads it within a second or two."
    if life == "unknown":
        return "A controller holds the run, and reads it if it lives."
    return f"No controller holds the run: `rollout resume{options}` carries it on."
