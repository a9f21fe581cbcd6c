"""`rollout risks`."""

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from rollout.cli import _options, _runs
from rollout.cli.failures import read_runs
from rollout.errors import DONE, ERROR, UsageError
from rollout.report.causes import Told

if TYPE_CHECKING:
    from rollout.plan.risk_files import Found

_files = click.argument("files", metavar="[PLAN | FILES...]", nargs=-1, type=click.Path(path_type=Path))


@click.group(invoke_without_command=True)
@click.pass_context
def command(ctx: click.Context) -> None:
    """List known errors, and try them on failures that happened.

    Without a word more: those of the newest run's plan, as its files are now.
    """
    if ctx.invoked_subcommand is None:
        ctx.invoke(list_, files=(), journal=None, run=None, as_json=False)


@command.command("list")
@_files
@_options.journal
@_options.run
@_options.as_json
def list_(files: tuple[Path, ...], journal: str | None, run: str | None, as_json: bool) -> None:
    """List the risks of a plan, or of files of risks.

    Without either: of the plan of the run.
    """
    from rollout.report import trials

    found = [one.risk for one in _found(files or _plan_of(journal, run)).risks]
    if as_json:
        for risk in found:
            click.echo(json.dumps({"type": "risk", "name": risk.name, "then": risk.then, "symptom": risk.symptom, "steps": list(risk.steps), "applies": dict(risk.applies), "link": risk.link}))  # fmt: skip
        return
    click.echo("\n".join(trials.listing(found)))


@command.command("test")
@_files
@click.option(
    "--all-runs", is_flag=True, help="On failures of every run of the plan, not of the newest alone."
)
@_options.journal
@_options.run
@_options.as_json
def test(files: tuple[Path, ...], all_runs: bool, journal: str | None, run: str | None, as_json: bool) -> int:
    """Try risks on stored failures, and on their own examples.

    Exit code 1 when an example contradicts its risk; 65 when a file has mistakes.
    """
    from rollout.report import trials

    found = _found(files or _plan_of(journal, run))
    risks = [(one.risk, one.matches, one.misses) for one in found.risks]
    is_asked = not files or all_runs or run is not None
    stored = _told(found.plan if files else None, journal, run, all_runs=all_runs, is_asked=is_asked)
    tried = trials.try_risks(risks, stored, found.orders)
    for line in map(trials.as_json, tried) if as_json else trials.text(tried):
        click.echo(line)
    return ERROR if any(trial.wrong for trial in tried) else DONE


def _found(files: tuple[Path, ...]) -> "Found":
    from rollout.plan import risk_files

    return risk_files.found(files)


def _plan_of(journal: str | None, run: str | None) -> tuple[Path, ...]:
    with _runs.existing(journal) as book:
        plan = Path(book.run(run).plan_file)
    if not plan.is_file():
        raise UsageError(f"the run's plan {plan} is not here: name a plan, or files of risks")
    return (plan,)


def _told(
    plan: Path | None, journal: str | None, run: str | None, *, all_runs: bool, is_asked: bool
) -> list[Told]:
    """Nothing, if stored failures were not asked for and there are none: examples can be tried before anything was ever begun."""
    used = _runs.where(journal, plan)
    if journal is None and not is_asked and not Path(used).is_file():
        return []
    with _runs.existing(used) as book:
        return read_runs(book, plan, run, all_runs=all_runs)
