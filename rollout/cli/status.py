"""`rollout status`."""

import click

from rollout.cli import _options, _runs
from rollout.report import standing


@click.command()
@click.option(
    "--eta",
    "whole",
    is_flag=True,
    help="In a large fleet too: when it is expected to end, and what held hosts block. Looks at every host.",
)
@_options.journal
@_options.run
@_options.as_json
def command(whole: bool, journal: str | None, run: str | None, as_json: bool) -> None:
    """Show where the run stands.

    Who holds it or how it ended, its hosts by wave, when it is expected to end, for how long what waits for a person has waited,
    and what he must do. Needs the journal alone.
    """
    with _runs.existing(journal) as book:
        found = _runs.standing(book, book.run(run), whole=whole)
    if as_json:
        click.echo(standing.as_json(found))
    else:
        click.echo(standing.text(found, _runs.options(_runs.where(journal))), nl=False)
