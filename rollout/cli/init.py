"""`rollout init`."""

import shutil
from collections.abc import Iterable
from pathlib import Path

import click

import rollout
from rollout.errors import RolloutError, UsageError

TEMPLATES = Path(__file__).parent / "templates"
SKIPPED = shutil.ignore_patterns("__pycache__", "*.pyc", "*.retry")


@click.command()
@click.argument("directory", type=click.Path(path_type=Path, file_okay=False), default=Path())
@click.option("--from", "source", metavar="INVENTORY", help="Draft the plan for the hosts of this inventory.")
@click.option(
    "--hosts", metavar="PATTERN", help="With --from: the hosts, as Ansible names them.  [default: all]"
)
@click.option(
    "--probe", is_flag=True, help="With --from: ask the hosts what they are; it changes nothing on them."
)
@click.option("--force", is_flag=True, help="Overwrite what is there.")
def command(directory: Path, source: str | None, hosts: str | None, probe: bool, force: bool) -> None:
    """Write a commented plan, an example inventory and the playbooks.

    Into DIRECTORY, by default the current one. The playbooks are yours from then on: change them as you need. With --from the plan is drafted
    for your inventory: the combinations that there are, with their hosts.
    """
    if source is not None:
        from rollout.cli import _drafting

        _drafting.write(directory, source, hosts or "all", probe=probe, force=force)
        return
    if hosts is not None or probe:
        raise UsageError("--hosts and --probe need --from INVENTORY")
    pieces = {
        "plan.yml": TEMPLATES / "plan.yml",
        "inventory.yml": TEMPLATES / "inventory.yml",
        "playbooks": shipped_playbooks(),
    }
    refuse_if_there(directory, pieces, force=force)
    try:
        directory.mkdir(parents=True, exist_ok=True)
        for name, origin in pieces.items():
            if origin.is_dir():
                copy_playbooks(directory)
            else:
                shutil.copyfile(origin, directory / name)
    except OSError as error:
        raise RolloutError(f"{error.filename or directory}: {error.strerror or error}") from error
    click.echo(f"wrote {', '.join(str(directory / name) for name in pieces)}")
    click.echo(
        f"next: edit them, then `rollout validate {directory / 'plan.yml'}` and `rollout plan {directory / 'plan.yml'}`"
    )


def refuse_if_there(directory: Path, names: Iterable[str], *, force: bool) -> None:
    """Raises UsageError for what would be overwritten."""
    there = [name for name in names if (directory / name).exists()]
    if there and not force:
        raise UsageError(
            f"{', '.join(str(directory / name) for name in there)}: already there; --force overwrites"
        )


def copy_playbooks(directory: Path) -> None:
    """The shipped ones, into the folder beside the plan."""
    shutil.copytree(shipped_playbooks(), directory / "playbooks", dirs_exist_ok=True, ignore=SKIPPED)


def shipped_playbooks() -> Path:
    """In an installed package, or in a checkout."""
    package = Path(rollout.__file__).parent
    for path in (package / "shipped" / "playbooks", package.parent / "playbooks"):
        if (path / "upgrade.yml").is_file():
            return path
    raise RolloutError("the playbooks are missing from this installation of rollout")
