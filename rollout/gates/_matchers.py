"""Matchers as Alertmanager writes them, `severity="page"`, with placeholders; sent to it as data, and held against labels."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated

from pydantic import AfterValidator, Field

from rollout.gates import _placeholders
from rollout.gates._placeholders import STAGES, Values

_WRITTEN = re.compile(r"\s*([A-Za-z_][A-Za-z0-9_]*)\s*(=~|!~|!=|=)\s*(.*?)\s*", re.DOTALL)
_QUOTED = re.compile(r'"((?:\\.|[^"\\])*)"|\'((?:\\.|[^\'\\])*)\'', re.DOTALL)
_MEANT = {"n": "\n"}
_LOOSE = re.compile(r"\}\}\.[*+]")


def _checked(text: str) -> str:
    found = _WRITTEN.fullmatch(text)
    value = _unquoted(found[3]) if found else None
    if found is None or value is None:
        raise ValueError(f'{text!r} is not a matcher such as severity="page" or instance=~"web.*"')
    _placeholders.checked_holes(value)
    expects = found[2] in {"=~", "!~"}
    for name in _placeholders.names(value):
        if name in STAGES and not expects:
            raise ValueError(f"{{{{ {name} }}}} stands for several hosts: write =~ before it")
    if expects:
        if _LOOSE.search(value):
            raise ValueError(
                "a placeholder before .* fits other hosts too, 10.0.0.12 for 10.0.0.1: write (:.*)? behind it"
            )
        _compiled(_placeholders.HOLE.sub("x", value))
    return text


def _unquoted(text: str) -> str | None:
    """None if quotes are open, or stand in the middle."""
    found = _QUOTED.fullmatch(text)
    if found is None:
        return None if not text or '"' in text or "'" in text else text
    inner = found[1] if found[1] is not None else found[2]
    return re.sub(
        r"\\(.)", lambda char: _MEANT.get(char[1], char[1] if char[1] in "\\\"'" else char[0]), inner
    )


def _compiled(expression: str) -> "re.Pattern[str]":
    import re2  # noqa: PLC0415  only where an expression is used

    options = re2.Options()
    options.log_errors = False
    try:
        compiled: re.Pattern[str] = re2.compile(expression, options=options)
    except re2.error as error:
        raise ValueError(f"{expression!r} is not a regular expression (RE2)") from error
    return compiled


MatcherText = Annotated[str, AfterValidator(_checked)]
MatcherTexts = Annotated[list[MatcherText], Field(min_length=1)]


@dataclass(frozen=True, slots=True)
class Matcher:
    """One that can be sent: nothing is left to be put in."""

    name: str
    operator: str
    value: str

    @property
    def is_expression(self) -> bool:
        return self.operator in {"=~", "!~"}

    @property
    def is_equal(self) -> bool:
        return self.operator in {"=", "=~"}

    def __str__(self) -> str:
        """As Alertmanager reads it in `filter`."""
        return f'{self.name}{self.operator}"{_placeholders.in_string(self.value)}"'

    def fits(self, labels: Mapping[str, str]) -> bool:
        """Expressions are anchored; a label that is not there is empty."""
        value = labels.get(self.name, "")
        same = bool(_compiled(self.value).fullmatch(value)) if self.is_expression else value == self.value
        return same is self.is_equal


def names(texts: Sequence[str]) -> tuple[str, ...]:
    """The placeholders of all of them."""
    return tuple(dict.fromkeys(name for text in texts for name in _placeholders.names(text)))


def matchers(texts: Sequence[str], values: Values) -> tuple[Matcher, ...]:
    """Placeholders are escaped for the expression that they stand in."""
    found = []
    for text in texts:
        name, operator, written = _WRITTEN.fullmatch(text).groups()  # type: ignore[union-attr]  # checked when the plan was read
        value = _unquoted(written) or ""
        expects = operator in {"=~", "!~"}
        found.append(Matcher(name, operator, _placeholders.filled(value, values, expression=expects)))
    return tuple(found)
