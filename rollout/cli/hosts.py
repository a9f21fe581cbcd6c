"""`rollout hosts`."""

import json

import click

from rollout.cli import _hosts, _options, _runs
from rollout.model.state import Status
from rollout.report.plain import plain, stamp, table


@click.command()
@click.option(
    "--status", type=click.Choice([str(status) for status in Status]), help="Only hosts of this status."
)
@_options.journal
@_options.run
@_options.as_json
def command(status: str | None, journal: str | None, run: str | None, as_json: bool) -> None:
    """List the hosts of the run.

    Their wave, status, step, since when and why; requests that no controller has read yet count as read.
    """
    with _runs.existing(journal) as book:
        rows = _hosts.rows(book, book.run(run).id, Status(status) if status else None)
    if as_json:
        for row in rows:
            click.echo(json.dumps(row._asdict()))
        return
    lines = [
        [
            plain(row.name),
            row.wave,
            str(row.status),
            row.step or "-",
            stamp(row.since) if row.since else "-",
            plain(row.because),
        ]
        for row in rows
    ]
    head = ["host", "wave", "status", "step", "since", "because"]
    click.echo("\n".join(table([head, *lines], "")) if lines else "no host")
