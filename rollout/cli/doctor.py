"""`rollout doctor`."""

import json
import subprocess
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from shlex import quote

import click
from click.core import ParameterSource

from rollout.cli import _options
from rollout.cli._doctor.finding import Finding, Situation
from rollout.report.plain import counted, plain, table

Check = Callable[[Situation], Iterable[Finding]]


@click.command()
@click.argument("plan", required=False, type=click.Path(path_type=Path))
@_options.journal
@click.option(
    "--reach", is_flag=True, help="Ask the first host of each path and combo, too, to let us in over SSH."
)
@_options.as_json
def command(plan: Path | None, journal: str | None, reach: bool, as_json: bool) -> int:
    """Look at this machine, and at what a plan needs of it.

    Each line: whether it is well, the value, where it comes from, and what to do. Without --reach no host is asked anything. Ends with 1 when something is bad.
    """
    situation, about_plan = _situation(plan, journal, _source_of_journal())
    checks = _checks(reach=reach)
    found = {
        title: [one for check in of_it for one in _carefully(check, situation)]
        for title, of_it in checks.items()
    }
    found = {"plan": about_plan, **found}
    for title, findings in found.items():
        _show(title, findings, as_json=as_json)
    count = Counter(one.word for findings in found.values() for one in findings)
    if not as_json:
        click.echo(f"{count['ok']} ok, {count['warn']} to look at, {count['bad']} bad")
    return 1 if count["bad"] else 0


def _source_of_journal() -> str:
    said = click.get_current_context().get_parameter_source("journal")
    if said is ParameterSource.COMMANDLINE:
        return "--journal"
    return "ROLLOUT_JOURNAL" if said is ParameterSource.ENVIRONMENT else "the default"


def _checks(*, reach: bool) -> dict[str, list[Check]]:
    """By title, in the order in which they are shown."""
    from rollout.cli._doctor import machine, questions, record, toolchain, ways

    return {
        "toolchain": [toolchain.python, toolchain.libraries, toolchain.programs, toolchain.collections],
        "ssh": [ways.client, ways.agent, partial(ways.ways, reach=reach)],
        "gates": [questions.gates],
        "journal": [record.record, record.state],
        "machine": [machine.clock, machine.encoding, machine.files, machine.processes, machine.memory],
    }


def _situation(plan_file: Path | None, given: str | None, source: str) -> tuple[Situation, list[Finding]]:
    """What can be known of the plan, and how far that goes."""
    from rollout.cli import _compiling, _runs
    from rollout.errors import PlanInvalid, RolloutError

    folder = plan_file.absolute().parent if plan_file is not None else Path.cwd()
    found = Situation(folder, _runs.where(given, plan_file), source)
    if plan_file is None:
        return found, []
    try:
        plan = _compiling.read_plan(plan_file)
        found = replace(found, plan=plan)
        inventory = _compiling.resolve(plan)
        found = replace(found, inventory=inventory)
        graph = _compiling.compiled(plan, inventory).graph
    except PlanInvalid as error:
        value, advice = (
            f"{plan_file}: {counted(len(error.problems), 'mistake')}",
            f"rollout validate {quote(str(plan_file))}",
        )
        return found, [Finding("bad", "plan", value, "its files", advice)]
    except (RolloutError, OSError) as error:
        return found, [Finding("bad", "plan", f"{plan_file}: cannot be checked", "its inventory", str(error))]
    value = f"{plan_file}: no mistakes, {counted(len(graph.nodes), 'host')} to upgrade"
    return replace(found, graph=graph), [Finding("ok", "plan", value, "its files and inventory")]


def _carefully(check: Check, situation: Situation) -> Iterator[Finding]:
    """What could not be looked at is never well."""
    from rollout.errors import RolloutError

    name = getattr(check, "func", check).__name__
    try:
        yield from check(situation)
    except (RolloutError, OSError, subprocess.SubprocessError) as error:
        yield Finding("bad", name, "could not be found out", "", str(error))


def _show(title: str, findings: list[Finding], *, as_json: bool) -> None:
    if as_json:
        for one in findings:
            click.echo(json.dumps({"type": "finding", "about": title, **asdict(one)}))
        return
    if not findings:
        return
    click.echo(title)
    rows = [[one.word, plain(one.name), f"{plain(one.value)}  ({plain(one.source)})"] for one in findings]
    for one, line in zip(findings, table(rows), strict=True):
        click.echo(line)
        if one.advice:
            for number, words in enumerate(one.advice.split("\n")):
                click.echo(f"        {'what to do: ' if not number else ''}{plain(words, 2000)}")
