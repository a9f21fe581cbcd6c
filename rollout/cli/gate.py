"""`rollout gate`: one gate now, waive one, write a new kind."""

from pathlib import Path

import click

from rollout.cli import _options


@click.group()
def command() -> None:
    """Ask one gate now, waive one, or write a new kind."""


@command.command()
@_options.plan
@click.argument("gate")
@click.option(
    "--host", metavar="H", help="The host that is asked; of a gate about many, those that it is among."
)
@click.option("--combo", metavar="C", help="Of a gate about the fleet: the hosts of this combo.")
@click.option(
    "--about",
    metavar="FACTOR=VALUE|WAVE",
    help="Of a gate about the fleet: the hosts with this value, or of this wave.",
)
@click.option(
    "--run",
    metavar="NAME",
    help="Hosts as they stand in this run of the journal, and what the gate saw in it before.",
)
@_options.journal
@click.option("--remember", is_flag=True, help="Ask what is asked before the first disruptive step.")
@click.option("--yes", is_flag=True, help="Ask a gate that disturbs the host (a boot, say), too.")
@_options.allow_unknown
@_options.as_json
def test(
    plan: Path,
    gate: str,
    *,
    host: str | None,
    combo: str | None,
    about: str | None,
    run: str | None,
    journal: str | None,
    remember: bool,
    yes: bool,
    allow_unknown: bool,
    as_json: bool,
) -> int:
    """Ask a gate of the plan now, as a controller would.

    Prints the answer, why, what it saw, and the link. Nothing is written to a journal. Exit code 0: it passes; 1: any other answer.
    """
    from rollout.cli import _gate_asking
    from rollout.cli._gate_asking import Wanted

    wanted = Wanted(gate, host, combo, about, remember, yes)
    return _gate_asking.ask(plan, wanted, journal, run, allow_unknown=allow_unknown, as_json=as_json)


@command.command()
@click.argument("name")
@_options.reason
@_options.journal
@_options.run
def waive(name: str, reason: str, journal: str | None, run: str | None) -> None:
    """End what a gate decides in a run.

    It is asked and recorded on, and decides nothing any more in this run. That cannot be taken back. A gate that rollout adds cannot be waived.
    """
    from rollout.cli import _gate_waiving

    _gate_waiving.waive(name, reason, journal, run)


@command.command()
@click.argument("name")
@click.option(
    "--fleet", is_flag=True, help="A kind that asks something else than the host, about many hosts."
)
@click.option(
    "--to",
    "folder",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path(),
    help="The folder of the file.  [default: the current one]",
)
def new(name: str, fleet: bool, folder: Path) -> None:
    """Write the file of a new kind, and say how to register it."""
    from rollout.cli import _gate_file

    _gate_file.write(name, folder, fleet=fleet)


@command.command()
@_options.as_json
def kinds(as_json: bool) -> None:
    """List the kinds of gates that are installed here."""
    from rollout.cli import _gate_file

    _gate_file.kinds_listed(as_json=as_json)
