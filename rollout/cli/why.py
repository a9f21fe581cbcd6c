"""`rollout why`."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from rollout.cli import _hosts, _options, _runs
from rollout.journal import AnswerRow
from rollout.model.event import Event
from rollout.model.progress import UNFINISHED
from rollout.model.state import State
from rollout.report import events
from rollout.report.eta import estimate
from rollout.report.plain import clock, plain, spoken, stamp
from rollout.scheduler.why import explain

if TYPE_CHECKING:
    from rollout.executors.heard import Heard

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
        row = book.run(run)
        name = row.id
        graph = book.graph(name)
        if all(host != untouched.host for untouched in graph.untouched):
            _hosts.row(book, name, host)
        state = _runs.folded(book, name)
        because = explain(graph, state, host, row.read_at)
        expected = _expected(state, host, row.read_at)
        happened = list(book.events(name, host=host))[-LAST:]
        answers = book.answers(name, host)[-LAST:]
        intent = _runs.in_flight(book, name, host)
    heard = _heard(_runs.units(_runs.where(journal), Path(row.plan_file)), name, intent) if intent else None
    if as_json:
        click.echo(json.dumps({"type": "why", "host": host, "because": because} | _as_json(expected)))
        if intent:
            running = {"type": "running", "host": host, "step": intent.step, "since": intent.at}
            click.echo(json.dumps(running | ({"heard": heard.line, "heard_at": heard.at} if heard else {})))
        for event in happened:
            click.echo(events.as_json(event))
        for answer in answers:
            click.echo(json.dumps({"type": "answer", **answer._asdict()}))
        return
    click.echo(plain(because, 2000))
    if expected is not None:
        usual, late = (stamp(end) for end in expected)
        between = f"at {usual}" if usual == late else f"between {usual} and {late} (p50..p90)"
        click.echo(f"its wave is expected to end {between}, if nothing else fails")
    if intent:
        last = f"; last heard {clock(heard.at)}: {plain(heard.line)}" if heard else ""
        click.echo(f"{intent.step} runs since {clock(intent.at)} ({spoken(row.read_at - intent.at)}){last}")
    _show(happened, answers)


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
