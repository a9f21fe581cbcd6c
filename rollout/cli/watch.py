"""`rollout watch`."""

import json
import time

import click

from rollout.cli import _options, _runs, _screen
from rollout.cli._screen import Screen
from rollout.errors import HALTED
from rollout.journal import Ended, Journal, RunRow
from rollout.model.decision import Stop
from rollout.model.event import Kind
from rollout.model.fold import apply
from rollout.model.graph import Graph
from rollout.model.state import State
from rollout.report import ending
from rollout.report.plain import plain

POLL = 0.5
"""Seconds between two looks at the journal."""

GRACE = 15.0
"""Seconds after the death of a controller within which another one, that stands by, takes over."""


@click.command()
@_options.journal
@_options.run
@_options.as_json
@_options.verbose
def command(journal: str | None, run: str | None, as_json: bool, verbose: bool) -> int:
    """Watch a run from anywhere, until it ends.

    A live picture on a terminal, a line for each event elsewhere, from the journal alone: nothing is changed. Ends with the exit code
    of the controller that holds the run; with 3 when that has died and no other takes over.
    """
    with _runs.existing(journal) as book:
        row = book.run(run)
        graph = book.graph(row.id)
        state = _state(book, row, graph)
        if not as_json:
            click.echo(f"run {plain(row.id)}:")
            for line in ending.combos(graph, state):
                click.echo(f"  {line}")
        ended = None
        while ended is None:
            with _screen.screen(row.id, graph, as_json=as_json, verbose=verbose, log=None) as screen:
                ended = _follow(book, row.id, state, screen)
            if ended is None:
                graph = book.graph(row.id)
                state = _state(book, row, graph)
    if as_json:
        click.echo(json.dumps({"type": "ended", "exit_code": ended.exit_code, "because": ended.because}))
    else:
        stop = Stop(ended.exit_code, ended.because)
        click.echo()
        click.echo(ending.text(row.id, graph, state, stop, _runs.options(_runs.where(journal))), nl=False)
    return ended.exit_code


def _state(book: Journal, row: RunRow, graph: Graph) -> State:
    """As its controller has folded it; what people have asked since is shown as it is read."""
    found, hosts, _ = book.load(row.id, graph)
    return State(graph, found, hosts)


def _follow(book: Journal, run: str, state: State, screen: Screen) -> Ended | None:
    """Show what happens, until nobody holds the run any more; None: from here on it goes on with another graph."""
    dead_since: float | None = None
    while True:
        row = book.run(run)
        for event in book.events(run, after=state.run.seq):
            if event.kind is Kind.AMENDED:
                screen.tell(event, state)
                return None
            apply(state, event)
            screen.tell(event, state)
        if row.owner is None and row.ended is not None:
            return row.ended
        now = time.monotonic()
        is_dead = _runs.life(row) in {"dead", "lapsed"}
        dead_since = (dead_since or now) if is_dead else None
        if dead_since is not None and now - dead_since >= GRACE:
            return Ended(HALTED, f"interrupted: {row.owner}, which held it, has died", row.renewed_at)
        screen.tick(time.time())
        time.sleep(POLL)
