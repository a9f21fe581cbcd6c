"""`rollout rehearse`."""

import time
from pathlib import Path

import click

from rollout.cli import _compiling, _options
from rollout.engine import Engine
from rollout.engine.inbox import VirtualInbox
from rollout.engine.rehearsal import imagined_owner, rehearsed_engine
from rollout.errors import ApprovalMissing, UsageError
from rollout.executors.rehearsal import Fault, World
from rollout.journal.memory import MemoryJournal
from rollout.model.event import Event, Kind
from rollout.model.graph import Graph
from rollout.model.seams import Ending
from rollout.report import ending, events
from rollout.report.plain import plain, spoken
from rollout.scheduler.waves import approval_awaited

RUN = "rehearsal"
FOR_EVER = 1_000_000


@click.command()
@_options.plan
@click.option(
    "--fail", metavar="HOST:STEP", multiple=True, help="That step fails on that host whenever it is begun."
)
@click.option(
    "--lose", metavar="HOST:STEP", multiple=True, help="The host is unreachable in that step, for ever."
)
@click.option("--unhealthy", metavar="HOST", multiple=True, help="Every gate fails about that host.")
@_options.verbose
@_options.allow_unknown
@_options.as_json
def command(
    plan: Path,
    fail: tuple[str, ...],
    lose: tuple[str, ...],
    unhealthy: tuple[str, ...],
    verbose: bool,
    as_json: bool,
    allow_unknown: bool,
) -> int:
    """Carry out a plan on imagined hosts, in no time.

    The same loop and the same policy as `apply`, with every step as long as its `expect`; no host is reached.
    """
    graph = _compiling.graph_of(plan, allow_unknown=allow_unknown)[2].graph
    faults = {
        **{_of(graph, word): Fault(Ending.FAILED, FOR_EVER, "the rehearsal lets it fail") for word in fail},
        **{
            _of(graph, word): Fault(Ending.UNREACHABLE, FOR_EVER, "the rehearsal cuts its link")
            for word in lose
        },
    }
    inbox = VirtualInbox(begun := time.time())
    world = World(inbox.now, faults=faults, unhealthy=frozenset(_host(graph, name) for name in unhealthy))
    book = MemoryJournal(inbox.now)
    book.create(RUN, graph, plan_file="", created_by="")
    while True:
        engine = _engine(book, graph, world, inbox, quiet=not (verbose or as_json), as_json=as_json)
        stop = engine.run()
        rung = approval_awaited(graph, engine.state) if stop.exit_code == ApprovalMissing.exit_code else None
        if rung is None:
            break
        data = {"through": rung, "digest": graph.digest, "by": "nobody"}
        given = book.request(RUN, Event(Kind.APPROVED, "nobody is asked in a rehearsal", data=data))
        if verbose or as_json:
            click.echo(events.as_json(given) if as_json else events.line(given))
    if not as_json:
        click.echo(ending.text(RUN, graph, engine.state, stop, None), nl=False)
        click.echo(f"rehearsed time: {spoken(inbox.now() - begun)}; no host was reached")
    return stop.exit_code


def _engine(
    book: MemoryJournal, graph: Graph, world: World, inbox: VirtualInbox, *, quiet: bool, as_json: bool
) -> Engine:
    show = events.as_json if as_json else events.line
    return rehearsed_engine(
        book,
        book.claim(RUN, imagined_owner(book.run(RUN).fence + 1)),
        graph,
        world,
        inbox,
        listener=lambda event, _state: None if quiet else click.echo(show(event)),
    )


def _of(graph: Graph, word: str) -> tuple[str, str]:
    """HOST:STEP; names of hosts may hold colons, those of steps cannot."""
    host, _, step = word.rpartition(":")
    combo = graph.chain_of(_host(graph, host))
    if combo.step(step) is None:
        names = ", ".join(link.name for link in combo.chain)
        raise UsageError(f"{plain(word)!r}: combo {combo.name} has no step {plain(step)!r}; it has {names}")
    return host, step


def _host(graph: Graph, name: str) -> str:
    if name not in graph.nodes:
        raise UsageError(f"the plan upgrades no host {plain(name)!r}")
    return name
