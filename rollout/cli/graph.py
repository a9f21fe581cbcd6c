"""`rollout graph`."""

from pathlib import Path

import click

from rollout.cli import _compiling, _options
from rollout.errors import UsageError
from rollout.report import drawn


@click.command()
@click.argument("plan", metavar="PLAN|SAVED", type=click.Path(path_type=Path))
@click.option(
    "--format",
    "form",
    type=click.Choice(["mermaid", "dot"]),
    default="mermaid",
    show_default=True,
    help="Mermaid for merge requests, or DOT for Graphviz.",
)
@click.option("-o", "--out", type=click.Path(path_type=Path, dir_okay=False), help="Write it to this file.")
@_options.allow_unknown
def command(plan: Path, form: str, out: Path | None, allow_unknown: bool) -> None:
    """Draw the waves of a plan, and what waits for what.

    Collapsed until a person can take it in: a Mermaid chart has at most 2,000 characters, whatever the fleet.
    """
    source = _compiling.source(plan)
    compiled = source.saved or _compiling.graph_of(source.plan_file, allow_unknown=allow_unknown)[2]
    text = drawn.dot(compiled.graph) if form == "dot" else drawn.mermaid(compiled.graph)
    if out is None:
        click.echo(text, nl=False)
        return
    try:
        out.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{out}: {error.strerror}") from error
