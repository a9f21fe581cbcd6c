"""`apply --dry-run`: the questions that change nothing, asked of every host. Nothing of it is in the journal."""

from collections.abc import Iterable
from functools import partial
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

import click

from rollout.cli import _compiling, _controller
from rollout.engine.inbox import Answered, Inbox
from rollout.model.chain import Step
from rollout.model.decision import Ask
from rollout.model.graph import Graph
from rollout.model.seams import Answer, Ending, Executor, Order, Outcome, Post
from rollout.report.plain import counted, plain

if TYPE_CHECKING:
    from rollout.plan.inventory import Inventory

PRECHECK = "precheck"
RUN = "dry-run"


def ask(graph: Graph, inventory: "Inventory", plan_file: Path) -> int:
    """Ask the gates `before run`, then run the precheck step; gives 0, or 1 when a host would not be begun."""
    from rollout.executors.scratch import scratch

    with scratch(_compiling.state_directory(plan_file), RUN) as units:
        reach = _controller.real(graph, inventory, plan_file, units)
        try:
            failing = {**gates(graph, reach), **prechecks(graph, reach)}
        finally:  # also after Ctrl-C: the folder goes, so nothing may go on in it
            reach.end(RUN)
            reach.executor.close()
    for host, because in failing.items():
        click.echo(f"{plain(host)} would not be upgraded: {plain(because)}")
    asked = "nothing was changed, and the journal was not written"
    if failing:
        click.echo(f"dry run: {len(failing)} of {counted(len(graph.nodes), 'host')} would fail; {asked}")
        return 1
    click.echo(f"dry run: {counted(len(graph.nodes), 'host')}, nothing in the way; {asked}")
    return 0


def gates(graph: Graph, reach: _controller.Reach) -> dict[str, str]:
    """Host -> why a gate `before run` does not pass."""
    rules = graph.gates_at.get(("before", "run"), ())
    if not rules:
        click.echo("gates before run: the plan has none")
        return {}
    inbox, subjects, numbers = Inbox(), reach.subjects(graph), count(1)
    open_questions: dict[int, Ask] = {}
    for rule in rules:
        for host in graph.nodes:
            question = next(numbers)
            open_questions[question] = Ask(host, rule, "before run", False, "dry run")
            reach.asker.ask(
                open_questions[question],
                subjects.of(host, {}, inbox.now(), rule.timeout),
                question,
                inbox.post,
            )
    failing: dict[str, str] = {}
    while open_questions:
        message = inbox.get(None)
        asked = open_questions.pop(message.question, None) if isinstance(message, Answered) else None
        if asked and isinstance(message, Answered) and message.verdict.value is not Answer.PASS:
            failing[asked.host] = (
                f"gate {asked.gate.name}: {message.verdict.value}, {message.verdict.because}"
            )
    click.echo(
        f"gates before run: {len(graph.nodes) - len(failing)} of {counted(len(graph.nodes), 'host')} pass"
    )
    return failing


def _precheck(graph: Graph, combo: str) -> Step | None:
    first = graph.combos[combo].chain[0]
    return first if first.kind == PRECHECK and not first.needs_slot and not first.reopen else None


def prechecks(graph: Graph, reach: _controller.Reach) -> dict[str, str]:
    """Host -> why its precheck fails. Run only where it is the chain's first step and disrupts nothing."""
    orders = [
        Order(RUN, node.name, step, 1, 0, variables=variables(graph, node.name, step))
        for node in graph.nodes.values()
        if (step := _precheck(graph, node.combo))
    ]
    if not orders:
        click.echo("precheck: no chain begins with a step of that name, so none was run")
        return {}
    inbox = Inbox()
    sweep = reach.sweep or partial(_one_by_one, reach.executor)
    sweep(orders, inbox.post)
    failing: dict[str, str] = {}
    unanswered = {order.host for order in orders}
    while unanswered:
        message = inbox.get(None)
        if isinstance(message, Outcome):
            unanswered.discard(message.host)
            if message.ending is not Ending.DONE:
                failing[message.host] = f"{PRECHECK}: {message.ending}, {message.because}"
    click.echo(f"precheck: {len(orders) - len(failing)} of {counted(len(orders), 'host')} pass")
    return failing


def _one_by_one(executor: Executor, orders: Iterable[Order], post: Post) -> None:
    for order in orders:
        executor.run(order, post)


def variables(graph: Graph, host: str, step: Step) -> dict[str, object]:
    """As the engine gives them."""
    combo = graph.chain_of(host)
    target = {factor: list(globs) for factor, globs in combo.leads_to(step).items()}
    last = combo.chain[-1].name == step.name
    named: dict[str, object] = {"rollout_target": target, "rollout_combo": combo.name}
    return {**named, "rollout_last_step": last, "rollout_found": {}}
