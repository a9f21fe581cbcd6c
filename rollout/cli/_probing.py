"""`--probe`: the hosts are asked what they are, many at a time; what they say is kept beside the plan."""

import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import click

from rollout.cli import _compiling
from rollout.engine.inbox import Inbox
from rollout.model.chain import Step
from rollout.model.plan import Plan
from rollout.model.seams import Ending, Order, Outcome
from rollout.report.plain import counted, listed, plain

if TYPE_CHECKING:
    from rollout.plan.inventory import Inventory

RUN = "probe"
TIMEOUT = 120.0
"""Seconds that a host may take."""

SHOWN = 20
"""Hosts that could not be asked and are named, each with its reason."""


def ask(plan: Plan, inventory: "Inventory") -> None:
    """Ask the plan's hosts. One that cannot be asked keeps what an earlier probe has found, and is named on standard error."""
    from rollout.plan import probes
    from rollout.plan.hostvars import address_of

    state = _compiling.state_directory(Path(plan.file))
    found: dict[str, probes.Record] = {}
    silent: dict[str, str] = {}
    for host, outcome in _outcomes(plan, inventory, state).items():
        facts = probes.facts_of(outcome.found)
        if outcome.ending is Ending.DONE and facts:
            found[host] = probes.Record(round(time.time()), address_of(inventory.variables(host)), facts)
        else:
            silent[host] = (
                f"{outcome.ending}, {outcome.because}" if outcome.because else "it did not say what it is"
            )
    probes.keep(state, found)
    _tell(len(inventory.hosts), silent, probes.load(state, frozenset()))


def _outcomes(plan: Plan, inventory: "Inventory", state: Path) -> dict[str, Outcome]:
    """By host, in the inventory's order."""
    from rollout.executors.scratch import scratch
    from rollout.executors.sweep import Sweep

    folder = Path(plan.file).absolute().parent
    step = Step("probe", playbook=str(playbook(folder)), timeout=TIMEOUT)
    orders = [Order(RUN, host, step, 1, 0) for host in inventory.hosts]
    inbox, found = Inbox(), dict[str, Outcome]()
    with scratch(state, RUN) as units:
        sweep = Sweep(units, inventory.variables, inventory.groups, folder, processes=plan.limits.controller)
        try:
            sweep.run(orders, inbox.post)
            while len(found) < len(orders):
                message = inbox.get(None)
                if isinstance(message, Outcome):
                    found[message.host] = message
        finally:  # also after Ctrl-C: the folder goes, so nothing may go on in it
            sweep.close()
    return {host: found[host] for host in inventory.hosts}


def playbook(folder: Path) -> Path:
    """The probe that stands beside the plan, as `rollout init` copies it, or the shipped one."""
    from rollout.cli.init import shipped_playbooks

    own = folder / "playbooks" / "probe.yml"
    return own if own.is_file() else shipped_playbooks() / "probe.yml"


def _tell(asked: int, silent: Mapping[str, str], known: Mapping[str, object]) -> None:
    """On standard error: standard output is the plan's."""
    click.echo(f"probed {asked - len(silent)} of {counted(asked, 'host')}", err=True)
    for host, because in list(silent.items())[:SHOWN]:
        older = "; what an earlier probe has found stays" if host in known else ""
        click.echo(f"  {plain(host)} could not be asked: {plain(because)}{older}", err=True)
    if len(silent) > SHOWN:
        click.echo(f"  and {listed(list(silent)[SHOWN:])}", err=True)
