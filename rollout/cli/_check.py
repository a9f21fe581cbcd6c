"""`apply --dry-run --check HOST`: a host's whole chain in Ansible's check mode, and what that could not cover. No journal is written."""

import json
import queue
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from rollout.cli import _compiling
from rollout.cli._dry_run import variables
from rollout.errors import UsageError
from rollout.model.graph import Graph
from rollout.model.seams import Ending, Order, Outcome
from rollout.report.plain import counted, plain

if TYPE_CHECKING:
    from rollout.executors.ansible import AnsibleExecutor
    from rollout.executors.checked import CheckedTask
    from rollout.plan.inventory import Inventory

RUN = "check"
FINAL = {Ending.UNREACHABLE, Ending.REFUSED}
"""After these the host's next step would say the same."""

SHOWN = {
    "would-change": "would change",
    "not-covered": "not covered",
    "changed": "CHANGED (check_mode: false)",
}
"""Words of `CheckedTask` whose tasks are named, as they are printed."""


@dataclass(frozen=True, slots=True)
class Checked:
    """A step of a host in check mode. `because` says what is wrong; empty when nothing is."""

    step: str
    tasks: Sequence["CheckedTask"]
    because: str
    unasked: str = ""
    """The kind of drain, when the step has no playbook that could be checked."""

    def count(self, *words: str) -> int:
        """Tasks of these words."""
        return sum(task.word in words for task in self.tasks)

    @property
    def met(self) -> int:
        """Tasks that were not skipped by a condition of their own."""
        return len(self.tasks) - self.count("skipped")


def check(
    graph: Graph, inventory: "Inventory", plan_file: Path, hosts: Sequence[str], *, as_json: bool
) -> int:
    """Gives 0, or 1 when a step of one of the hosts fails in check mode. Raises UsageError for a host that the plan does not upgrade."""
    from rollout.executors.ansible import AnsibleExecutor
    from rollout.executors.scratch import scratch

    wanted = list(dict.fromkeys(hosts))
    for host in wanted:
        _refuse_unknown(graph, host)
    found: list[Checked] = []
    with scratch(_compiling.state_directory(plan_file), RUN) as units:
        folder = plan_file.absolute().parent
        executor = AnsibleExecutor(units, inventory.variables, inventory.groups, folder, check=True)
        try:
            for host in wanted:
                _announce(graph, host, as_json=as_json)
                found += _check_host(graph, executor, units, host, as_json=as_json)
        finally:  # also after Ctrl-C: the folder goes, so nothing may go on in it
            executor.end(RUN)
            executor.close()
    if not as_json:
        _sum_up(found, len(wanted))
    return 1 if any(checked.because for checked in found) else 0


def _refuse_unknown(graph: Graph, host: str) -> None:
    if host in graph.nodes:
        return
    for untouched in graph.untouched:
        if untouched.host == host:
            raise UsageError(
                f"--check {plain(host)}: it is {untouched.word} and would not be touched: {untouched.because}"
            )
    close = get_close_matches(host, graph.nodes, 1)
    hint = f"; did you mean {plain(close[0])!r}?" if close else ""
    raise UsageError(f"--check {plain(host)}: the plan upgrades no host of that name{hint}")


def _announce(graph: Graph, host: str, *, as_json: bool) -> None:
    if not as_json:
        click.echo(f"{plain(host)}, combo {graph.nodes[host].combo}, in Ansible's check mode:")


def _check_host(
    graph: Graph, executor: "AnsibleExecutor", units: Path, host: str, *, as_json: bool
) -> list[Checked]:
    from rollout.executors.checked import tasks_of

    found: list[Checked] = []
    combo = graph.chain_of(host)
    for number, step in enumerate(combo.chain, 1):
        if step.playbook is None:
            found.append(Checked(step.name, (), "", unasked=step.drain or step.reopen or "nothing"))
            outcome = None
        else:
            order = Order(RUN, host, step, number, 0, variables=variables(graph, host, step))
            outcome = _carry_out(executor, order)
            because = "" if outcome.ending is Ending.DONE else f"{outcome.ending}, {outcome.because}"
            found.append(Checked(step.name, tasks_of(units, order), because))
        _show(host, found[-1], as_json=as_json)
        if outcome is not None and outcome.ending in FINAL:
            break
    return found


def _carry_out(executor: "AnsibleExecutor", order: Order) -> Outcome:
    answers: queue.SimpleQueue[Outcome] = queue.SimpleQueue()
    executor.run(order, lambda outcome, after=0.0: answers.put(outcome))  # noqa: ARG005  the seam's shape
    return answers.get()


def _show(host: str, checked: Checked, *, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps(_as_json(host, checked)))
        return
    if checked.unasked:
        click.echo(
            f"  {checked.step}: not covered, for `{plain(checked.unasked)}` is not asked in check mode"
        )
        return
    change, uncovered = checked.count("would-change"), checked.count("not-covered")
    click.echo(
        f"  {checked.step}: {counted(checked.met, 'task')}, {change} would change, {uncovered} not covered"
    )
    for word, said in SHOWN.items():
        names = Counter(f"{task.name} ({task.action})" for task in checked.tasks if task.word == word)
        for name, times in names.items():
            click.echo(f"    {said}: {plain(name)}{f', {times} times' if times > 1 else ''}")
    if checked.because:
        click.echo(f"    {plain(checked.because, 1000)}")


def _as_json(host: str, checked: Checked) -> Mapping[str, Any]:
    tasks = [{"task": task.name, "action": task.action, "word": task.word} for task in checked.tasks]
    said = {"because": checked.because, "drain": checked.unasked}
    return {
        "type": "check", "host": host, "step": checked.step, "tasks": tasks,
        **{key: value for key, value in said.items() if value},
    }  # fmt: skip


def _sum_up(found: Sequence[Checked], hosts: int) -> None:
    words = [
        f"check mode: {counted(hosts, 'host')}, {counted(sum(checked.met for checked in found), 'task')}",
        f"{sum(checked.count('would-change') for checked in found)} would change something",
        f"{sum(checked.count('not-covered') for checked in found)} could not be covered",
    ]
    if unasked := sum(bool(checked.unasked) for checked in found):
        words.append(f"{counted(unasked, 'step')} not asked")
    if failing := sum(bool(checked.because) for checked in found):
        words.append(f"{counted(failing, 'step')} failed")
    changed = sum(checked.count("changed") for checked in found)
    end = (
        "nothing was changed" if not changed else f"{counted(changed, 'task')} changed something all the same"
    )
    click.echo(f"{', '.join(words)}; {end}, and the journal was not written")
