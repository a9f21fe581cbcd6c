"""Thresholds of a plan, `> 0.01`, and what becomes of many numbers that are held against them."""

import math
import operator
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

from pydantic import AfterValidator, Field

from rollout.gates._promql import Series
from rollout.model.seams import Answer

_WRITTEN = re.compile(
    r"\s*(>=|<=|==|!=|>|<)\s*([+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d{1,3})?)\s*", re.ASCII
)
_OPERATORS = {
    ">": operator.gt,
    ">=": operator.ge,
    "<": operator.lt,
    "<=": operator.le,
    "==": operator.eq,
    "!=": operator.ne,
}


def _checked(text: str) -> str:
    found = _WRITTEN.fullmatch(text)
    if found is None or not math.isfinite(float(found[2])):
        raise ValueError(f"{text!r} is not a comparison such as '> 0.01' or '<= 5'")
    return text.strip()


Threshold = Annotated[
    str,
    AfterValidator(_checked),
    Field(pattern=r"^\s*(>=|<=|==|!=|>|<)\s*[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]{1,3})?\s*$"),
]


def holds(threshold: str, value: float) -> bool:
    """Whether the value is what the threshold says. NaN is nothing of the kind."""
    found = _WRITTEN.fullmatch(threshold)
    if found is None or math.isnan(value):
        return False
    return bool(_OPERATORS[found[1]](value, float(found[2])))


@dataclass(frozen=True, slots=True)
class Held:
    """One number of one series, held against the thresholds."""

    value: float
    answer: Answer
    series: Series


@dataclass(frozen=True, slots=True)
class Thresholds:
    """`fails` and `passes`, one of which may be empty: then it is the other's opposite; between two of them nothing is decided."""

    fails: str
    passes: str

    def of(self, value: float) -> Answer:
        if not math.isfinite(value):
            return Answer.INCONCLUSIVE
        if self.fails and holds(self.fails, value):
            return Answer.FAIL
        if not self.passes or holds(self.passes, value):
            return Answer.PASS
        return Answer.INCONCLUSIVE if self.fails else Answer.FAIL

    def worst_first(self, held: Sequence[Held]) -> list[Held]:
        """Those that fail, those that decide nothing, those that pass; among each the nearest to failing, or the farthest over it."""
        rank = {Answer.FAIL: 0, Answer.INCONCLUSIVE: 1}
        low = (self.fails or self.passes).startswith("<") == bool(self.fails)
        numbered = [one for one in held if not math.isnan(one.value)]
        ordered = sorted(
            numbered, key=lambda one: (rank.get(one.answer, 2), one.value if low else -one.value)
        )
        return ordered + [one for one in held if math.isnan(one.value)]
