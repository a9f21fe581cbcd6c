"""`rollout apply`."""

import re
import sys
from collections.abc import Collection
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import click

from rollout import journal as journals
from rollout.cli import _approved, _carrying, _compiling, _options, _runs
from rollout.cli._compiling import Source
from rollout.cli._disposable import refuse_if_thrown_away
from rollout.cli._waiting import Turn
from rollout.errors import DONE, ApprovalMissing, PlanStale, UsageError
from rollout.journal import Journal, RunRow
from rollout.model.event import Event, Kind
from rollout.model.graph import Graph
from rollout.model.ledger import is_untouched
from rollout.model.plan import Plan
from rollout.model.state import Status
from rollout.report import plans
from rollout.report.plain import listed, plain
from rollout.report.saved import Compiled

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


@click.command(cls=_options.Waiting)
@click.argument("plan", metavar="PLAN|SAVED", type=click.Path(path_type=Path))
@click.option(
    "--dry-run", is_flag=True, help="Plan, gates before the run and the precheck step; changes nothing."
)
@click.option(
    "--check",
    metavar="HOST",
    multiple=True,
    help="With --dry-run: this host's steps in Ansible's check mode, and what that cannot cover.",
)
@click.option("--yes", is_flag=True, help="Approve the plan without being asked.")
@click.option(
    "--approved",
    is_flag=True,
    help="Ask nobody: begin only if `rollout approve` has kept an approval of exactly this plan.",
)
@_options.allow_unknown
@click.option("--new-run", is_flag=True, help="Give up an unfinished run of this plan and begin a new one.")
@_options.journal
@click.option("--run", metavar="NAME", help="The name of the run.  [default: the plan's name and the time]")
@_options.as_json
@_options.verbose
@_options.log
@_options.wait
@_options.max_duration
@_options.unattended
def command(
    *,
    plan: Path,
    dry_run: bool,
    check: tuple[str, ...],
    yes: bool,
    approved: bool,
    allow_unknown: bool,
    new_run: bool,
    journal: str | None,
    run: str | None,
    as_json: bool,
    verbose: bool,
    log: Path | None,
    wait: float | None,
    until: float | None,
    unattended: bool,
) -> int:
    """Carry out a plan, or carry on with the run of it.

    Shows the plan and asks first. A saved plan is refused when anything that it was made of has changed.
    """
    if run is not None and not NAME.fullmatch(run):
        raise UsageError(
            "--run takes letters, digits, dot, dash and underscore, at most 100, a letter or digit first"
        )
    if check and not dry_run:
        raise UsageError("--check goes with --dry-run: it changes nothing")
    if yes and approved:
        raise UsageError(
            "either --yes, by which you approve the plan now, or --approved, by which somebody has"
        )
    if unattended and new_run and not approved:
        raise UsageError(
            "giving a run up with --new-run is a person's word, and --unattended says that there is none"
        )
    source = _compiling.source(plan)
    source = replace(source, allow_unknown=source.allow_unknown or allow_unknown)
    read = _compiling.read_plan(source.plan_file)
    view = _carrying.View(as_json, verbose, log, until, unattended)
    if dry_run:
        return _dry_run(source, read, check, as_json=as_json)
    path = _runs.where(journal, source.plan_file)
    refuse_if_thrown_away(path)
    _compiling.state_directory(source.plan_file)
    with journals.open(path) as book:
        known = frozenset(row.id for row in book.runs())
        row = _runs.newest(book, read.name, run)
        if row is not None and not _runs.is_finished(book, row):
            turn = Turn(book, row.id, wait, as_json, even_if_ended=new_run)
            if new_run:
                return turn.take(
                    lambda row: _begin(
                        book, path, row, source, read, view, yes=yes, approved=approved, run=run, known=known
                    )
                )
            return turn.take(lambda row: _carry_on(book, path, row, source, view, waited=turn.waited))
        if row is not None and row.id == run:
            raise UsageError(
                f"run {run} is over: {row.ended.because if row.ended else 'it was aborted'}; take another name"
            )
        return _begin(book, path, None, source, read, view, yes=yes, approved=approved, run=run, known=known)


def _dry_run(source: Source, plan: Plan, check: tuple[str, ...], *, as_json: bool) -> int:
    from rollout.cli import _check
    from rollout.cli import _dry_run as dry

    inventory = _compiling.resolve(plan)
    now = _compiling.compiled(plan, inventory, allow_unknown=source.allow_unknown)
    if source.saved is not None:
        _compiling.refuse_if_stale(source.saved, now)
    if check:
        return _check.check(now.graph, inventory, source.plan_file, check, as_json=as_json)
    click.echo(plans.text(now))
    return dry.ask(now.graph, inventory, source.plan_file)


