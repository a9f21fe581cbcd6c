"""`rollout rollback`."""

import click

from rollout.cli import _hosts, _options, _requests, _runs
from rollout.errors import UsageError
from rollout.journal import Journal, RunRow
from rollout.model.event import Event, Kind
from rollout.model.ledger import irreversible
from rollout.model.state import State, Status
from rollout.report.plain import listed, plain

OVER = {Status.RETIRED, Status.GONE, Status.ROLLED_BACK}


@click.command()
@click.option("--host", "hosts", multiple=True, metavar="HOST", help="A host; may be given several times.")
@click.option("--wave", metavar="WAVE", help="Every host of that wave that has begun, such as r650/2.")
@_options.reason
@_options.journal
@_options.run
def command(
    hosts: tuple[str, ...], wave: str | None, reason: str, journal: str | None, run: str | None
) -> None:
    """Take back what was done to hosts.

    What their steps left open is undone, the last first; a step in flight ends before. Never under guests.
    """
    if bool(hosts) == (wave is not None):
        raise UsageError("rollback wants either --host (once or several times) or --wave")
    because = _requests.because(reason)
    with _runs.existing(journal) as book:
        row = book.run(run)
        state = _runs.folded(book, row.id)
        names = dict.fromkeys(_of_wave(state, wave) if wave is not None else hosts)
        ways = {name: _way(book, row, state, name) for name in names}
        for name in ways:
            book.request(row.id, Event(Kind.ROLLBACK, because, name))
        for name, undone in ways.items():
            what = (
                f"{', '.join(undone)} {'is' if len(undone) == 1 else 'are'} undone"
                if undone
                else "nothing is open"
            )
            click.echo(f"{plain(name)}: rollback asked: {what}")
        click.echo(_requests.when(row, _runs.options(_runs.where(journal))))


def _of_wave(state: State, wave: str) -> list[str]:
    """Those that have begun. Raises UsageError for an unknown wave, and for one in which nothing has begun."""
    known = state.graph.waves
    if wave not in known:
        from difflib import get_close_matches

        close = get_close_matches(wave, known, 1)
        hint = f"; did you mean {close[0]}?" if close else f": it has {listed(list(known), 10)}"
        raise UsageError(f"there is no wave {plain(wave)!r} in this run{hint}")
    begun = [
        name
        for name in known[wave].hosts
        if state.hosts[name].attempt and state.hosts[name].status not in OVER
    ]
    if not begun:
        raise UsageError(f"no host of {wave} has begun: there is nothing to take back")
    return begun


def _way(book: Journal, row: RunRow, state: State, name: str) -> list[str]:
    """The steps that will be undone, in that order. Raises UsageError for a host that cannot walk back."""
    _hosts.row(book, row.id, name)
    host, combo = state.hosts[name], state.combo_of(name)
    if host.status in OVER:
        raise UsageError(f"{plain(name)} cannot be rolled back: it is {host.status}")
    if not host.attempt:
        raise UsageError(f"{plain(name)} has not begun: there is nothing to take back")
    if host.uncertain:
        raise UsageError(
            f"{plain(name)}: what {host.step} did is not known; say so first with `rollout resolve`"
        )
    if host.back is not None:
        hint = "; it is held on its way: `rollout retry` lets it go on" if host.status is Status.HELD else ""
        raise UsageError(f"{plain(name)} walks back already: {plain(host.back)}{hint}")
    final = irreversible(combo, host)
    if final is not None:
        raise UsageError(
            f"{plain(name)} cannot be rolled back: {final} has begun, names no undo, and no snapshot is kept from before it; nothing was asked"
        )
    reopened = [closed for effect in host.effects for closed in _closed_by(state, name, effect)]
    undone = {*host.effects, *reopened}
    return [step.name for step in reversed(combo.chain) if step.name in undone]


def _closed_by(state: State, name: str, effect: str) -> tuple[str, ...]:
    step = state.combo_of(name).step(effect)
    return step.closes if step is not None else ()
