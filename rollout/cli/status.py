"""`rollout status`."""

import click

from rollout.cli import _options, _runs
from rollout.report import standing


@click.command()
@_options.journal
@_options.run
@_options.as_json
def command(journal: str | None, run: str | None, as_json: bool) -> None:
    """Show where the run stands.

    Who holds it or how it ended, its hosts by wave, and what a person must do. Needs the journal alone.
    """
    with _runs.existing(journal) as book:
        found = _runs.standing(book, book.run(run))
    if as_json:
        click.echo(standing.as_json(found))
    else:
        click.echo(standing.text(found, _runs.options(_runs.where(journal))), nl=False)
