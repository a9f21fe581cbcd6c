"""`rollout abort`."""

import click

from rollout.cli import _options, _requests
from rollout.model.event import Kind


@click.command()
@_options.reason
@_options.journal
@_options.run
def command(reason: str, journal: str | None, run: str | None) -> None:
    """End the run; what has begun comes to a safe point.

    Hosts that were not upgraded or rebooted yet are given back: what their steps left open is undone. The others finish their
    chain. An aborted run is never carried on; `apply` begins a new one.
    """
    then = "abort asked: hosts that were not changed yet are given back, the others finish, and nothing else begins"
    _requests.of_run(journal, run, Kind.ABORTED, reason, then)
