"""Known errors: YAML files of their own, reviewed in Git, that a plan takes in under `risks`.

A file holds one risk or a list of them. Every mistake is named with its own file, line and column.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from rollout.errors import Place, PlanInvalid, Problem
from rollout.model import plan as meant
from rollout.model.chain import REMEDY, Step
from rollout.model.symptom import SymptomInvalid, shows
from rollout.model.verdict import Order
from rollout.model.versions import mistake
from rollout.plan import schema
from rollout.plan.files import text_of, yaml_files
from rollout.plan.shape import validate
from rollout.plan.text import Node, parse
from rollout.plan.waivers import WORDS
from rollout.plan.words import expected, shown
from rollout.plan.words import meant as did_you_mean

_ANSWERS = ("hold", "retry", "remedy", "halt")


@dataclass(frozen=True, slots=True)
class Declared:
    """What the plan declares that risks speak of; None: the plan is not known, and whatever they name may be there.

    `factors`: with the order of their versions.
    """

    steps: Sequence[str] | None = None
    factors: Mapping[str, Order] | None = None


@dataclass(frozen=True, slots=True)
class Written:
    """A risk as it stands in a file, with its examples: words of failures that it must, and must not, be seen in, each with its place."""

    risk: meant.Risk
    place: Place
    matches: tuple[tuple[str, Place], ...] = field(default=())
    misses: tuple[tuple[str, Place], ...] = field(default=())


def read(
    sources: Sequence[tuple[str, Place]], folder: Path, declared: Declared
) -> tuple[tuple[meant.Risk, ...], list[Problem]]:
    """The risks of files and folders, each with its place in the plan, and what is wrong with them."""
    found, problems = written(sources, folder, declared)
    return tuple(one.risk for one in found), problems


def written(
    sources: Sequence[tuple[str, Place]], folder: Path, declared: Declared
) -> tuple[list[Written], list[Problem]]:
    """The same, with the examples that stand beside them."""
    risks: list[Written] = []
    problems: list[Problem] = []
    first: dict[str, Place] = {}
    for source, place in sources:
        files = yaml_files(folder / source)
        if not files:
            problems.append(Problem(place, f"risks {shown(source)}: there is no YAML file"))
        for file in files:
            for node in _items(file, problems):
                found, wrong = validate(schema.Risk, node, called="the risk")
                problems += wrong
                if found is None:
                    continue
                problems += [*_mistakes(found, node), *_of_the_plan(found, node, folder, declared)]
                if found.name in first:
                    problems.append(Problem(node.find("name").at, f"risk {shown(found.name)} is there twice (first in {first[found.name]})"))  # fmt: skip
                first.setdefault(found.name, node.find("name").at)
                risks.append(_written(found, node))
    return risks, problems


def _items(file: Path, problems: list[Problem]) -> list[Node]:
    try:
        root, wrong = parse(text_of(file, str(file)), str(file))
    except PlanInvalid as error:
        problems += error.problems
        return []
    problems += wrong
    if root is None:
        return []
    nodes = root.items if root.kind == "list" else [root]
    problems += [Problem(node.at, "a risk is a mapping with `name` and `symptom`") for node in nodes if node.kind != "map"]  # fmt: skip
    return [node for node in nodes if node.kind == "map"]


def _mistakes(risk: schema.Risk, node: Node) -> Iterator[Problem]:
    answers = [key for key in _ANSWERS if getattr(risk, key) is not None]
    place = node.find("name").at
    if risk.name in WORDS:
        said = f"a risk cannot be called {risk.name}: a waiver of that word would accept it, too"
        yield Problem(place, said)
    if len(answers) != 1:
        said = f"has {' and '.join(answers)}" if answers else "says nothing of what to do"
        yield Problem(place, f"risk {risk.name} {said}: give it one of {', '.join(_ANSWERS)}")
    for key in ("repeatable", "backoff", "times", "timeout"):
        if key in risk.model_fields_set and answers in (["hold"], ["halt"]):
            yield Problem(node.find(key).at, f"risk {risk.name} holds the host, so `{key}` means nothing")
    if "times" in risk.model_fields_set and risk.retry is not None:
        yield Problem(node.find("times").at, f"risk {risk.name}: `retry` says how often already")
    if "timeout" in risk.model_fields_set and answers == ["retry"]:
        yield Problem(node.find("timeout").at, f"risk {risk.name} has no remedy, so `timeout` means nothing")
    yield from _symptom(risk, node)


def _of_the_plan(risk: schema.Risk, node: Node, folder: Path, declared: Declared) -> Iterator[Problem]:
    """Steps, factors and playbooks that the plan does not have, and ranges that are none."""
    yield from _ranges(risk, node, declared)
    for index, name in enumerate(schema.globs(risk.steps) if risk.steps is not None else ()):
        if declared.steps is not None and name not in declared.steps:
            yield Problem(_item(node.find("steps"), index), f"unknown step {shown(name)}{expected(name, declared.steps)}")  # fmt: skip
    if risk.halt is not None and declared.factors is not None and risk.halt not in declared.factors:
        said = f"unknown factor {shown(risk.halt)}{expected(risk.halt, declared.factors)}"
        yield Problem(node.find("halt").at, said)
    if (
        declared.steps is not None
        and risk.remedy is not None
        and yaml_files(folder / risk.remedy) != [folder / risk.remedy]
    ):
        near = Path(risk.remedy).parent
        beside = [str(near / one.name) for one in yaml_files(folder / near)]
        said = f"playbook {shown(risk.remedy)} does not exist{did_you_mean(risk.remedy, beside)}"
        yield Problem(node.find("remedy").at, said)


def _ranges(risk: schema.Risk, node: Node, declared: Declared) -> Iterator[Problem]:
    for name, wanted in risk.applies.items():
        order = (declared.factors or {}).get(name, "dotted")
        for index, text in enumerate(schema.globs(wanted)):
            wrong = mistake(text, order)
            if wrong:
                at = _item(node.find("applies", name), index)
                yield Problem(at, f"risk {risk.name} applies to {name} {shown(text)}: {wrong}")


def _item(node: Node, index: int) -> Place:
    """The place of an item of a list, or of the one value."""
    return (node.get(index) or node).at if node.kind == "list" else node.at


def _symptom(risk: schema.Risk, node: Node) -> Iterator[Problem]:
    if risk.symptom is None:
        yield from _without_symptom(risk, node)
        return
    try:
        if shows(risk.symptom, ""):
            said = f"symptom {shown(risk.symptom)} fits every failure: it must say something"
            yield Problem(node.find("symptom").at, said)
    except SymptomInvalid as error:
        said = f"symptom {shown(risk.symptom)} is no regular expression: {error}"
        yield Problem(node.find("symptom").at, said)


def _without_symptom(risk: schema.Risk, node: Node) -> Iterator[Problem]:
    """Nothing would show it: its hosts are not begun, and whatever is about a failure means nothing."""
    if not risk.applies:
        yield Problem(node.find("name").at, f"risk {risk.name} has neither `applies` nor `symptom`")
        return
    for key in ("retry", "remedy", "steps", "examples"):
        if getattr(risk, key) is not None:
            said = f"risk {risk.name} has no `symptom`, so no failure is ever taken for it, and `{key}` means nothing"
            yield Problem(node.find(key).at, said)


def _written(risk: schema.Risk, node: Node) -> Written:
    examples = risk.examples or schema.Examples()

    def placed(key: str, texts: list[str]) -> tuple[tuple[str, Place], ...]:
        listed = node.find("examples", key)
        return tuple((text, _item(listed, index)) for index, text in enumerate(texts))

    return Written(
        _risk(risk),
        node.find("name").at,
        placed("matches", examples.matches),
        placed("misses", examples.misses),
    )


def _risk(written: schema.Risk) -> meant.Risk:
    remedy = None
    if written.remedy is not None:
        remedy = Step(
            REMEDY + written.name,
            playbook=written.remedy,
            timeout=written.timeout,
            expect=written.timeout * 0.1,
        )
    return meant.Risk(
        name=written.name,
        symptom=written.symptom or "",
        applies={name: schema.globs(value) for name, value in written.applies.items()},
        link=written.link or "",
        halts=written.halt or "",
        then=_then(written),
        steps=schema.globs(written.steps) if written.steps is not None else (),
        because=written.hold or "",
        remedy=remedy,
        times=written.retry or written.times,
        backoff=written.backoff,
        repeatable=written.repeatable,
    )


def _then(written: schema.Risk) -> Literal["hold", "retry", "remedy", "halt"]:
    if written.halt is not None:
        return "halt"
    return "remedy" if written.remedy is not None else "retry" if written.retry is not None else "hold"
