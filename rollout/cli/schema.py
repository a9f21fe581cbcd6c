"""`rollout schema`."""

from pathlib import Path

import click

from rollout.errors import UsageError


@click.command()
@click.argument("what", type=click.Choice(["plan", "risks", "compat", "gate"]), default="plan")
@click.argument("kind", required=False)
@click.option(
    "-o", "--output", type=click.Path(path_type=Path, dir_okay=False), help="Write it to this file."
)
def command(what: str, kind: str | None, output: Path | None) -> None:
    """Print the JSON Schema of a plan, for editors.

    Or of files of risks, of compatibility data, or of a gate. Editors complete and explain with it: put `# yaml-language-server: $schema=FILE` in the first line of a plan. `gate KIND` is one kind alone.
    """
    from rollout.plan import published

    if kind is not None and what != "gate":
        raise UsageError(f"{what} has no kinds: `rollout schema {what}`")
    text = published.text(next(one for one in published.WHAT if one == what), kind)
    if output is None:
        click.echo(text, nl=False)
        return
    try:
        output.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{output}: {error.strerror}") from error
    click.echo(f"wrote {output}: begin a file with `# yaml-language-server: $schema={output.name}`")
