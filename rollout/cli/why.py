"""`rollout why`."""

import json
import os
import sys
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from rollout.cli import _hosts, _options, _runs
from rollout.journal import Journal, RunRow
from rollout.model.event import Event, Kind
from rollout.model.plan import DURING
from rollout.model.progress import UNFINISHED
from rollout.model.question import about_of, during, key
from rollout.model.state import State
from rollout.report import answers, events
from rollout.report.eta import estimate
from rollout.report.plain import clock, plain, spoken, stamp
from rollout.scheduler.why import explain

if TYPE_CHECKING:
    from rollout.executors.heard import Heard

LAST = 10
"""Events and answers shown."""

FLEET_SHOWN = 50
"""Answers about the fleet that are shown."""


@click.command()
@click.argument("host", required=False)
@_options.journal
@_options.run
@_options.as_json
def command(host: str | None, journal: str | None, run: str | None, as_json: bool) -> None:
    """Say where a host is, and what it waits for.

    One sentence, then its last events, and what gates answered about it and about the fleet, with what they saw. Without a host: what
    gates about the fleet said last.
    """
    with _runs.existing(journal) as book:
        row = book.run(run)
        name = row.id
        if host is None:
            _of_fleet(book, row, as_json=as_json)
            return
        graph = book.graph(name)
        if all(host != untouched.host for untouched in graph.untouched):
            _hosts.row(book, name, host)
        state = _runs.folded(book, name)
        because = explain(graph, state, host, row.read_at)
        expected = _expected(state, host, row.read_at)
        events_of_host = list(book.events(name, host=host))
        happened = events_of_host[-LAST:]
        answered = [event for event in events_of_host if event.kind is Kind.ANSWERED][-LAST:]
        answered += _about(book, name, state, host)
        intent = _runs.in_flight(book, name, host)
    heard = _heard(_runs.units(_runs.where(journal), Path(row.plan_file)), name, intent) if intent else None
    if as_json:
        click.echo(json.dumps({"type": "why", "host": host, "because": because} | _as_json(expected)))
        if intent:
            running = {"type": "running", "host": host, "step": intent.step, "since": intent.at}
            click.echo(json.dumps(running | ({"heard": heard.line, "heard_at": heard.at} if heard else {})))
        for event in happened:
            click.echo(events.as_json(event))
        for event in answered:
            click.echo(json.dumps(answers.as_json(event)))
        return
    click.echo(plain(because, 2000))
    if expected is not None:
        usual, late = (stamp(end) for end in expected)
        between = f"at {usual}" if usual == late else f"between {usual} and {late} (p50..p90)"
        click.echo(f"its wave is expected to end {between}, if nothing else fails")
    if intent:
        last = f"; last heard {clock(heard.at)}: {plain(heard.line)}" if heard else ""
        click.echo(f"{intent.step} runs since {clock(intent.at)} ({spoken(row.read_at - intent.at)}){last}")
    _show(happened, answered)


def _about(book: Journal, run: str, state: State, host: str) -> list[Event]:
    """What gates about the fleet answered last about the hosts that this one is among."""
    node = state.graph.nodes.get(host)
    if node is None:
        return []
    mine = {
        question.key for question in during(state.graph) if about_of(question.rule, node) == question.about
    }
    mine |= {key(last.moment, last.gate, node.wave) for last in state.run.standing.values()}
    mine |= {key(last.moment, last.gate, "") for last in state.run.standing.values() if last.moment != DURING}
    found = [last.seq for name, last in state.run.standing.items() if name in mine and last.seq]
    return _written(book, run, sorted(found))


def _written(book: Journal, run: str, numbers: Iterable[int]) -> list[Event]:
    """The events of those numbers."""
    found = (next(book.events(run, after=number - 1), None) for number in numbers)
    return [event for event in found if event is not None]


def _of_fleet(book: Journal, row: RunRow, *, as_json: bool) -> None:
    """What gates about the fleet said last, with what they saw; waived ones, too."""
    state = book.state(row.id)
    waived = _runs.waived(book, row.id)
    last = answers.in_order(state.standing.values(), waived)[:FLEET_SHOWN]
    events_of = {event.seq: event for event in _written(book, row.id, (one.seq for one in last if one.seq))}
    if as_json:
        for one in last:
            event = events_of.get(one.seq)
            seen = answers.as_json(event) if event is not None else {"type": "answer"}
            click.echo(json.dumps(seen | {"standing": asdict(one), "waived": one.gate in waived}))
        return
    if not last and not waived:
        click.echo(
            f"run {plain(row.id)}: no gate about the fleet has anything to say; `rollout why HOST` says where a host is"
        )
    for one in last:
        click.echo(answers.said(one, waived, row.read_at, is_asked=row.owner is not None))
        event = events_of.get(one.seq)
        if event is not None:
            _echo(
                answers.lines(event.data.get("samples", {}), str(event.data.get("link", "")), drawn=_drawn())
            )
    for gate, because in waived.items():
        click.echo(f"gate {plain(gate)} is waived: {plain(because)}")
    if len(state.standing) > len(last):
        click.echo(f"and {len(state.standing) - len(last)} more answers: rollout events")


def _drawn() -> bool:
    return answers.can_draw(sys.stdout.encoding, os.environ)


def _echo(found: Iterable[str]) -> None:
    for line in found:
        click.echo(f"    {line}")


def _expected(state: State, host: str, now: float) -> tuple[float, float] | None:
    """When the wave of a host that has not come to its end is expected to end."""
    if host not in state.hosts or state.hosts[host].status not in UNFINISHED:
        return None
    return estimate(state.graph, state, now).waves.get(state.graph.nodes[host].wave)


def _as_json(expected: tuple[float, float] | None) -> dict[str, Any]:
    return {"eta": {"p50": round(expected[0]), "p90": round(expected[1])}} if expected else {}


def _heard(units: Path, run: str, intent: Event) -> "Heard | None":
    from rollout.executors.heard import last_heard

    return last_heard(units, run, intent.host or "", intent.step or "", intent.attempt)


def _show(happened: list[Event], answered: list[Event]) -> None:
    if happened:
        click.echo("\nlast events")
    for event in happened:
        because = f": {plain(event.because)}" if event.because else ""
        click.echo(f"  {clock(event.at)}  {events.what(event)}{because}")
    if answered:
        click.echo("\ngates")
    for event in answered:
        for line in answers.told(event, drawn=_drawn()):
            click.echo(f"  {line}")
