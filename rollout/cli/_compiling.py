"""From a plan file to a graph, and what lies beside the plan."""

import time
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING

from rollout.cli import _writing
from rollout.errors import PlanStale, UsageError
from rollout.model.graph import Graph
from rollout.model.plan import Plan
from rollout.model.verdict import Given, Toolchain
from rollout.report import changes, saved
from rollout.report.saved import Compiled

if TYPE_CHECKING:
    from rollout.plan.inventory import Inventory

STATE = ".rollout"
SHOWN = 20
"""Changes that a refusal names."""


@dataclass(frozen=True, slots=True)
class Source:
    """What a person named: a plan file, or a saved plan and the plan file that it came from."""

    plan_file: Path
    saved: Compiled | None = None
    allow_unknown: bool = False


def source(path: Path) -> Source:
    """Find out what the file is. Raises UsageError when it cannot be read."""
    try:
        content = path.read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}") from error
    found = saved.from_text(content, str(path))
    return Source(Path(found.plan_file), found, found.graph.allow_unknown) if found else Source(path)


def read_plan(plan_file: Path) -> Plan:
    """The plan, its playbooks' and inventory's places relative to its file."""
    from rollout.plan import read

    return read(plan_file)


def state_directory(plan_file: Path) -> Path:
    """Where journal, units and caches are; only its owner may look inside."""
    path = plan_file.absolute().parent / STATE
    path.mkdir(mode=0o700, exist_ok=True)
    return path


def resolve(plan: Plan, *, probe: bool = False) -> "Inventory":
    """The hosts and their variables, as the user's inventory says now, and what probes have found. `probe`: ask them now."""
    from rollout.plan import inventory

    if not probe:
        return inventory.resolve(plan, state_directory(Path(plan.file)))
    from rollout.cli import _probing

    return inventory.resolve(plan, state_directory(Path(plan.file)), partial(_probing.ask, plan))


def compiled(plan: Plan, found: "Inventory", *, allow_unknown: bool = False) -> Compiled:
    """The graph. Raises PlanInvalid."""
    from rollout.graph import compile_graph
    from rollout.plan.fleet import fleet

    graph = compile_graph(plan, fleet(plan, found), parts(plan), given(allow_unknown))
    graph = replace(graph, notes=(*graph.notes, *found.notes))
    return Compiled(graph, str(Path(plan.file).absolute()), saved.amounts(plan), tool())


def given(allow_unknown: bool) -> Given:
    """What verdicts depend on beside plan and fleet: today, and the Ansible of this machine."""
    from importlib.metadata import version

    return Given(today(), Toolchain(version("ansible-core")), allow_unknown)


def parts(plan: Plan) -> dict[str, str]:
    """The digests of all that a run of the plan depends on, by name. Raises PlanInvalid for what cannot be read."""
    from rollout.executors.searched import searched
    from rollout.plan import content

    found = searched(Path(plan.file).absolute().parent)
    return content.parts(
        plan,
        roles=found.roles,
        collections=found.collections,
        ansible_core=found.ansible_core,
        settings=found.settings,
    )


def today() -> str:
    """The day (UTC) by which waivers expire, as 2026-12-31."""
    return time.strftime("%Y-%m-%d", time.gmtime())


def tool() -> str:
    """The version of rollout."""
    from importlib.metadata import version

    return version("rollout")


def refuse_if_stale(planned: Compiled, now: Compiled) -> None:
    """Raises PlanStale, with what exactly has changed since the plan was saved."""
    if planned.graph.digest != now.graph.digest:
        raise PlanStale(
            "the saved plan is stale:"
            + _listed(changes.graphs(planned.graph, now.graph))
            + "\nplan again, and look at it"
        )


def refuse_if_changed(run: str, begun: Graph, plan: Plan) -> None:
    """Raises PlanStale when a run would be carried on with other files than it was begun with."""
    said = changes.parts(begun.parts, parts(plan))
    if said:
        raise PlanStale(
            f"run {run} was begun with other files:{_listed(said)}\n"
            f"to go on with them: rollout amend {quote(plan.file)}   (shows what changes for which hosts, and asks; then `rollout resume`)\n"
            f"or put them back, or give the run up and begin a new one: rollout apply {quote(plan.file)} --new-run"
        )


def _listed(said: list[str]) -> str:
    more = [f"and {len(said) - SHOWN} more"] if len(said) > SHOWN else []
    return "".join(f"\n  {line}" for line in said[:SHOWN] + more)


def write_saved(path: Path, plan: Compiled) -> None:
    """By rename, readable by its owner alone."""
    _writing.whole(path, saved.to_text(plan), 0o600)


def graph_of(
    plan_file: Path, *, allow_unknown: bool = False, probe: bool = False
) -> tuple[Plan, "Inventory", Compiled]:
    """All at once, for commands that need nothing in between."""
    plan = read_plan(plan_file)
    found = resolve(plan, probe=probe)
    return plan, found, compiled(plan, found, allow_unknown=allow_unknown)
