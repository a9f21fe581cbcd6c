"""`rollout lab`: the virtual data centre on this machine."""

import json
import os
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from rollout.errors import UsageError

if TYPE_CHECKING:
    from rollout.lab import Lab

_directory = click.option(
    "--dir",
    "directory",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path(".rollout/lab"),
    show_default=True,
    help="Where the lab is.",
)
_command = click.argument("words", metavar="CMD...", nargs=-1, required=True, type=click.UNPROCESSED)
_VERBATIM = {"ignore_unknown_options": True, "allow_interspersed_args": False}


@click.group()
def command() -> None:
    """Real SSH hosts on this machine, with faults.

    The hosts share this machine's kernel: a green rehearsal proves plan, packages, order and gates, not that hardware boots.
    """


def _lab(directory: Path) -> "Lab":
    from rollout.lab import Lab

    return Lab(directory)


@command.command()
@click.option("--hosts", type=click.IntRange(1, 1000), help="So many hosts in three combos.  [default: 3]")
@click.option(
    "--spec", type=click.Path(path_type=Path, dir_okay=False), help="A YAML file that lists the hosts."
)
@click.option(
    "--engine",
    type=click.Choice(["light", "systemd"]),
    default="light",
    show_default=True,
    help="What a host's PID 1 is: a shell, or systemd, which takes longer and more memory.",
)
@_directory
def up(hosts: int | None, spec: Path | None, engine: Literal["light", "systemd"], directory: Path) -> None:
    """Start a lab and wait until every host answers SSH."""
    from rollout.lab import read_spec

    if hosts and spec:
        raise UsageError("--hosts and --spec exclude each other")
    lab = _lab(directory)
    specs = read_spec(spec) if spec else hosts or 3
    status = lab.up(specs, engine=engine, say=lambda line: click.echo(line, err=True))
    click.echo(f"{len(status.hosts)} hosts are up; inventory: {_short(lab.inventory)}")
    click.echo("They answer inside the lab's network: rollout lab exec -- ansible -i INVENTORY all -m ping")


@command.command()
@_directory
def down(directory: Path) -> None:
    """End the lab and remove what it wrote, also what a killed one left."""
    click.echo("the lab is down" if _lab(directory).down() else f"no lab in {directory}")


@command.command()
@click.option("--json", "as_json", is_flag=True, help="One JSON object a host.")
@_directory
def status(as_json: bool, directory: Path) -> None:
    """Show the hosts, their power and their faults."""
    found = _lab(directory).status()
    if as_json:
        for host in found.hosts:
            click.echo(json.dumps(asdict(host)))
        return
    width = max(len(host.name) for host in found.hosts)
    for host in found.hosts:
        faults = ", ".join(host.faults)
        line = f"{host.name:{width}}  {host.address:15}  {host.state:7}  {host.boots:3} boots  {faults}"
        click.echo(line.rstrip())
    if not found.fakes_kernels:
        click.echo(
            "uname -r on hosts shows this machine's kernel: no C compiler was there when the releases were built"
        )


@command.command(context_settings=_VERBATIM)
@_directory
@click.argument("host")
@_command
def run(directory: Path, host: str, words: tuple[str, ...]) -> None:
    """Run a command on a host through its console, whatever its network does: rollout lab run HOST -- CMD."""
    _become(_lab(directory).on(host, words[1:] if words[0] == "--" else words))


@command.command("exec", context_settings=_VERBATIM)
@_directory
@_command
def exec_(directory: Path, words: tuple[str, ...]) -> None:
    """Run a command of this machine inside the lab's network, where the hosts answer: rollout lab exec -- ssh ..."""
    _become(_lab(directory).inside(words))


@command.command()
@_directory
@click.argument("host")
@click.argument("kind", metavar="KIND")
@click.option("--clear", is_flag=True, help="Undo the fault.")
@click.option("--after", type=click.FloatRange(min=0), default=0.0, help="Strike so many seconds from now.")
@click.option(
    "--during", type=click.Choice(["dpkg"]), help="Strike when dpkg configures the release's base package."
)
@click.option(
    "--seconds",
    type=click.FloatRange(min=0),
    default=20.0,
    show_default=True,
    help="How slow a slow-boot is.",
)
def fault(
    directory: Path, host: str, kind: str, *, clear: bool, after: float, during: str | None, seconds: float
) -> None:
    """Set a fault on a host, or clear it; `rollout lab faults` lists the kinds."""
    lab = _lab(directory)
    if clear:
        lab.clear(host, kind)
    else:
        lab.fault(host, kind, after=after, during="dpkg" if during else None, seconds=seconds)


@command.command()
def faults() -> None:
    """List the kinds of faults."""
    from rollout.lab import KINDS

    for name, kind in KINDS.items():
        click.echo(f"{name:14} {kind.says} ({'until cleared' if kind.lasts else 'until the next boot'})")


@command.command()
@_directory
@click.argument("host")
@click.argument("action", type=click.Choice(["on", "off", "cycle"]))
def power(directory: Path, host: str, action: str) -> None:
    """Use a host's power switch."""
    lab = _lab(directory)
    match action:
        case "on" | "off" | "cycle":
            lab.power(host, action)


@command.command()
@_directory
@click.argument("host")
def console(directory: Path, host: str) -> None:
    """Show what a host has said on its console."""
    click.echo(_lab(directory).console(host), nl=False)


def _become(words: list[str]) -> None:
    """Become that command: its exit code, signals and terminal are its own."""
    sys.stdout.flush()
    os.execvp(words[0], words)  # noqa: S606  # no shell is wanted


def _short(path: Path) -> Path:
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path
