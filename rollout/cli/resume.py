"""`rollout resume`."""

from pathlib import Path

import click

from rollout.cli import _carrying, _compiling, _options, _runs
from rollout.errors import JournalError, UsageError
from rollout.journal import Journal, RunRow
from rollout.model.plan import Plan


@click.command()
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
def command(
    *,
    plan: Path | None,
    journal: str | None,
    run: str | None,
    as_json: bool,
    verbose: bool,
    log: Path | None,
    take_over: bool,
) -> int:
    """Carry on with the newest run.

    After a crash, a stop, a pause or a halt; it begins exactly where things stand. PLAN: with the newest run of that plan.
    """
    source = _compiling.source(plan) if plan else None
    path = _runs.where(journal, source.plan_file if source else None)
    with _runs.existing(path) as book:
        read = _compiling.read_plan(source.plan_file) if source else None
        row = _found(book, read, run)
        refused = _runs.aborted(book, row.id)
        if refused and _runs.is_finished(book, row):
            raise UsageError(
                f"run {row.id} was aborted: {refused}; `rollout apply {row.plan_file}` begins a new one"
            )
        if row.ended is not None and _runs.is_finished(book, row):
            click.echo(f"run {row.id} is over: {row.ended.because}", err=as_json)
            return row.ended.exit_code
        _carrying.refuse_if_held(row, take_over=take_over)
        view = _carrying.View(as_json, verbose, log)
        used = read or _compiling.read_plan(Path(row.plan_file))
        return _carrying.carry_on(book, path, row, used, view, lift=True, take_over=take_over)


def _found(book: Journal, plan: Plan | None, run: str | None) -> RunRow:
    if plan is None:
        return book.run(run)
    row = _runs.newest(book, plan.name, run)
    if row is None:
        raise JournalError(
            f"the journal has no run of plan {plan.name!r}: `rollout apply {plan.file}` begins one"
        )
    return row
