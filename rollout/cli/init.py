"""`rollout init`."""

import shutil
from pathlib import Path

import click

import rollout
from rollout.errors import RolloutError, UsageError

TEMPLATES = Path(__file__).parent / "templates"
SKIPPED = shutil.ignore_patterns("__pycache__", "*.pyc", "*.retry")


@click.command()
@click.argument("directory", type=click.Path(path_type=Path, file_okay=False), default=Path())
@click.option("--force", is_flag=True, help="Overwrite what is there.")
def command(directory: Path, force: bool) -> None:
    """Write a commented plan, an example inventory and the playbooks.

    Into DIRECTORY, by default the current one. The playbooks are yours from then on: change them as you need.
    """
    pieces = {
        "plan.yml": TEMPLATES / "plan.yml",
        "inventory.yml": TEMPLATES / "inventory.yml",
        "playbooks": shipped_playbooks(),
    }
    there = [name for name in pieces if (directory / name).exists()]
    if there and not force:
        raise UsageError(
            f"{', '.join(str(directory / name) for name in there)}: already there; --force overwrites"
        )
    try:
        directory.mkdir(parents=True, exist_ok=True)
        for name, origin in pieces.items():
            if origin.is_dir():
                shutil.copytree(origin, directory / name, dirs_exist_ok=True, ignore=SKIPPED)
            else:
                shutil.copyfile(origin, directory / name)
    except OSError as error:
        raise RolloutError(f"{error.filename or directory}: {error.strerror or error}") from error
    click.echo(f"wrote {', '.join(str(directory / name) for name in pieces)}")
    click.echo(
        f"next: edit them, then `rollout validate {directory / 'plan.yml'}` and `rollout plan {directory / 'plan.yml'}`"
    )


def shipped_playbooks() -> Path:
    """In an installed package, or in a checkout."""
    package = Path(rollout.__file__).parent
    for path in (package / "shipped" / "playbooks", package.parent / "playbooks"):
        if (path / "upgrade.yml").is_file():
            return path
    raise RolloutError("the playbooks are missing from this installation of rollout")
