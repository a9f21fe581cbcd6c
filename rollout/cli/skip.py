"""`rollout skip`."""

import click

from rollout.cli import _options, _requests, _runs
from rollout.errors import UsageError
from rollout.journal import HostRow, Journal, RunRow
from rollout.model.event import Event, Kind
from rollout.model.state import OUT, State, Status
from rollout.report.plain import plain


@click.command()
@click.argument("host")
@_options.reason
@_options.journal
@_options.run
def command(host: str, reason: str, journal: str | None, run: str | None) -> None:
    """Leave out a host that has not begun.

    It is not touched by this run, takes no place in the limits and proves nothing. `rollout retry HOST` puts it back.
    """
    then = "skip asked: it is left out of this run, untouched; `rollout retry` puts it back"
    _requests.of_host(journal, run, host, Event(Kind.SKIPPED, reason), _may_be_left_out, then)


def _may_be_left_out(book: Journal, run: RunRow, host: HostRow) -> str | None:
    if host.status is Status.WAITING and not host.attempt:
        return _unproven(_runs.folded(book, run.id), host)
    name, asked = plain(host.name), _requests.asked_already(book, run, host.name)
    if host.status is Status.EXCLUDED:
        raise UsageError(f"{name} is left out already: {plain(host.because)}{asked}")
    if host.status is Status.HELD:
        hint = "`rollout retire` takes it out of the run, `rollout retry` lets it go on"
    elif host.status is Status.WAITING:
        hint = "it has begun before, and waits to begin anew: `rollout retire` takes it out of the run"
    elif host.status in {Status.RUNNING, Status.SOAKING}:
        hint = "`rollout retire` takes it out of the run, `rollout rollback` undoes what was done to it"
    else:
        hint = "there is nothing to leave out"
    raise UsageError(
        f"{name} cannot be left out: it is {host.status}; only a host that has not begun can; {hint}{asked}"
    )


def _unproven(state: State, host: HostRow) -> str | None:
    """What a person should know who leaves out the last canary of a wave: zero samples never pass."""
    wave = state.graph.waves[host.wave]
    left = [name for name in wave.hosts if name != host.name and state.hosts[name].status not in OUT]
    if not wave.canary or left:
        return None
    return (
        f"no canary is left in {wave.id}, and without one that is verified nothing that waits for it begins"
    )
