"""`rollout why`."""

import json

import click

from rollout.cli import _hosts, _options, _runs
from rollout.journal import AnswerRow, Journal
from rollout.model.event import Event
from rollout.model.fold import apply
from rollout.model.graph import Graph
from rollout.model.state import State
from rollout.report import events
from rollout.report.plain import clock, plain
from rollout.scheduler.why import explain

LAST = 10
"""Events and answers shown."""


@click.command()
@click.argument("host")
@_options.journal
@_options.run
@_options.as_json
def command(host: str, journal: str | None, run: str | None, as_json: bool) -> None:
    """Say where a host is, and what it waits for.

    One sentence, then its last events and what gates answered about it.
    """
    with _runs.existing(journal) as book:
        name = book.run(run).id
        graph = book.graph(name)
        if all(host != untouched.host for untouched in graph.untouched):
            _hosts.row(book, name, host)
        because = explain(graph, _state(book, name, graph), host)
        happened = list(book.events(name, host=host))[-LAST:]
        answers = book.answers(name, host)[-LAST:]
    if as_json:
        click.echo(json.dumps({"type": "why", "host": host, "because": because}))
        for event in happened:
            click.echo(events.as_json(event))
        for answer in answers:
            click.echo(json.dumps({"type": "answer", **answer._asdict()}))
        return
    click.echo(plain(because, 2000))
    _show(happened, answers)


def _state(book: Journal, run: str, graph: Graph) -> State:
    found, hosts, tail = book.load(run, graph)
    state = State(graph, found, hosts)
    for event in tail:
        apply(state, event)
    return state


def _show(happened: list[Event], answers: list[AnswerRow]) -> None:
    if happened:
        click.echo("\nlast events")
    for event in happened:
        because = f": {plain(event.because)}" if event.because else ""
        click.echo(f"  {clock(event.at)}  {events.what(event)}{because}")
    if answers:
        click.echo("\ngates")
    for answer in answers:
        samples = plain(json.dumps(dict(answer.samples)), 200)
        click.echo(
            f"  {clock(answer.at)}  {answer.gate} {answer.moment}: {answer.value}, {plain(answer.because)} {samples}"
        )
