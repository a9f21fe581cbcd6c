"""`rollout init --from`: a plan that is drafted for an inventory, with what an editor and a first run need beside it."""

import os
import re
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from rollout.cli import _compiling, _probing
from rollout.cli.init import copy_playbooks, refuse_if_there
from rollout.errors import PlanInvalid, RolloutError, UsageError
from rollout.model.plan import Plan
from rollout.report.plain import counted, plain

if TYPE_CHECKING:
    from rollout.plan.drafting import Draft
    from rollout.plan.inventory import Inventory

PLAN, SCHEMA, PLAYBOOKS = "plan.yml", "plan.schema.json", "playbooks"


def write(directory: Path, source: str, hosts: str, *, probe: bool, force: bool) -> None:
    """Into the directory. Playbooks that are there stay as they are, unless forced. Raises UsageError before the plan is written."""
    from rollout.plan.files import is_there

    refuse_if_there(directory, (PLAN, SCHEMA), force=force)
    is_list = "," in source and not is_there(Path(source))
    if not is_list and not is_there(Path(source)):
        raise UsageError(f"inventory {plain(source)} does not exist")
    try:
        directory.mkdir(parents=True, exist_ok=True)
        relative = source if is_list else os.path.relpath(source, directory)
        empty = Plan(_name(hosts), str(directory / PLAN), (relative,), hosts, {}, (), ())
        found = _asked(empty, probe=probe)
        draft = _draft(empty, found, probe=probe)
        _write(directory, empty, draft, found, force=force)
    except OSError as error:
        raise RolloutError(f"{error.filename or directory}: {error.strerror or error}") from error
    _tell(directory, found, draft)


def _asked(empty: Plan, *, probe: bool) -> "Inventory":
    """The hosts, and what probes have found of them."""
    from rollout.plan import drafting, inventory

    wanted = drafting.wanted(empty)
    state = _compiling.state_directory(Path(empty.file))
    ask = partial(_probing.ask, wanted) if probe else lambda _inventory: None
    try:
        return inventory.resolve(wanted, state, ask)
    except (
        PlanInvalid
    ) as error:  # of the pattern, or of hosts' names: there is no plan yet that could be at fault
        raise UsageError("; ".join(problem.message for problem in error.problems)) from error


def _draft(empty: Plan, found: "Inventory", *, probe: bool) -> "Draft":
    from rollout.plan import drafting

    if not found.hosts:
        raise UsageError(
            f"the pattern {plain(empty.hosts)} selects no host of {plain(', '.join(empty.inventory))}"
        )
    draft = drafting.draft(empty, found)
    if "os" not in draft.factors:
        known = ", ".join(drafting.KNOWN["os"][:3])
        way = "no host could be asked" if probe else "--probe asks the hosts"
        raise UsageError(
            f"nothing in the inventory tells what the hosts run (a host variable such as {known}); {way}"
        )
    return draft


def _write(directory: Path, empty: Plan, draft: "Draft", found: "Inventory", *, force: bool) -> None:
    from rollout.plan import drafted, published

    counts = {host: found.probed[host].text("guests") for host in found.hosts if host in found.probed}
    guests = {host: int(count) for host, count in counts.items() if count and count.isdecimal()}
    text = drafted.text(empty.name, empty.inventory[0], empty.hosts, draft, guests)
    (directory / PLAN).write_text(text, encoding="utf-8")
    (directory / SCHEMA).write_text(published.text("plan"), encoding="utf-8")
    if force or not (directory / PLAYBOOKS).exists():
        copy_playbooks(directory)


def _name(hosts: str) -> str:
    """Of the group, if the pattern is one."""
    return f"{hosts}-upgrade" if re.fullmatch(r"[A-Za-z][A-Za-z0-9_-]{0,40}", hosts) else "my-upgrade"


def _tell(directory: Path, found: "Inventory", draft: "Draft") -> None:
    from rollout.plan.drafted import blanks

    plan = directory / PLAN
    unplaced = len(found.hosts) - sum(len(combo.hosts) for combo in draft.combos)
    click.echo(f"wrote {plan}, {directory / SCHEMA} and {directory / PLAYBOOKS}")
    words = [f"{counted(len(found.hosts), 'host')} in {counted(len(draft.combos), 'combo')}"]
    words += [f"{unplaced} in none, for they lack a factor"] if unplaced else []
    words += [f"{counted(len(draft.contradicted), 'host')} not what the inventory says (drift: not touched until both agree)"] if draft.contradicted else []  # fmt: skip
    words += (
        [f"{' and '.join(draft.renamed)} called otherwise by the probe: `match` takes both names"]
        if draft.renamed
        else []
    )
    words += [f"{counted(missing, 'blank')} to fill in"] if (missing := blanks(draft)) else []
    click.echo("; ".join(words))
    click.echo(f"next: look at {plan} line by line, then `rollout validate {plan}` and `rollout plan {plan}`")
