"""`rollout failures`."""

from pathlib import Path
from shlex import quote

import click

from rollout.cli import _options, _runs
from rollout.errors import UsageError
from rollout.journal import Journal, RunRow
from rollout.report import failures
from rollout.report.causes import Cause, Told, causes, told
from rollout.report.plain import plain

SHORTEST = 4
"""Digits of a fingerprint that are enough, if no other begins with them."""


@click.command()
@click.argument("plan", type=click.Path(path_type=Path), required=False)
@click.option("--all-runs", is_flag=True, help="Of every run of the plan, not of the newest alone.")
@click.option("--draft", metavar="FINGERPRINT", help="Write a risk file for that cause, for you to edit.")
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Where the draft goes; an existing file is not touched.  [default: stdout]",
)
@_options.journal
@_options.run
@_options.as_json
def command(
    plan: Path | None,
    all_runs: bool,
    draft: str | None,
    output: Path | None,
    journal: str | None,
    run: str | None,
    as_json: bool,
) -> None:
    """Group what has failed by its cause.

    Failures of the same step and task with the same words, but for hosts, numbers and times, are one cause: how many hosts, what they share,
    and whether a risk knows it. A cause that is known to none becomes one with --draft.
    """
    if output is not None and draft is None:
        raise UsageError("-o says where a draft goes: give --draft FINGERPRINT")
    used = _runs.where(journal, plan)
    with _runs.existing(used) as book:
        read = tuple(read_runs(book, plan, run, all_runs=all_runs))
    found = causes(read)
    if draft is not None:
        _draft(found, read, draft, output)
        return
    then = {cause.fingerprint: _next(cause, plan, _runs.options(used), run) for cause in found}
    for line in [failures.as_json(cause, then[cause.fingerprint]) for cause in found] if as_json else failures.text(found, then):  # fmt: skip
        click.echo(line)


def read_runs(book: Journal, plan: Path | None, run: str | None, *, all_runs: bool) -> list[Told]:
    """What the journal tells of failures in a run, or in all runs of its plan. Raises UsageError if it has none of that plan file."""
    chosen = _chosen(book, plan, run)
    rows = [row for row in book.runs() if row.plan == chosen.plan] if all_runs else [chosen]
    return [told(row.id, book.graph(row.id), book.events(row.id)) for row in rows]


def _chosen(book: Journal, plan: Path | None, run: str | None) -> RunRow:
    if plan is None or run is not None:
        return book.run(run)
    for row in book.runs():
        if Path(row.plan_file).resolve() == plan.resolve():
            return row
    raise UsageError(f"the journal has no run of {plan}")


def _next(cause: Cause, plan: Path | None, journal: str, run: str | None) -> str:
    """What to type."""
    beside = f" {quote(str(plan))}" if plan is not None else ""
    where = journal + (f" --run {quote(run)}" if run is not None else "")
    if not cause.risks and cause.kinds:
        return f"rollout failures{beside} --draft {cause.fingerprint} -o risks/NAME.yml{where}"
    host = cause.example.host
    return f"rollout why {quote(host)}{where}" if cause.open and host.isprintable() else ""


def _draft(found: list[Cause], read: tuple[Told, ...], wanted: str, output: Path | None) -> None:
    fitting = [cause for cause in found if cause.fingerprint.startswith(wanted.lower())]
    if len(wanted) < SHORTEST or len(fitting) != 1:
        what = "several causes have" if len(fitting) > 1 else "no cause has"
        raise UsageError(f"{what} the fingerprint {plain(wanted)}: `rollout failures` lists them")
    (cause,) = fitting
    names = frozenset[str]().union(*(one.names for one in read))
    taken = {risk.name for one in read for risk in one.graph.risks}
    written = failures.draft(cause, names, taken)
    if written is None:
        why = (
            "its words say too little for a symptom"
            if cause.kinds
            else "it is a gate's, and risks are about steps"
        )
        raise UsageError(
            f"no risk can be drafted for {cause.fingerprint}: {why} ({plain(cause.example.says, 120)})"
        )
    if output is None:
        click.echo(written, nl=False)
        return
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
        with output.open("x", encoding="utf-8") as file:
            file.write(written)
    except FileExistsError:
        raise UsageError(f"{output} is there already, and is not touched") from None
    click.echo(f"{output} is written: edit `hold`, commit it, then `rollout amend`")
