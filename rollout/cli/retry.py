"""`rollout retry`."""

from pathlib import Path

import click

from rollout.cli import _options, _requests
from rollout.model.event import Event, Kind


@click.command()
@click.argument("host")
@_options.reason
@_options.journal
@_options.run
def command(host: str, reason: str, journal: Path | None, run: str | None) -> None:
    """Let a held host try again.

    It goes on with the step that failed, and no longer counts as a failure until it fails again.
    """
    then = "retry asked: it goes on after the last step that it finished, and no longer counts as a failure"
    _requests.of_host(journal, run, host, Event(Kind.RETRIED, reason), _requests.must_be_held, then)
