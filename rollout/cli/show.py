"""`rollout show`."""

from pathlib import Path

import click

from rollout.cli import _compiling, _options, _showing
from rollout.errors import UsageError


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@_options.form
@_options.as_json
def command(file: Path, form: str, as_json: bool) -> None:
    """Show a saved plan.

    What `rollout plan -o FILE` printed when it wrote the file; windows and waivers as they are now.
    """
    found = _compiling.source(file).saved
    if found is None:
        raise UsageError(f"{file} is not a saved plan: `rollout plan PLAN -o FILE` writes one")
    _showing.show(found, "json" if as_json else form)
