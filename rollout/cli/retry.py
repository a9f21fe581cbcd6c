"""`rollout retry`."""

import click

from rollout.cli import _options, _requests, _runs
from rollout.journal import HostRow, Journal, RunRow
from rollout.model.event import Event, Kind
from rollout.model.state import Status


@click.command()
@click.argument("host")
@_options.reason
@_options.journal
@_options.run
def command(host: str, reason: str, journal: str | None, run: str | None) -> None:
    """Let a held host try again.

    It goes on with the step that failed, and no longer counts as a failure until it fails again.
    Of a host that failed and has healed since, only the last is true. One that was rolled back begins anew;
    one that was left out (`skip`) waits for its wave again.
    """
    then = "retry asked: it goes on after the last step that it finished (from the beginning, if it was rolled back or left out), and no longer counts as a failure"
    _requests.of_host(journal, run, host, Event(Kind.RETRIED, reason), _counts_as_failed, then)


def _counts_as_failed(book: Journal, run: RunRow, host: HostRow) -> None:
    healed = host.status in {Status.RUNNING, Status.SOAKING, Status.VERIFIED}
    if host.status not in {Status.ROLLED_BACK, Status.EXCLUDED} and not (
        healed and _runs.folded(book, run.id).hosts[host.name].harmed
    ):
        _requests.must_be_held(book, run, host)
