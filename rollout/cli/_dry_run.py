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
from rollout.model.people import BEFORE_RUN
from rollout.model.plan import DURING
from rollout.model.question import during
from rollout.model.seams import Answer, Ending, Executor, Order, Outcome, Post
from rollout.model.state import State
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
            answers = gates(graph, reach)
            failing = {**answers, **prechecks(graph, reach)}
        finally:  # also after Ctrl-C: the folder goes, so nothing may go on in it
            reach.end(RUN)
            reach.executor.close()
    for host, because in failing.items():
        whom = f"{plain(host)} would not be upgraded" if host in graph.nodes else "nothing would begin"
        click.echo(f"{whom}: {plain(because)}")
    asked = "nothing was changed, and the journal was not written"
    if failing:
        hosts = sum(name in graph.nodes for name in failing)
        said = f"{hosts} of {counted(len(graph.nodes), 'host')} would fail"
        said = said if hosts == len(failing) else f"gates about the fleet do not pass, and {said}"
        click.echo(f"dry run: {said}; {asked}")
        return 1
    click.echo(f"dry run: {counted(len(graph.nodes), 'host')}, nothing in the way; {asked}")
    return 0


def gates(graph: Graph, reach: _controller.Reach) -> dict[str, str]:
    """Why a gate `before run` does not pass, by host; by a name of its own for one about the fleet, and for those `during` the run."""
    inbox, subjects, numbers = Inbox(), reach.subjects(graph, RUN), count(1)
    asks = [*_of_hosts(graph), *_of_fleet(graph)]
    if not asks:
        click.echo("gates before run: the plan has none")
        return {}
    open_questions: dict[int, Ask] = {}
    state = State(graph)
    for one in asks:
        question = next(numbers)
        open_questions[question] = one
        subject = subjects.asked(one, state, {}, inbox.now())
        reach.asker.ask(one, subject, question, inbox.post)
    failing: dict[str, str] = {}
    while open_questions:
        message = inbox.get(None)
        asked = open_questions.pop(message.question, None) if isinstance(message, Answered) else None
        if asked and isinstance(message, Answered) and message.verdict.value is not Answer.PASS:
            failing[asked.subject] = f"{_called(asked)}: {message.verdict.value}, {message.verdict.because}"
    if any(one.host for one in asks):
        hosts = sum(name in graph.nodes for name in failing)
        click.echo(
            f"gates before run: {len(graph.nodes) - hosts} of {counted(len(graph.nodes), 'host')} pass"
        )
    fleet = [one for one in asks if not one.host]
    if fleet:
        passing = sum(one.subject not in failing for one in fleet)
        names = ", ".join(dict.fromkeys(plain(one.gate.name) for one in fleet))
        click.echo(f"gates about the fleet ({names}): {passing} of {counted(len(fleet), 'question')} pass")
    return failing


def _of_hosts(graph: Graph) -> list[Ask]:
    all_rules = [rule for rule in graph.gates_at.get(("before", "run"), ()) if not rule.shadow]
    rules = [rule for rule in all_rules if rule.playbook is None]
    for rule in all_rules:
        if rule.playbook is not None:
            click.echo(f"gate {rule.name} is not asked: its playbook is run by runs alone")
    return [Ask(host, rule, BEFORE_RUN, False, "dry run") for rule in rules for host in graph.nodes]


def _of_fleet(graph: Graph) -> list[Ask]:
    """What has to pass before anything begins."""
    once = [Ask("", rule, BEFORE_RUN, False, "dry run") for rule in graph.fleet_gates.get(BEFORE_RUN, ())]
    always = [Ask("", one.rule, DURING, False, "dry run", one.about) for one in during(graph)]
    return [ask for ask in (*once, *always) if not ask.gate.shadow]


def _called(ask: Ask) -> str:
    return f"gate {ask.gate.name} ({ask.about})" if ask.about else f"gate {ask.gate.name}"


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
