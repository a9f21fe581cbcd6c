"""Carrying a run on: the one path of `apply` and `resume` once a run is in the journal."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from rollout.cli import _approved, _compiling, _runs
from rollout.errors import DONE, Locked
from rollout.journal import Journal, Life, Owner, RunRow, is_url, refusals
from rollout.model.graph import Graph
from rollout.model.plan import Plan
from rollout.model.state import Status
from rollout.report import changes, ending, waivers
from rollout.report.plain import listed, plain

if TYPE_CHECKING:
    from rollout.plan.inventory import Inventory


@dataclass(frozen=True, slots=True)
class View:
    """How a person wants to see the run."""

    as_json: bool = False
    verbose: bool = False
    log: Path | None = None
    until: float | None = None
    """When the controller has to end, in seconds since the epoch."""
    unattended: bool = False
    """No person has started it: it answers for nothing that stopped."""


def refuse_if_held(row: RunRow, *, take_over: bool = False) -> None:
    """Raises Locked before anything slow is done. `take_over`: a person vouches for the death of an owner who cannot be seen."""
    me = Owner.current()
    try:
        refusals.refuse_if_held(row, me, force=take_over)
    except Locked as error:
        if row.life(me) is Life.UNKNOWN:
            raise Locked(f"{error}; make sure that it is dead, then: rollout resume --take-over") from error
        raise


def carry_on(
    book: Journal, journal: str, row: RunRow, plan: Plan, view: View, *, lift: bool, take_over: bool = False
) -> int:
    """Carry on with a run that was begun, if its files are what they were. Gives the exit code. Raises PlanStale, Locked.

    `lift`: a pause of a person, or for a gate that could not find out, ends with it. `take_over`: as in `refuse_if_held`.
    """
    refuse_if_held(row, take_over=take_over)
    graph = book.graph(row.id)
    _compiling.refuse_if_changed(row.id, graph, plan)
    if graph.approval_to_begin:
        _approved.require(book, graph, Path(plan.file), run=row.id)
    inventory = _compiling.resolve(plan)
    gone = _gone(book, row, graph, plan, inventory, view)
    why = _runs.paused(book, row.id)
    if why and not lift and not view.as_json:
        click.echo(f"run {row.id} is paused: {plain(why)}; `rollout resume` lifts the pause")
    said = f"carried on by {_runs.me()}" if why and lift else None
    return drive(book, journal, row.id, graph, plan, inventory, view, lift=said, gone=gone, force=take_over)


def _gone(
    book: Journal, row: RunRow, graph: Graph, plan: Plan, inventory: "Inventory", view: View
) -> Mapping[str, str]:
    """Hosts that have not begun and are not what they were; those that have are frozen as planned."""
    from rollout.plan.fleet import fleet

    found = changes.hosts(graph, fleet(plan, inventory))
    waiting = {host.name for host in book.hosts(row.id, Status.WAITING)}
    left = {**waivers.expired(graph, _compiling.today()), **found.gone}
    gone = {name: because for name, because in left.items() if name in waiting}
    if not view.as_json:
        for name, because in gone.items():
            click.echo(f"{plain(name)} leaves the run: {because}")
        if found.new:
            click.echo(
                f"not touched by this run, for they came after it was planned: {listed(found.new, 20)}"
            )
    return gone


def drive(
    book: Journal,
    journal: str,
    run: str,
    graph: Graph,
    plan: Plan,
    inventory: "Inventory",
    view: View,
    *,
    lift: str | None = None,
    gone: Mapping[str, str] | None = None,
    force: bool = False,
) -> int:
    """Hold the run until it ends or stops, and say how it ended."""
    from rollout.cli import _controller, _screen

    plan_file = Path(plan.file)
    reach = _controller.real(graph, inventory, plan_file, units_beside(journal, plan_file))
    screen = _screen.screen(run, graph, as_json=view.as_json, verbose=view.verbose, log=view.log)
    stop, state = _controller.control(
        book,
        run,
        graph,
        reach,
        screen,
        lift=lift,
        gone=gone,
        force=force,
        until=view.until,
        unattended=view.unattended,
    )
    if stop.exit_code == DONE:
        _forget_probed(plan_file, graph)
    if not view.as_json:
        click.echo()
        in_gitlab = _screen.in_gitlab()
        # A database there holds the runs of several sites, and the newest may be another one's.
        options = f"{_runs.options(journal)}{f' --run {run}' if in_gitlab else ''}"
        click.echo(ending.text(run, graph, state, stop, options), nl=False)
        if in_gitlab:
            from rollout.report.gitlab_log import then

            click.echo(then(state, stop, options))
    return stop.exit_code


def _forget_probed(plan_file: Path, graph: Graph) -> None:
    """Hosts that were upgraded are not what a probe found before; a plan that lives by the probe asks again, and does not upgrade them twice."""
    from rollout.plan import probes

    probes.forget(_compiling.state_directory(plan_file), graph.nodes.keys())


def units_beside(journal: str, plan_file: Path) -> Path:
    """As `_runs.units`, in a folder that is there."""
    if is_url(journal):
        _compiling.state_directory(plan_file)
    return _runs.units(journal, plan_file)


def name_of(plan: Plan, now: float | None = None) -> str:
    """A run's name: the plan's, and when it was begun (UTC)."""
    return f"{plan.name}-{time.strftime('%Y%m%d-%H%M%S', time.gmtime(now))}"
