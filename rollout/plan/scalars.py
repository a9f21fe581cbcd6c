"""The small languages inside a plan's values: durations, amounts of hosts, names, moments."""

import re
from typing import Literal

from rollout.model.chain import COMMIT, REMEDY, UNDO
from rollout.model.plan import DURING, EVIDENCE, ROLLBACK, Amount, Budget, Edge, Moment
from rollout.plan.words import shown

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")
_UNITS = {"d": 86400, "h": 3600, "m": 60, "s": 1}
_DURATION = re.compile(r"(?:(\d{1,6})d)?(?:(\d{1,6})h)?(?:(\d{1,6})m)?(?:(\d{1,9})s)?", re.ASCII)
_PERCENT = re.compile(r"(\d{1,9}(?:\.\d{1,6})?)\s?%", re.ASCII)
_RESERVED = {"run", "wave", ROLLBACK}
_PREFIXES = (UNDO, COMMIT, REMEDY)


def duration(value: object) -> float:
    """Seconds in `30s`, `20m`, `2h`, `1d`, `1h30m`; 0 needs no unit."""
    if value == 0 and not isinstance(value, bool):
        return 0.0
    found = _DURATION.fullmatch(value) if isinstance(value, str) and value else None
    if found is None:
        hint = (
            f" (a unit is missing: {value}s?)"
            if isinstance(value, int) and not isinstance(value, bool)
            else ""
        )
        raise ValueError(f"{_named(value)} is not a duration such as 30s, 20m, 2h, 1d or 1h30m{hint}")
    parts = zip(found.groups(), _UNITS.values(), strict=True)
    return float(sum(int(number) * seconds for number, seconds in parts if number))


def positive(value: object) -> float:
    """A duration of more than nothing."""
    seconds = duration(value)
    if seconds <= 0:
        raise ValueError(f"{value} is not possible; the least is 1s")
    return seconds


def spoken(seconds: float) -> str:
    """A duration as a plan writes it: 5400 is `1h30m`."""
    left, words = round(seconds), ""
    for unit, size in _UNITS.items():
        number, left = divmod(left, size)
        words += f"{number}{unit}" if number else ""
    return words or "0s"


def amount(value: object) -> Amount:
    """A number of hosts such as 5, or a percentage of them such as 5%."""
    if isinstance(value, int) and not isinstance(value, bool):
        if not 1 <= value <= 10**9:
            raise ValueError(f"{value} hosts is not possible; the least is 1")
        return Amount(value)
    found = _PERCENT.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        raise ValueError(f"{_named(value)} is not a number of hosts such as 5, or a percentage such as 5%")
    percent = float(found[1])
    if not 0 < percent <= 100:
        raise ValueError(f"{value} is not a percentage between 0% and 100%")
    return Amount(percent, percent=True)


def budget(value: object) -> Budget:
    """How many failed hosts are tolerated: a number such as 2, 0 among them, or a percentage such as 5%."""
    if value == 0 and not isinstance(value, bool):
        return Budget(Amount(0))
    if isinstance(value, int) and value < 0:
        raise ValueError(f"{value} failed hosts is not possible; the least is 0")
    return Budget(amount(value))


def budget_or_evidence(value: object) -> Budget | Literal["evidence"]:
    """The same; or `evidence`: no number is too many by itself."""
    if value == EVIDENCE:
        return EVIDENCE
    if isinstance(value, str) and not _PERCENT.fullmatch(value):
        raise ValueError(
            f"{shown(value)} is none of a number of hosts such as 5, a percentage such as 5%, or {EVIDENCE}"
        )
    return budget(value)


def until(value: object) -> Literal["canaries"] | float:
    """How much of another combo to wait for: `canaries`, `all`, or a percentage of its hosts (0..1)."""
    if value == "canaries":
        return "canaries"
    if value == "all":
        return 1.0
    share = amount(value) if isinstance(value, str) and "%" in value else None
    if share is None:
        raise ValueError(
            f"{_named(value)} is none of canaries, all, or a percentage of its hosts such as 95%"
        )
    return share.number / 100


def name(value: str) -> str:
    """A name that is safe in a path, a unit name and a terminal."""
    if not NAME.fullmatch(value):
        raise ValueError(
            f"{shown(value)} is not a name: letters, digits, dot, dash and underscore, at most 63, a letter or digit first"
        )
    return value


def step_name(value: str) -> str:
    """A name that cannot be mistaken for a moment of the run."""
    if value in _RESERVED:
        raise ValueError(
            f"a step cannot be called {value}: `before {value}` means something else in a gate's `when`"
        )
    if value.startswith(_PREFIXES):
        raise ValueError(
            f"a step's name cannot begin with {', '.join(_PREFIXES)}: rollout names its own steps so"
        )
    return name(value)


def moment(value: object) -> Moment:
    """When a gate is asked: `before run`, `before STEP`, `after STEP`, `before wave`, `after wave`, `after rollback`, `during`."""
    words = value.split() if isinstance(value, str) else []
    if words == [DURING]:
        return Moment(DURING, "")
    edges: dict[str, Edge] = {"before": "before", "after": "after"}
    if len(words) != 2 or words[0] not in edges or value in {"after run", f"before {ROLLBACK}"}:
        raise ValueError(
            f"{_named(value)} is none of before run, before STEP, after STEP, before wave, after wave, after {ROLLBACK}, {DURING}"
        )
    return Moment(edges[words[0]], words[1])


def _named(value: object) -> str:
    if value is None:
        return "nothing"
    if isinstance(value, dict | list):
        return "a mapping" if isinstance(value, dict) else "a list"
    return shown(value) if isinstance(value, str) else str(value).lower()
