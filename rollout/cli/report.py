"""`rollout report`."""

from collections.abc import Iterable
from pathlib import Path

import click

from rollout.cli import _approved, _compiling, _options, _runs, _writing
from rollout.errors import UsageError
from rollout.journal import Journal, RunRow
from rollout.report import run_report
from rollout.report.plain import plain
from rollout.report.run_report import HostTold, RunReport

FORMS = ("markdown", "html", "junit", "annotations")


@click.command()
@click.argument("plan", type=click.Path(path_type=Path), required=False)
@click.option(
    "--format",
    "form",
    type=click.Choice(FORMS),
    default="markdown",
    show_default=True,
    help="For a merge request or a ticket, as a page, as JUnit's XML, or as links for GitLab's job page.",
)
@_options.forms_written(*FORMS)
@_options.journal
@_options.run
def command(
    plan: Path | None, form: str, written: dict[Path, str], journal: str | None, run: str | None
) -> None:
    """Tell how a run went, or goes, for whoever was not there.

    Waves, hosts that wait for a person, failures by cause, what gates refused, who approved, and what changed its course. PLAN: the newest run
    of that plan. With --write nothing is shown.
    """
    used = _runs.where(journal, plan)
    with _runs.existing(used) as book:
        name = None if plan is None else _compiling.read_plan(plan).name
        row = book.run(run) if name is None or run is not None else _runs.newest(book, name)
        if row is None:
            click.echo(f"nothing to report: no run of plan {plain(name)} has begun", err=True)
            return
        if name is not None and row.plan != name:
            raise UsageError(f"run {plain(row.id)} is of plan {plain(row.plan)}, not of {plain(name)}")
        report = _read(book, row, used)
    for path, kind in written.items():
        _writing.whole(path, _text(report, kind))
    if not written:
        click.echo(_text(report, form), nl=False)


def _text(report: RunReport, form: str) -> str:
    if form == "html":
        from rollout.report.run_html import html

        return html(report)
    if form in {"junit", "annotations"}:
        from rollout.report import run_junit

        return run_junit.junit(report) if form == "junit" else run_junit.annotations(report)
    return run_report.markdown(report)


def _read(book: Journal, row: RunRow, used: str) -> RunReport:
    from rollout.report import failures, standing
    from rollout.report.causes import causes, told

    graph, options = book.graph(row.id), _runs.options(used)
    found = causes([told(row.id, graph, book.events(row.id))])
    turns, refused = run_report.read_events(book.events(row.id))
    state = _runs.folded(book, row.id)
    hosts = [
        HostTold(
            name, node.wave, host.status, host.step or "", host.because, sum(host.spent.values()), host.since
        )
        for name, node in graph.nodes.items()
        if (host := state.hosts.get(name)) is not None
    ]
    hosts += [
        HostTold(left.name, left.wave, left.status, left.step or "", left.because, 0.0, left.since)
        for left in book.hosts(row.id)
        if left.name not in graph.nodes  # by an amendment: what happened to it before did happen
    ]
    return RunReport(
        row.id,
        graph,
        standing.text(_runs.standing(book, row), options).splitlines(),
        list(failures.text(found, {})) if found else [],
        hosts,
        turns,
        refused,
        list(_approvals(book, row)),
        run_report.counts_of(hosts),
    )


def _approvals(book: Journal, row: RunRow) -> Iterable[str]:
    """Of exactly its plan, before it began or for it to go on."""
    for one in reversed(book.approvals(row.plan)):
        if one.run in {None, row.id} and (one.run == row.id or one.digest == row.digest):
            yield f"{_approved.told_of(one)} digest {one.digest[: _approved.SHORT]}: {plain(one.because)}"
