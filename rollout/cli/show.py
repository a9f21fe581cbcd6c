"""`rollout show`."""

from pathlib import Path

import click

from rollout.cli import _compiling, _options
from rollout.errors import UsageError
from rollout.report import plans


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@_options.as_json
def command(file: Path, as_json: bool) -> None:
    """Show a saved plan.

    The text that `rollout plan -o FILE` printed when it wrote the file.
    """
    found = _compiling.source(file).saved
    if found is None:
        raise UsageError(f"{file} is not a saved plan: `rollout plan PLAN -o FILE` writes one")
    if as_json:
        for line in plans.json_lines(found):
            click.echo(line)
    else:
        click.echo(plans.text(found), nl=False)
