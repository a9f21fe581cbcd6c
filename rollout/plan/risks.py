"""Known errors: YAML files of their own, reviewed in Git, that a plan takes in under `risks`.

A file holds one risk or a list of them. Every mistake is named with its own file, line and column.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

from rollout.errors import Place, PlanInvalid, Problem
from rollout.model import plan as meant
from rollout.model.chain import REMEDY, Step
from rollout.model.symptom import SymptomInvalid, shows
from rollout.plan import schema
from rollout.plan.files import text_of
from rollout.plan.shape import validate
from rollout.plan.text import Node, parse
from rollout.plan.words import expected, shown
from rollout.plan.words import meant as did_you_mean

_ANSWERS = ("hold", "retry", "remedy", "halt")


def read(
    sources: Sequence[tuple[str, Place]], folder: Path, steps: Sequence[str]
) -> tuple[tuple[meant.Risk, ...], list[Problem]]:
    """The risks of files and folders, each with its place in the plan, and what is wrong with them. `steps`: those of the plan."""
    risks: list[meant.Risk] = []
    problems: list[Problem] = []
    first: dict[str, Place] = {}
    for source, place in sources:
        files = _files(folder / source)
        if not files:
            problems.append(Problem(place, f"risks {shown(source)}: there is no YAML file"))
        for file in files:
            for node in _items(file, problems):
                found, wrong = validate(schema.Risk, node, called="the risk")
                problems += wrong
                if found is None:
                    continue
                problems += _mistakes(found, node, folder, steps)
                if found.name in first:
                    problems.append(Problem(node.find("name").at, f"risk {shown(found.name)} is there twice (first in {first[found.name]})"))  # fmt: skip
                first.setdefault(found.name, node.find("name").at)
                risks.append(_risk(found))
    return tuple(risks), problems


def _files(path: Path) -> list[Path]:
    if path.is_dir():
        return sorted(one for one in path.iterdir() if one.suffix in {".yml", ".yaml"} and one.is_file())
    return [path] if path.is_file() else []


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


def _mistakes(risk: schema.Risk, node: Node, folder: Path, steps: Sequence[str]) -> Iterator[Problem]:
    answers = [key for key in _ANSWERS if getattr(risk, key) is not None]
    place = node.find("name").at
    if len(answers) != 1:
        said = f"has {' and '.join(answers)}" if answers else "says nothing of what to do"
        yield Problem(place, f"risk {risk.name} {said}: give it one of {', '.join(_ANSWERS)}")
    for key in ("repeatable", "backoff", "times"):
        if key in risk.model_fields_set and answers == ["hold"]:
            yield Problem(node.find(key).at, f"risk {risk.name} holds the host, so `{key}` means nothing")
    if "times" in risk.model_fields_set and risk.retry is not None:
        yield Problem(node.find("times").at, f"risk {risk.name}: `retry` says how often already")
    yield from _symptom(risk, node)
    for index, name in enumerate(schema.globs(risk.steps) if risk.steps is not None else ()):
        if name not in steps:
            listed = node.find("steps")
            at = (listed.get(index) or listed).at if listed.kind == "list" else listed.at
            yield Problem(at, f"unknown step {shown(name)}{expected(name, steps)}")
    if risk.remedy is not None and not (folder / risk.remedy).is_file():
        beside = [str(Path(risk.remedy).with_name(one.name)) for one in _files((folder / risk.remedy).parent)]
        yield Problem(
            node.find("remedy").at,
            f"playbook {shown(risk.remedy)} does not exist{did_you_mean(risk.remedy, beside)}",
        )


def _symptom(risk: schema.Risk, node: Node) -> Iterator[Problem]:
    if risk.symptom is None:
        if not risk.applies:
            yield Problem(node.find("name").at, f"risk {risk.name} has neither `applies` nor `symptom`")
        return
    try:
        if shows(risk.symptom, ""):
            said = f"symptom {shown(risk.symptom)} fits every failure: it must say something"
            yield Problem(node.find("symptom").at, said)
    except SymptomInvalid as error:
        said = f"symptom {shown(risk.symptom)} is no regular expression: {error}"
        yield Problem(node.find("symptom").at, said)


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
        then="remedy" if remedy is not None else "retry" if written.retry is not None else "hold",
        steps=schema.globs(written.steps) if written.steps is not None else (),
        because=written.hold or "",
        remedy=remedy,
        times=written.retry or written.times,
        backoff=written.backoff,
        repeatable=written.repeatable,
    )
