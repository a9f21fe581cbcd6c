"""`rollout compat`: compatibility files, apart from plans."""

from pathlib import Path

import click

_FILE = click.Path(path_type=Path)


@click.group()
def command() -> None:
    """Check compatibility files, or write one out of Leapp's list."""


@command.command()
@click.argument("files", metavar="FILE...", nargs=-1, required=True, type=_FILE)
def check(files: tuple[Path, ...]) -> None:
    """Report every mistake of compatibility files and folders.

    Versions are taken as dotted: how a plan orders those of its factors is not known here.
    """
    from rollout.errors import PlanInvalid, UsageError
    from rollout.plan import compat
    from rollout.plan.files import yaml_files

    problems, told = [], []
    for named in files:
        found = yaml_files(named)
        if not found:
            raise UsageError(f"{named}: there is no YAML file")
        for file in found:
            rows, wrong = compat.read_file(file)
            problems += wrong
            told.append(f"{file}: {len(rows)} {'row' if len(rows) == 1 else 'rows'}")
    if problems:
        raise PlanInvalid(problems)
    click.echo("\n".join(told))


@command.command("import-leapp")
@click.argument("file", type=_FILE)
@click.option(
    "--to",
    "releases",
    metavar="RELEASE",
    multiple=True,
    required=True,
    help="Where hosts go, as rhel-9 or rocky-9; may be repeated.",
)
@click.option(
    "--factor", default="os", show_default=True, help="The plan's factor that holds the release, as rhel-9."
)
@click.option("-o", "--output", type=_FILE, help="The file to write; else it is printed.")
def import_leapp(file: Path, releases: tuple[str, ...], factor: str, output: Path | None) -> None:
    """Write Leapp's device_driver_deprecation_data.json as rows.

    What the release does not have is blocked; what it does not maintain is unknown. The facts asked for are pci, cpu and driver, as a probe tells them.
    """
    from rollout.errors import UsageError
    from rollout.plan import leapp, scalars

    if not scalars.NAME.fullmatch(factor):
        raise UsageError(f"{factor!r} is no name of a factor")
    done = leapp.convert(file, releases, factor)
    if output is None:
        click.echo(done.text, nl=False)
    else:
        try:
            output.write_text(done.text, encoding="utf-8")
        except OSError as error:
            raise UsageError(f"{output}: {error.strerror}") from error
    if done.left_out:
        click.echo(f"{len(done.left_out)} of its entries could not be converted", err=True)
