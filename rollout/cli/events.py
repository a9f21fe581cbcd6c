"""`rollout events`."""

import os
import sys
import time
from collections.abc import Iterator

import click

from rollout.cli import _hosts, _options, _runs
from rollout.journal import Journal
from rollout.model.event import Event, Kind
from rollout.report import answers, events

POLL = 1.0


@click.command()
@click.option("--host", help="Only of this host.")
@click.option("--follow", is_flag=True, help="Go on with what happens from now on, until Ctrl-C.")
@click.option("-v", "--verbose", is_flag=True, help="Also what gates saw: numbers, query, window, link.")
@_options.journal
@_options.run
@_options.as_json
def command(
    host: str | None, follow: bool, verbose: bool, journal: str | None, run: str | None, as_json: bool
) -> None:
    """List what has happened.

    One line for each event: when, which host, what, and why. Times are UTC.
    """
    with _runs.existing(journal) as book:
        name = book.run(run).id
        if host is not None:
            _hosts.row(book, name, host)
        for event in _followed(book, name, host) if follow else book.events(name, host=host):
            click.echo(events.as_json(event) if as_json else events.line(event))
            if verbose and not as_json and event.kind is Kind.ANSWERED:
                _echo_seen(event)


def _echo_seen(event: Event) -> None:
    drawn = answers.can_draw(sys.stdout.encoding, os.environ)
    for line in answers.lines(event.data.get("samples", {}), str(event.data.get("link", "")), drawn=drawn):
        click.echo(f"             {line}")


def _followed(book: Journal, run: str, host: str | None) -> Iterator[Event]:
    seen = 0
    while True:
        for event in book.events(run, after=seen, host=host):
            seen = event.seq
            yield event
        time.sleep(POLL)
