"""`rollout resolve`."""

import click

from rollout.cli import _options, _requests
from rollout.model.event import Event, Kind

THEN = {
    "done": "resolved as done: `verify` and its gates are run again, and it still counts as a failure",
    "retry": "retry asked: it goes on after the last step that it finished, and no longer counts as a failure",
    "failed": "resolved as failed: it stays held, its outcome is no longer in doubt, and it keeps its slot",
}


@click.command()
@click.argument("host")
@click.option("--as", "word", type=click.Choice(list(THEN)), required=True, help="What became of it.")
@_options.reason
@_options.journal
@_options.run
def command(host: str, word: str, reason: str, journal: str | None, run: str | None) -> None:
    """Say what became of a held host.

    done: its step has done its work, prove it again. retry: it has not, run it again. failed: it has failed.
    """
    event = (
        Event(Kind.RETRIED, reason) if word == "retry" else Event(Kind.RESOLVED, reason, data={"as": word})
    )
    _requests.of_host(journal, run, host, event, _requests.must_be_held, THEN[word])
