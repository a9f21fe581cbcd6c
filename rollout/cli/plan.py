"""`rollout plan`."""

import os
import sys
from pathlib import Path

import click

from rollout.cli import _compiling, _options
from rollout.errors import HAS_CHANGES
from rollout.report import plans


@click.command()
@_options.plan
@click.option(
    "-o",
    "--out",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Save the plan, to be shown and applied as it is.",
)
@_options.allow_unknown
@_options.as_json
@click.option("--probe", is_flag=True, help="Ask the hosts what they are first; it changes nothing on them.")
@click.option("--detailed-exitcode", is_flag=True, help="Exit with 2 when there are hosts to upgrade.")
def command(
    plan: Path, out: Path | None, as_json: bool, probe: bool, detailed_exitcode: bool, allow_unknown: bool
) -> int:
    """Show which host is upgraded when, and what is not touched.

    Reads the plan, the playbooks and the inventory; without --probe it reaches no host.
    """
    _, _, compiled = _compiling.graph_of(plan, allow_unknown=allow_unknown, probe=probe)
    if out is not None:
        _compiling.write_saved(out, compiled)
    try:
        if as_json:
            for line in plans.json_lines(compiled):
                click.echo(line)
        else:
            click.echo(plans.text(compiled), nl=False)
    except BrokenPipeError:  # whoever reads it has seen enough; the exit code is for the one who asked
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return HAS_CHANGES if detailed_exitcode and compiled.graph.nodes else 0
