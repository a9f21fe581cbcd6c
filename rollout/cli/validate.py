"""`rollout validate`."""

import time
from collections.abc import Callable, Sequence
from pathlib import Path

import click

from rollout.cli import _compiling, _writing
from rollout.errors import DONE, ERROR, Place, PlanInvalid, RolloutError
from rollout.report import mistakes, windows
from rollout.report.mistakes import Checked, Mistake
from rollout.report.plain import counted, plain


@click.command()
@click.argument("plans", metavar="PLAN...", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--format",
    "form",
    type=click.Choice(["text", "json", "codeclimate", "junit", "sarif"]),
    default="text",
    show_default=True,
    help="For a person, or for CI systems, editors and code hosts.",
)
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write it to this file; what a person reads is shown all the same.",
)
def command(plans: tuple[Path, ...], form: str, output: Path | None) -> int:
    """Check a plan and its inventory; report every mistake.

    Each mistake with file, line and column, one a line; exit code 65. Several plans may be given.
    """
    found = [_checked(plan) for plan in plans]
    text = _form(form)(found)
    if output is None and form != "text":
        click.echo(text, nl=False)
        return _code(found)
    if output is not None:
        _writing.whole(output, text)
    _say(found)
    return _code(found)


def _form(form: str) -> Callable[[Sequence[Checked]], str]:
    if form == "junit":
        from rollout.report.junit import as_junit

        return as_junit
    if form == "sarif":
        from rollout.report.sarif import as_sarif

        return lambda checked: as_sarif(checked, _compiling.tool())
    return {"json": mistakes.as_json, "codeclimate": mistakes.as_codeclimate}.get(form, _text)


def _checked(plan_file: Path) -> Checked:
    """As far as it can be read. What keeps it from being checked is a finding like any other."""
    aspect, place = "plan", Place(str(plan_file))
    try:
        plan = _compiling.read_plan(plan_file)
        aspect, place = "inventory", plan.place("inventory")
        found = _compiling.resolve(plan)
        aspect, place = "hosts", plan.place("hosts")
        graph = _compiling.compiled(plan, found).graph
    except PlanInvalid as error:
        wrong = [Mistake(aspect, problem.place, problem.message) for problem in error.problems]
        return Checked(str(plan_file), tuple(wrong), aspect)
    except (RolloutError, OSError) as error:
        said = str(error)
        if isinstance(error, OSError):
            said = f"{error.filename or plan_file}: {error.strerror or error}"
        return Checked(str(plan_file), (Mistake(aspect, place, said, broken=True),), aspect)
    combos = sum(1 for combo in graph.combos.values() if combo.hosts)
    counts = (len(graph.nodes), combos, len(graph.untouched))
    return Checked(str(plan_file), counts=counts, notes=tuple(windows.warnings(graph, time.time())))


def _code(found: Sequence[Checked]) -> int:
    """A mistake of a plan says more than a plan that could not be checked."""
    said = mistakes.all_of(found)
    if any(not one.broken for one in said):
        return PlanInvalid.exit_code
    return ERROR if said else DONE


def _say(found: Sequence[Checked]) -> None:
    for one in mistakes.all_of(found):
        lines = "\n".join(plain(line, 10_000) for line in one.message.split("\n"))
        click.echo(f"{one.place}: {lines}", err=True)
    click.echo(_text([one for one in found if not one.mistakes]), nl=False)


def _text(found: Sequence[Checked]) -> str:
    return "".join(f"{line}\n" for one in found for line in _lines(one))


def _lines(one: Checked) -> list[str]:
    if one.counts is None:
        return [f"{wrong.place}: {plain(wrong.message, 10_000)}" for wrong in one.mistakes]
    hosts, combos, untouched = one.counts
    upgraded = f"{counted(hosts, 'host')} to upgrade in {counted(combos, 'combo')}"
    return [
        f"{one.plan}: no mistakes; {upgraded}, {untouched} not touched",
        *(f"  {note}" for note in one.notes),
    ]
