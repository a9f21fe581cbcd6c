"""`rollout resume`."""

from pathlib import Path

import click

from rollout.cli import _carrying, _compiling, _options, _runs
from rollout.cli._disposable import refuse_if_thrown_away
from rollout.cli._waiting import Turn
from rollout.errors import DONE, UsageError
from rollout.journal import Journal, RunRow
from rollout.model.plan import Plan
from rollout.report.plain import plain


@click.command(cls=_options.Waiting)
@click.argument("plan", type=click.Path(path_type=Path), required=False)
@_options.journal
@_options.run
@_options.as_json
@_options.verbose
@_options.log
@click.option(
    "--take-over",
    is_flag=True,
    help="The controller that held the run cannot be seen from here, and I know that it is dead.",
)
@_options.wait
@_options.max_duration
@_options.unattended
def command(
    *,
    plan: Path | None,
    journal: str | None,
    run: str | None,
    as_json: bool,
    verbose: bool,
    log: Path | None,
    take_over: bool,
    wait: float | None,
    until: float | None,
    unattended: bool,
) -> int:
    """Carry on with the newest run.

    After a crash, a stop, a pause or a halt; it begins exactly where things stand. PLAN: with the newest run of that plan.
    """
    if unattended and take_over:
        raise UsageError("--take-over is a person's word, and --unattended says that there is none")
    source = _compiling.source(plan) if plan else None
    path = _runs.where(journal, source.plan_file if source else None)
    refuse_if_thrown_away(path)
    with _runs.existing(path) as book:
        read = _compiling.read_plan(source.plan_file) if source else None
        if unattended and run is None and not _has_run(book, read):
            click.echo("nothing to carry on: no run has begun", err=as_json)
            return DONE
        row = _found(book, read, run)
        turn = Turn(book, row.id, wait, as_json, take_over)
        view = _carrying.View(as_json, verbose, log, until, unattended)
        paused = _runs.paused(book, row.id)

        def carry_on(row: RunRow) -> int:
            if unattended and _runs.is_finished(book, row):
                click.echo(f"nothing to carry on: run {plain(row.id)} is over", err=as_json)
                return DONE
            if (code := _over(book, row, as_json=as_json)) is not None:
                return code
            used = read if read and not turn.waited else _compiling.read_plan(Path(row.plan_file))
            # A pause that came while we waited is not ours to lift.
            asked = not unattended and paused == _runs.paused(book, row.id)
            return _carrying.carry_on(book, path, row, used, view, lift=asked, take_over=take_over)

        return turn.take(carry_on)


def _has_run(book: Journal, plan: Plan | None) -> bool:
    return any(plan is None or row.plan == plan.name for row in book.runs())


def _over(book: Journal, row: RunRow, *, as_json: bool) -> int | None:
    """The exit code of a run that is over; None when there is something to carry on with. Raises UsageError for an aborted one."""
    if not _runs.is_finished(book, row):
        return None
    refused = _runs.aborted(book, row.id)
    if refused:
        raise UsageError(
            f"run {row.id} was aborted: {refused}; `rollout apply {row.plan_file}` begins a new one"
        )
    if row.ended is None:
        return None
    click.echo(f"run {row.id} is over: {row.ended.because}", err=as_json)
    return row.ended.exit_code


def _found(book: Journal, plan: Plan | None, run: str | None) -> RunRow:
    if plan is None:
        return book.run(run)
    return _runs.of_plan(book, plan, run)
