"""`rollout abort`."""

import click

from rollout.cli import _options, _requests
from rollout.model.event import Kind


@click.command()
@_options.reason
@_options.journal
@_options.run
def command(reason: str, journal: str | None, run: str | None) -> None:
    """End the run; what has begun finishes its step.

    Hosts that hold a slot finish their chain. An aborted run is never carried on; `apply` begins a new one.
    """
    then = "abort asked: hosts that hold a slot finish, nothing else begins, and the run is never carried on"
    _requests.of_run(journal, run, Kind.ABORTED, reason, then)
