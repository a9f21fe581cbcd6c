"""Options that several commands share."""

from pathlib import Path

import click

journal = click.option(
    "--journal",
    type=click.Path(path_type=Path, dir_okay=False),
    envvar="ROLLOUT_JOURNAL",
    help="The record of the runs (or ROLLOUT_JOURNAL).  [default: .rollout/journal.sqlite3]",
)
run = click.option("--run", metavar="NAME", help="A run of the journal.  [default: the newest]")
as_json = click.option("--json", "as_json", is_flag=True, help="JSON lines.")
reason = click.option("--reason", required=True, help="Why; it is kept in the journal.")
plan = click.argument("plan", type=click.Path(path_type=Path))
verbose = click.option("-v", "--verbose", is_flag=True, help="A line for each event, on a terminal too.")
log = click.option(
    "--log",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Append each event to this file, as JSON lines.",
)
