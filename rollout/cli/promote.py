"""`rollout promote`."""

import click

from rollout.cli import _options, _requests, _runs
from rollout.errors import UsageError
from rollout.journal import RunRow
from rollout.model.event import Event, Kind
from rollout.model.people import named, soaks
from rollout.model.state import State, Status
from rollout.report.plain import counted, listed, plain, spoken


@click.command()
@click.argument("what", metavar="[WAVE|HOST]", required=False)
@_options.reason
@_options.journal
@_options.run
def command(what: str | None, reason: str, journal: str | None, run: str | None) -> None:
    """End the soak now: ask the gates at once.

    Of the hosts of a wave, of one host, or of all that soak at this moment. Whoever passes is verified. What a longer soak would have
    shown is given up; hosts that begin to soak later soak as planned.
    """
    because = _requests.because(reason)
    with _runs.existing(journal) as book:
        row = _requests.unfinished(book, run)
        state = _runs.folded(book, row.id)
        event = _event(row, state, what, because)
        names = [name for name in named(state, event) if soaks(state.hosts[name], row.read_at)]
        if not names:
            who = "no host of the run soaks" if what is None else f"{plain(what)} does not soak"
            raise UsageError(f"{who} now: {_instead(state, event)}")
        book.request(row.id, event)
        left = max(state.hosts[name].not_before for name in names) - row.read_at
        lost = (
            f"up to {spoken(left)} of soak are given up: a defect that shows only then will meet more hosts"
        )
        click.echo(
            f"{counted(len(names), 'host')} ({listed(names, 5)}): promote asked: the gates are asked at once; {lost}."
        )
        click.echo(_requests.when(row, _runs.options(_runs.where(journal))))


def _event(row: RunRow, state: State, what: str | None, because: str) -> Event:
    """Raises UsageError for what is neither a wave nor a host of the run."""
    if what is None:
        return Event(Kind.PROMOTED, because)
    if what in state.graph.waves:
        return Event(Kind.PROMOTED, because, data={"wave": what})
    if what in state.hosts:
        return Event(Kind.PROMOTED, because, what)
    from difflib import get_close_matches

    close = get_close_matches(what, [*state.graph.waves, *state.hosts], 1)
    hint = f"; did you mean {plain(close[0])!r}?" if close else ""
    raise UsageError(f"run {row.id} has no wave and no host {plain(what)!r}{hint}")


def _instead(state: State, event: Event) -> str:
    hosts = [state.hosts[name] for name in named(state, event)]
    if any(host.promoted and host.status is Status.SOAKING for host in hosts):
        return "its soak was ended already"
    if any(host.status is Status.SOAKING for host in hosts):
        return "its soak is over, and its gates are asked as soon as a controller looks"
    counts = [(sum(host.status is status for host in hosts), status) for status in Status]
    return ", ".join(f"{count} {status}" for count, status in counts if count)
