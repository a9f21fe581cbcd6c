"""`rollout gate test`: one question, asked now, as a controller would ask it."""

import json
import os
import sys
import time
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from rollout.cli import _compiling, _runs
from rollout.errors import UsageError
from rollout.model.breaker import COMBO, key_of, subset_of
from rollout.model.decision import Ask
from rollout.model.fold import REMEMBER
from rollout.model.graph import Graph
from rollout.model.plan import DURING, PER_HOST, GateRule
from rollout.model.question import about_of
from rollout.model.seams import Answer, Subject, Verdict
from rollout.model.state import State
from rollout.report import answers
from rollout.report.plain import listed, plain, spoken, table
from rollout.report.saved import Compiled

if TYPE_CHECKING:
    from rollout.cli._controller import Reach
    from rollout.plan.inventory import Inventory

SCRATCH = "gate-test"


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a person named."""

    gate: str
    host: str | None
    combo: str | None
    about: str | None
    remember: bool
    yes: bool


@dataclass(frozen=True, slots=True)
class Known:
    """Where the hosts stand, by a run or as the plan begins; and what the gate saw of the host in that run."""

    graph: Graph
    state: State
    run: str = ""
    remembered: Mapping[str, Any] | None = None


def ask(
    plan: Path, wanted: Wanted, journal: str | None, run: str | None, *, allow_unknown: bool, as_json: bool
) -> int:
    """Ask and print; gives the exit code. Raises PlanInvalid, UsageError."""
    source = _compiling.source(plan)
    allow_unknown = allow_unknown or source.allow_unknown
    _, inventory, compiled = _compiling.graph_of(source.plan_file, allow_unknown=allow_unknown)
    rule = _rule(compiled.graph, wanted.gate)
    _refuse_disturbance(rule, wanted)
    known = _known(compiled, source.plan_file, journal, run, wanted)
    asked = _asked(known.graph, rule, wanted)
    if as_json:
        verdict, seconds = _answer(known, compiled.graph, inventory, source.plan_file, asked)
        click.echo(_as_json(asked, verdict, seconds))
    else:
        click.echo(f"gate {plain(rule.name)} ({plain(rule.kind)}), {_whom(asked)}")
        verdict, seconds = _answer(known, compiled.graph, inventory, source.plan_file, asked)
        click.echo("\n".join(_as_text(verdict, seconds)))
        if rule.remembers and not known.remembered and not wanted.remember:
            click.echo(
                "  this kind compares with what it saw of the host before its first disruptive step: --run NAME takes what a run saw, --remember looks at the host now"
            )
    return 0 if verdict.value is Answer.PASS else 1


def _rule(graph: Graph, name: str) -> GateRule:
    rule = graph.rule(name)
    if rule is None:
        names = list(dict.fromkeys(rule.name for rule in graph.gates))
        raise UsageError(f"plan {graph.plan} has no gate {_or_nearest(name, names)}")
    return rule


def _or_nearest(word: str, known: list[str]) -> str:
    close = get_close_matches(word, known, 1)
    hint = f"; did you mean {plain(close[0])!r}?" if close else f"; it has {listed(known, 12) or 'none'}"
    return f"{plain(word)!r}{hint}"


def _refuse_disturbance(rule: GateRule, wanted: Wanted) -> None:
    if rule.acts and not (wanted.yes or wanted.remember):
        raise UsageError(
            f"kind {rule.kind} disturbs the host (it asks whether that comes back as it was): with --yes it is asked all the same"
        )
    if wanted.remember and not rule.remembers:
        raise UsageError(
            f"kind {rule.kind} looks at nothing before the first disruptive step: leave out --remember"
        )


def _known(
    compiled: Compiled, plan_file: Path, journal: str | None, run: str | None, wanted: Wanted
) -> Known:
    """With a run, its graph and its hosts as they stand; else those of the plan, of which none has begun."""
    if run is None:
        return Known(compiled.graph, State(compiled.graph))
    with _runs.existing(journal or _runs.where(None, plan_file)) as book:
        row = book.run(run)
        state = _runs.folded(book, row.id)
        host = state.hosts.get(wanted.host or "")
        seq = host.remembered.get(wanted.gate, 0) if host is not None else 0
        return Known(state.graph, state, row.id, book.samples(row.id, seq) if seq else None)


def _asked(graph: Graph, rule: GateRule, wanted: Wanted) -> Ask:
    moment = REMEMBER if wanted.remember else str(rule.when)
    if wanted.host is not None:
        _refuse_unknown_host(graph, wanted.host)
    if rule.per == PER_HOST:
        if wanted.combo or wanted.about:
            raise UsageError(f"gate {rule.name} asks about one host: --host H, without --combo and --about")
        if wanted.host is None:
            raise UsageError(f"gate {rule.name} asks about one host: name it with --host")
        return Ask(wanted.host, rule, moment, False, "gate test")
    return Ask("", rule, moment, False, "gate test", _about(graph, rule, wanted))


def _refuse_unknown_host(graph: Graph, host: str) -> None:
    if host in graph.nodes:
        return
    untouched = next((one for one in graph.untouched if one.host == host), None)
    if untouched is not None:
        raise UsageError(f"{plain(host)} is {untouched.word} and in no wave: {untouched.because}")
    raise UsageError(f"the plan has no host {_or_nearest(host, list(graph.nodes))}")


def _about(graph: Graph, rule: GateRule, wanted: Wanted) -> str:
    """Whom the question is about: as a person named it, or what the host is among."""
    may = _abouts(graph, rule)
    named = [name for name in (wanted.host, wanted.combo, wanted.about) if name is not None]
    if len(named) > 1:
        raise UsageError("one of --host, --combo and --about says whom it is about")
    if wanted.host is not None:
        node = graph.nodes[wanted.host]
        return (
            about_of(rule, node)
            if rule.when.edge == DURING
            else node.wave
            if graph.waves.keys() & may
            else ""
        )
    if not named:
        if len(may) == 1:
            return next(iter(may))
        raise UsageError(
            f"gate {rule.name} asks about each of {listed(may, 12)}: name one with --combo or --about"
        )
    if set(may) == {""}:
        raise UsageError(f"gate {rule.name} is about the whole run: leave out --combo and --about")
    about = named[0] if wanted.combo is not None else _key(named[0])
    if about not in may:
        raise UsageError(
            f"gate {rule.name} asks nothing about {_or_nearest(named[0], [one for one in may if one])}"
        )
    return about


def _abouts(graph: Graph, rule: GateRule) -> dict[str, None]:
    if rule.when.edge == DURING:
        return dict.fromkeys(about_of(rule, node) for node in graph.nodes.values())
    return dict.fromkeys(graph.waves) if rule.when.what == "wave" else {"": None}


def _key(typed: str) -> str:
    """As a question is known; a value may be typed without the quotes that its key has."""
    factor, equals, value = typed.partition("=")
    return key_of(((factor, value),)) if equals and factor != COMBO and '"' not in value else typed


def _answer(
    known: Known, graph: Graph, inventory: "Inventory", plan_file: Path, asked: Ask
) -> tuple[Verdict, float]:
    """The verdict, and how many seconds it took."""
    from rollout.cli import _controller
    from rollout.engine.inbox import Answered, Inbox
    from rollout.executors.scratch import scratch

    with scratch(_compiling.state_directory(plan_file), SCRATCH) as folder, ExitStack() as after:
        units = folder / "units"  # what gates keep is beside it, and gone with the question
        units.mkdir()
        reach = _controller.real(graph, inventory, plan_file, units)
        after.callback(reach.executor.close)
        after.callback(reach.end, SCRATCH)
        inbox = Inbox()
        subject = _subject(known, reach, asked, inbox.now())
        begun = time.monotonic()
        reach.asker.ask(asked, subject, 1, inbox.post)
        while True:
            message = inbox.get(None)
            if isinstance(message, Answered):
                return message.verdict, time.monotonic() - begun


def _subject(known: Known, reach: "Reach", asked: Ask, now: float) -> Subject:
    """As the engine makes it."""
    subjects = reach.subjects(known.graph, known.run or SCRATCH)
    subject = subjects.asked(asked, known.state, known.remembered or {}, now)
    return replace(subject, run_began=subject.run_began or now)


def _whom(asked: Ask) -> str:
    when = "before the first disruptive step" if asked.moment == REMEMBER else asked.moment
    if asked.host:
        return f"{when}, of {plain(asked.host)}"
    if not asked.about:
        return f"{when}, about all hosts"
    subset = subset_of(asked.about) if asked.moment == DURING else ()
    whom = f"combo {asked.about}" if subset and subset[0][0] == COMBO else asked.about
    return f"{when}, about {plain(whom)}"


def _as_text(verdict: Verdict, seconds: float) -> list[str]:
    drawn = answers.can_draw(sys.stdout.encoding, os.environ)
    rows = [["answer", str(verdict.value)], ["because", plain(verdict.because, 2000)]]
    rows += answers.rows(verdict.samples, verdict.link, drawn=drawn)
    return table([*rows, ["took", f"{seconds:.2f} s" if seconds < 60 else spoken(seconds)]])


def _as_json(asked: Ask, verdict: Verdict, seconds: float) -> str:
    value = {
        "type": "answer",
        "gate": asked.gate.name,
        "kind": asked.gate.kind,
        "moment": asked.moment,
        "host": asked.host or None,
        "about": None if asked.host else asked.about,
        "value": str(verdict.value),
        "because": verdict.because,
        "samples": dict(verdict.samples),
        "link": verdict.link,
        "seconds": round(seconds, 3),
    }
    return json.dumps(value)
