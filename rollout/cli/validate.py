"""`rollout validate`."""

from pathlib import Path

import click

from rollout.cli import _compiling, _options
from rollout.report.plain import counted


@click.command()
@_options.plan
def command(plan: Path) -> None:
    """Check a plan and its inventory; report every mistake.

    Each mistake with file, line and column, one a line; exit code 65.
    """
    _, _, compiled = _compiling.graph_of(plan)
    graph = compiled.graph
    combos = sum(1 for combo in graph.combos.values() if combo.hosts)
    click.echo(
        f"{plan}: no mistakes; {counted(len(graph.nodes), 'host')} to upgrade in {counted(combos, 'combo')}, "
        f"{len(graph.untouched)} not touched"
    )