def _carry_on(
    book: Journal, path: str, row: RunRow, source: Source, view: _carrying.View, *, waited: bool
) -> int:
    """`waited`: for so long that the plan may have changed, and it was said who carries the run on."""
    if source.saved is not None and source.saved.graph.digest != row.digest:
        raise PlanStale(
            f"run {row.id} of this plan is not finished, and it was begun from another compilation (digest {row.digest[:12]}): "
            "carry it on with `rollout resume`, or give it up with --new-run"
        )
    plan = _compiling.read_plan(source.plan_file)
    if not (view.as_json or waited):
        click.echo(f"run {row.id} is not finished: carrying it on")
    return _carrying.carry_on(book, path, row, plan, view, lift=False)


def _begin(
    book: Journal,
    path: str,
    given_up: RunRow | None,
    source: Source,
    plan: Plan,
    view: _carrying.View,
    *,
    yes: bool,
    approved: bool,
    run: str | None,
    known: Collection[str],
) -> int:
    """`known`: the journal's runs when it was decided to begin a new one."""
    from rollout.executors.ansible import make_room

    if given_up is not None:
        _refuse_if_closed(book, given_up)
    inventory = _compiling.resolve(plan)
    now = _compiling.compiled(plan, inventory, allow_unknown=source.allow_unknown)
    if source.saved is not None:
        _compiling.refuse_if_stale(source.saved, now)
    now = replace(now, graph=_runs.lesson(book, plan.name).taught(now.graph))
    _show(now, view)
    if not now.graph.nodes:
        click.echo("nothing to do: no host is in a wave", err=view.as_json)
        return 0
    if approved or now.graph.approval_to_begin:
        if (over := _over(book, now.graph)) is not None:
            return _told_over(over, view)
        found = _approved.require(book, now.graph, source.plan_file)
        click.echo(f"approved by {_approved.told_of(found)} {plain(found.because)}", err=view.as_json)
        # what it is amended to is to be approved too, whoever carries it on
        now = replace(now, graph=replace(now.graph, approval_to_begin=True))
    else:
        _approve(yes)
    if given_up is not None and not _runs.is_finished(book, given_up):
        book.request(given_up.id, Event(Kind.ABORTED, f"given up for a new run ({_runs.me()})"))
    if not journals.is_url(path):
        Path(path).parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    name = run or _free_name(book, plan)
    room = make_room(_carrying.units_beside(path, source.plan_file), name)
    try:
        book.create(name, now.graph, plan_file=now.plan_file, created_by=_runs.me(), known=known)
    except BaseException:
        with suppress(
            OSError
        ):  # the run may be another machine's: an empty folder would say that nothing of it ever began
            room.rmdir()
        raise
    if not view.as_json:
        click.echo(f"run {name} begins; its journal is {journals.without_password(path)}")
    return _carrying.drive(book, path, name, now.graph, plan, inventory, view)


def _over(book: Journal, graph: Graph) -> RunRow | None:
    """The newest run, if it was of exactly this plan and has ended, and no other has been approved since: a job is tried again that had done its work."""
    row = _runs.newest(book, graph.plan)
    if row is None or row.ended is None or row.digest != graph.digest or not _runs.is_finished(book, row):
        return None
    return None if _runs.aborted(book, row.id) or _approved.fitting(book, graph, None) else row


def _told_over(row: RunRow, view: _carrying.View) -> int:
    ended = row.ended
    if ended is None:
        return DONE
    said = f"run {plain(row.id)} of exactly this plan is over, and nobody has approved another"
    click.echo(f"{said}: {plain(ended.because)}", err=view.as_json)
    return ended.exit_code


def _refuse_if_closed(book: Journal, row: RunRow) -> None:
    """A new run would take for how a host always was what the old one has left open there."""
    state = _runs.folded(book, row.id)
    names = [
        host.name
        for host in state.hosts.values()
        if host.status is Status.RUNNING and is_untouched(state.combo_of(host.name), host)
    ]
    if names:
        raise UsageError(
            f"run {row.id} has left something open on {listed(names, 5)}: `rollout abort` and `rollout resume` give "
            f"{'it' if len(names) == 1 else 'them'} back first; then begin anew"
        )


def _show(compiled: Compiled, view: _carrying.View) -> None:
    if not view.as_json:
        click.echo(plans.text(compiled))
        return
    for line in plans.json_lines(compiled):
        click.echo(line)


def _approve(yes: bool) -> None:
    if yes:
        return
    if not sys.stdin.isatty():
        raise ApprovalMissing(
            "nobody is there to approve the plan: look at it with `rollout plan`, then apply with --yes"
        )
    if not click.confirm("Apply this plan?", default=False):
        raise ApprovalMissing("not approved; nothing was changed")


def _free_name(book: Journal, plan: Plan) -> str:
    """Two runs that begin in the same second are told apart."""
    name, taken = _carrying.name_of(plan), {row.id for row in book.runs()}
    return next(
        free for free in (name, *(f"{name}-{number}" for number in range(2, 1000))) if free not in taken
    )
