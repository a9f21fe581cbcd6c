"""`rollout unlock`."""

import click

from rollout.cli import _options, _requests, _runs
from rollout.errors import HALTED, Behind, UsageError
from rollout.journal import Journal, Lease, Owner
from rollout.model.event import Event, Kind
from rollout.report.plain import plain


@click.command()
@_options.reason
@_options.journal
@_options.run
def command(reason: str, journal: str | None, run: str | None) -> None:
    """Take a run from a controller that is dead and cannot be seen.

    You have made sure that it is dead. If it is not, its next write is refused, and it begins nothing more. One that is seen to
    live on this machine keeps the run.
    """
    because = f"unlocked: {_requests.because(reason)}"
    with _runs.existing(journal) as book:
        row = book.run(run)
        if row.owner is None:
            raise UsageError(f"nobody holds run {row.id}")
        lease = book.claim(row.id, Owner.current(), force=True)
        _note(book, lease, because)
        book.release(lease, HALTED, because)
        then = f"taken from {plain(str(row.owner))}; `rollout resume{_runs.options(_runs.where(journal))}` carries it on"
        click.echo(f"run {plain(row.id)}: {then}")


def _note(book: Journal, lease: Lease, because: str) -> None:
    """Who did it and why stays in the record when the run goes on."""
    event = Event(Kind.TAKEN_UP, because, data={"fence": lease.fence, "owner": str(lease.owner)})
    while True:
        try:
            with book.writing(lease, book.run(lease.run).seq) as writing:
                writing.append(event)
        except Behind:  # somebody asked for something in this very moment
            continue
        return
