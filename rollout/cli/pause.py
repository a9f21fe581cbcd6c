"""`rollout pause`."""

import click

from rollout.cli import _options, _requests
from rollout.model.event import Kind


@click.command()
@_options.reason
@_options.journal
@_options.run
def command(reason: str, journal: str | None, run: str | None) -> None:
    """Begin nothing more until `resume`.

    Hosts that hold a slot finish their chain; then the controller ends with exit code 8.
    """
    then = "pause asked: hosts that hold a slot finish, nothing else begins, and `rollout resume` goes on"
    _requests.of_run(journal, run, Kind.PAUSED, reason, then)
