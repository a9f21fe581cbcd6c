"""`rollout diff`."""

from pathlib import Path

import click

from rollout.cli import _compiling, _options
from rollout.errors import HAS_CHANGES
from rollout.model.graph import Graph
from rollout.report import diff
from rollout.report.comparison import compare


@click.command()
@click.argument("before", metavar="A", type=click.Path(path_type=Path))
@click.argument("after", metavar="[B]", type=click.Path(path_type=Path), required=False)
@_options.form
@click.option("--exit-code", is_flag=True, help="Exit with 2 when they differ.")
def command(before: Path, after: Path | None, form: str, exit_code: bool) -> int:
    """Show what differs between two plans, or a saved plan and now.

    A and B are saved plans (`rollout plan -o`) or plan files, which are compiled as they are now. Without B, a saved
    plan is compared with its plan file now: with what `rollout apply` would refuse.
    """
    first = _compiling.source(before)
    second = _compiling.source(after) if after is not None else _compiling.Source(first.plan_file)
    unknown = any(source.saved is not None and source.saved.graph.allow_unknown for source in (first, second))
    found = compare(_graph(first, allow_unknown=unknown), _graph(second, allow_unknown=unknown))
    if form == "json":
        for line in diff.json_lines(found):
            click.echo(line)
    else:
        click.echo(diff.markdown(found) if form == "markdown" else diff.text(found), nl=False)
    return HAS_CHANGES if exit_code and found.differs else 0


def _graph(source: _compiling.Source, *, allow_unknown: bool) -> Graph:
    """As it was saved; or compiled now, as the saved one that it is compared with."""
    if source.saved is not None:
        return source.saved.graph
    return _compiling.graph_of(source.plan_file, allow_unknown=allow_unknown)[2].graph
