"""What a person wants to go wrong in a simulation: the words of its options."""

import re
from collections.abc import Callable, Iterable
from difflib import get_close_matches
from fnmatch import fnmatchcase

from rollout.errors import UsageError
from rollout.executors.imagined import Defect
from rollout.model.graph import Graph, Node
from rollout.model.seams import Ending
from rollout.plan.scalars import duration
from rollout.report.plain import listed, plain

OPTIONS = ("q", "step", "late", "ends")
ENDINGS = (Ending.FAILED, Ending.UNREACHABLE, Ending.LATE, Ending.UNKNOWN)
COMBO, ALL = "combo", "all"

_SHARE = re.compile(r"(\d{1,6}(?:\.\d{1,9})?)\s*(%?)", re.ASCII)
_STRAGGLERS = re.compile(r"([\d.]+\s*%?)\s*(?:x\s*(\d{1,6}(?:\.\d{1,6})?))?", re.ASCII)


def share(word: str) -> float:
    """`5%` or `0.05`. Raises UsageError."""
    found = _SHARE.fullmatch(word.strip())
    number = float(found[1]) / (100 if found[2] else 1) if found else -1.0
    if not 0 <= number <= 1:
        raise UsageError(f"{word!r} is not a share such as 5% or 0.05")
    return number


def stragglers(word: str) -> tuple[float, float]:
    """`2%x4`: two of a hundred hosts take four times as long; `2%` means the same. Raises UsageError."""
    found = _STRAGGLERS.fullmatch(word.strip())
    if found is None or (found[2] is not None and float(found[2]) < 1):
        raise UsageError(f"--stragglers {word!r} is not a share and a factor of at least 1, such as 2%x4")
    return share(found[1]), float(found[2] or 4)


def defect(graph: Graph, word: str) -> Defect:
    """`FACTOR=VALUE[&FACTOR=VALUE ...]`, `combo=NAME` or `all`; then `,q=0.3`, `,step=NAME`, `,late=2h`, `,ends=ENDING`. Raises UsageError."""
    try:
        return _defect(graph, word)
    except ValueError as error:
        raise UsageError(f"--defect {word!r}: {error}") from None


def _defect(graph: Graph, word: str) -> Defect:
    parts = word.split(",")
    options = [part for part in parts[1:] if "=" in part]
    whom = ",".join([parts[0], *(part for part in parts[1:] if "=" not in part)])
    factors, combo = _whom(graph, whom)
    planted = Defect(name=plain(whom.strip()), factors=factors, combo=combo)
    nodes = [node for node in graph.nodes.values() if planted.concerns(node)]
    if not nodes:
        raise ValueError("no host that the plan upgrades is all of that at once")
    found = _options(graph, options, nodes)
    if "step" in found and "late" in found:
        raise ValueError("what is late shows in gates, and in no step: give one of step and late")
    return Defect(
        planted.name,
        factors,
        combo,
        _share(found["q"]) if "q" in found else 1.0,
        found.get("step"),
        duration(found["late"]) if "late" in found else None,
        Ending(found.get("ends", Ending.FAILED)),
    )


def _whom(graph: Graph, words: str) -> tuple[dict[str, str], str | None]:
    factors: dict[str, str] = {}
    combo = None
    if words.strip() == ALL:
        return {}, None
    known = sorted({factor for node in graph.nodes.values() for factor in node.factors})
    for word in words.split("&"):
        name, equals, value = (part.strip() for part in word.partition("="))
        if not equals or not value:
            raise ValueError(f"{word!r} is not FACTOR=VALUE, combo=NAME or all{_near(name, known)}")
        if name in factors or (name == COMBO and combo is not None):
            raise ValueError(f"{name} is there twice: no host has two values of it")
        if name == COMBO:
            combo = _one_of("combo", value, [name for name, combo in graph.combos.items() if combo.hosts])
        else:
            _one_of("factor", name, [*known, COMBO])
            _check_value(graph, name, value)
            factors[name] = value
    return factors, combo


def _check_value(graph: Graph, factor: str, value: str) -> None:
    values = sorted({node.factors.get(factor, "") for node in graph.nodes.values()})
    if not any(fnmatchcase(one, value) for one in values):
        raise ValueError(f"no host that the plan upgrades has {factor} {value!r}{_near(value, values)}")


def _options(graph: Graph, words: Iterable[str], nodes: list[Node]) -> dict[str, str]:
    steps = {step.name: None for node in nodes for step in graph.chain_of(node.name).chain}
    checks: dict[str, Callable[[str], object]] = {
        "q": _share,
        "step": lambda value: _one_of("step", value, steps),
        "late": duration,
        "ends": lambda value: _one_of("ending", value, ENDINGS),
    }
    found: dict[str, str] = {}
    for word in words:
        name, _, value = (part.strip() for part in word.partition("="))
        _one_of("option", name, OPTIONS)
        if name in found:
            raise ValueError(f"{name} is there twice")
        checks[name](value)
        found[name] = value
    if {"late", "ends"} <= found.keys():
        raise ValueError("ends says how a step fails, and what shows late fails no step")
    return found


def _share(word: str) -> float:
    found = _SHARE.fullmatch(word)
    number = float(found[1]) / (100 if found[2] else 1) if found else 0.0
    if not 0 < number <= 1:
        raise ValueError(f"q={plain(word)} is not a share above 0, such as 0.3 or 30%")
    return number


def _one_of(kind: str, word: str, known: Iterable[str]) -> str:
    names = [str(name) for name in known]
    if word not in names:
        raise ValueError(f"there is no {kind} {word!r}{_near(word, names)}")
    return word


def _near(word: str, known: Iterable[str]) -> str:
    names = list(known)
    close = get_close_matches(word, names, 1)
    return f"; did you mean {close[0]!r}?" if close else f"; there are {listed(names, 8)}"
