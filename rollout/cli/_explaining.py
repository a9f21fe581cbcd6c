"""`rollout plan --explain HOST`."""

import time
from difflib import get_close_matches
from typing import TYPE_CHECKING

import click

from rollout.cli import _compiling
from rollout.errors import UsageError
from rollout.model.plan import Plan
from rollout.report import story
from rollout.report.plain import plain
from rollout.report.saved import Compiled

if TYPE_CHECKING:
    from rollout.plan.inventory import Inventory


def explain(plan: Plan, inventory: "Inventory", compiled: Compiled, name: str, *, as_json: bool) -> None:
    """The host's whole story. Raises UsageError, with the nearest name, for one that the plan does not select."""
    from rollout.graph.account import account
    from rollout.plan.fleet import fleet

    host = next((host for host in fleet(plan, inventory).hosts if host.name == name), None)
    if host is None:
        raise UsageError(_unknown(plan, inventory, name))
    given = _compiling.given(compiled.graph.allow_unknown)
    parts = (
        compiled.graph,
        story.subject(plan, host, inventory.groups(name), inventory.variables(name)),
        account(plan, host, given),
        time.time(),
    )
    if as_json:
        click.echo(story.as_json(*parts))
    else:
        click.echo(story.text(*parts), nl=False)


def _unknown(plan: Plan, inventory: "Inventory", name: str) -> str:
    if name in inventory.all_hosts:
        return f"{plain(name)} is in the inventory, but the pattern {plain(plan.hosts)!r} does not select it"
    close = get_close_matches(name, inventory.all_hosts, 1)
    hint = f"; did you mean {plain(close[0])!r}?" if close else ""
    return f"the inventory has no host {plain(name)!r}{hint}"
