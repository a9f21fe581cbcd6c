"""`rollout retire`."""

import click

from rollout.cli import _options, _requests, _runs
from rollout.errors import UsageError
from rollout.journal import HostRow, Journal, RunRow
from rollout.model.event import Event, Kind
from rollout.model.state import Status
from rollout.report.plain import plain

OVER = {Status.VERIFIED, Status.RETIRED, Status.GONE, Status.EXCLUDED}


@click.command()
@click.argument("host")
@_options.reason
@_options.journal
@_options.run
def command(host: str, reason: str, journal: str | None, run: str | None) -> None:
    """Take a host out of the run.

    It frees its slot and is not touched again by this run. A failure still counts.
    """
    then = "retire asked: it leaves the run and frees its slot; look after it by hand"
    _requests.of_host(journal, run, host, Event(Kind.RETIRED, reason), _may_leave, then)


def _may_leave(book: Journal, run: RunRow, host: HostRow) -> None:
    if host.status in OVER:
        raise UsageError(
            f"{plain(host.name)} cannot be retired: it is {host.status} already{_requests.asked_already(book, run, host.name)}"
        )
    if host.status is Status.RUNNING and _runs.folded(book, run.id).hosts[host.name].open:
        raise UsageError(
            f"{plain(host.name)} cannot be retired now: its step {host.step} is running; wait for its end, or pause the run"
        )
