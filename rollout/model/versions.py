"""Whether a value is what is wanted of it: globs, and ranges of versions."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import lru_cache
from typing import Any

from rollout.model.verdict import Order

LONGEST = 256
"""Characters of a version; what is longer is none."""

_BEGINS_A_RANGE = ("<", ">", "=", "!")
_PART = re.compile(r"\s*(<=|>=|==|!=|<|>|=)\s*(.*?)\s*", re.DOTALL)
_GLOB = re.compile(r"[*?\[]")
_PCI = re.compile(r"[0-9A-Fa-f]{4}:[0-9A-Fa-f*?]{1,4}")
_TOKEN = re.compile(r"[0-9]+|[A-Za-z]+")
_RPM = re.compile(r"(?:[0-9]{1,9}:)?[A-Za-z0-9._+~^]*[0-9][A-Za-z0-9._+~^]*(?:-[A-Za-z0-9._+~^]+)*")
_EPOCH = re.compile(r"[0-9]+:[0-9]")
_DEB = re.compile(r"(?:[0-9]{1,9}:)?[0-9][A-Za-z0-9.+~-]*")

_EARLY = frozenset({"alpha", "beta", "dev", "pre", "preview", "rc"})
"""Words that name what comes before the version they are written behind."""

_WORD_BEFORE, _END, _WORD, _NUMBER = range(4)
"""What comes first where two dotted versions differ: 2.0rc1, 2.0, 2.0a, 2.0.1."""

_Key = tuple[tuple[int, int, str], ...]


class RangeInvalid(ValueError):
    """A text that begins like a range and is none; the sentence says why."""


@dataclass(frozen=True, slots=True)
class _Version:
    """`series`: the letters before the first number (`debian` of debian-12, `a` of A05); only versions of one series have an order."""

    order: Order
    series: tuple[str, ...]
    key: Any


@dataclass(frozen=True, slots=True)
class _SortedOut:
    literals: frozenset[str]
    globs: tuple[str, ...]
    ranges: tuple[str, ...]


def fits(values: Iterable[str], wanted: Iterable[str], order: Order = "dotted") -> bool:
    """Whether any of the values is accepted by any of the globs (case counts) or ranges. What is no version fits no range."""
    return compared(values, wanted, order) is True


def compared(values: Iterable[str], wanted: Iterable[str], order: Order = "dotted") -> bool | None:
    """As `fits`; None: nothing is accepted, but for a value that cannot be compared with a range, so that nobody knows."""
    texts = _sorted_out(tuple(wanted))
    unclear = False
    for value in map(canonical, values):
        if value in texts.literals or any(fnmatchcase(value, glob) for glob in texts.globs):
            return True
        for text in texts.ranges:
            inside = _within(value, text, order)
            if inside:
                return True
            unclear = unclear or inside is None
    return None if unclear else False


@lru_cache(65536)
def canonical(text: str) -> str:
    """As values are compared: a PCI id such as 8086:10FB is a number, and vendors write it in capitals."""
    return text.lower() if _PCI.fullmatch(text) else text


def is_range(text: str) -> bool:
    """Whether it is meant as a range; all else is a glob."""
    return text.lstrip().startswith(_BEGINS_A_RANGE)


def is_pattern(text: str) -> bool:
    """Whether it may stand for several values."""
    return is_range(text) or _GLOB.search(text) is not None


def mistake(text: str, order: Order = "dotted") -> str | None:
    """What is wrong with a wanted text, if it is a range."""
    if not is_range(text):
        return None
    try:
        _bounds(text, order)
    except RangeInvalid as error:
        return str(error)
    return None


def compare(one: str, other: str, order: Order = "dotted") -> int | None:
    """-1, 0 or 1: older, the same, newer. None: one of them is no version, or they are of several series (debian-12, ubuntu-24.04)."""
    first, second = _parsed(one, order), _parsed(other, order)
    if first is None or second is None or first.series != second.series:
        return None
    return _sign(first, second)


@lru_cache(4096)
def _sorted_out(wanted: tuple[str, ...]) -> _SortedOut:
    """Literals apart: a row of a compatibility file may list a thousand PCI ids."""
    ranges = tuple(text for text in wanted if is_range(text))
    plain = [canonical(text) for text in wanted if not is_range(text)]
    globs = tuple(text for text in plain if is_pattern(text))
    return _SortedOut(frozenset(plain) - {*globs}, globs, ranges)


@lru_cache(65536)
def _within(value: str, text: str, order: Order) -> bool | None:
    try:
        bounds = _bounds(text, order)
    except RangeInvalid:
        return None
    version = _parsed(value, order)
    if version is None:
        return None
    for operator, bound in bounds:
        if version.series != bound.series:
            if not (version.series and bound.series):
                return None
            if operator == "!=":
                continue
            return False
        if not _holds(operator, _sign(version, bound)):
            return False
    return True


def _holds(operator: str, sign: int) -> bool:
    return {
        "<": sign < 0,
        "<=": sign <= 0,
        ">": sign > 0,
        ">=": sign >= 0,
        "=": sign == 0,
        "==": sign == 0,
        "!=": sign != 0,
    }[operator]


@lru_cache(4096)
def _bounds(text: str, order: Order) -> tuple[tuple[str, _Version], ...]:
    """The parts of a range. Raises RangeInvalid."""
    found: list[tuple[str, _Version]] = []
    for part in text.split(","):
        split = _PART.fullmatch(part)
        if split is None:
            said = "begins with none of < <= > >= = !=" if part.strip() else "is empty"
            raise RangeInvalid(f"a part of the range {said}; a range is such as >=1.9.2,<2")
        operator, written = split[1], split[2]
        if not written:
            raise RangeInvalid(f"no version stands behind {operator}; a range is such as >=1.9.2,<2")
        if written[0] in "<>=!":
            raise RangeInvalid(f"{operator}{written[0]} is no comparison: write one of < <= > >= = !=")
        if _GLOB.search(written):
            raise RangeInvalid(f"{written} is a pattern, and no version that could be compared")
        version = _parsed(written, order)
        if version is None:
            dotted = "has no number in it"
            if _EPOCH.match(written):
                dotted = (
                    "has an epoch: only a factor with `versions: deb` or `versions: rpm` is compared by that"
                )
            how = {"dotted": dotted, "deb": "is no version of a Debian package"}
            raise RangeInvalid(f"{written} {how.get(order, 'is no version of an RPM package')}")
        if found and found[0][1].series != version.series:
            raise RangeInvalid("no version fits all parts of the range: they are of several series")
        found.append((operator, version))
    _refuse_if_empty(found)
    return tuple(found)


def _refuse_if_empty(bounds: list[tuple[str, _Version]]) -> None:
    """Of `>=2,<1` nothing is left."""
    for low, least in bounds:
        for high, most in bounds:
            if low[0] in ">=" and high[0] in "<=":
                sign = _sign(least, most)
                touching = low in {">=", "=", "=="} and high in {"<=", "=", "=="}
                if sign > 0 or (sign == 0 and not touching):
                    raise RangeInvalid("no version fits all parts of the range")


@lru_cache(65536)
def _parsed(text: str, order: Order) -> _Version | None:
    """The version that a text is, if it is one."""
    written = text.strip()
    if len(written) > LONGEST:
        return None
    if order == "dotted":
        return _dotted(written)
    if order == "deb" and _DEB.fullmatch(written):
        from univers.debian import Version  # noqa: PLC0415  only plans with such versions pay for it

        return _Version(order, (), Version.from_string(written))
    if order == "rpm" and _RPM.fullmatch(written):
        from univers.rpm import RpmVersion  # noqa: PLC0415  as above

        return _Version(order, (), RpmVersion.from_string(written))
    return None


def _dotted(text: str) -> _Version | None:
    """Number by number: 1.9.2 < 1.10 = 1.10.0. Letters come after: 14.2 < 14.2a < 14.2b < 14.2.1; but 14.2rc1 < 14.2.

    What stands in brackets behind it, as the day of a firmware, does not count. A package's version with an epoch is none: its numbers come after others.
    """
    if _EPOCH.match(text):
        return None
    tokens = [token.lower() for token in _TOKEN.findall(text.partition(" (")[0])]
    first = next((index for index, token in enumerate(tokens) if token.isdigit()), None)
    if first is None:
        return None
    series = tuple(tokens[:first])
    key: list[tuple[int, int, str]] = []
    for token in tokens[first:]:
        if token.isdigit():
            key.append((_NUMBER, int(token), ""))
        else:
            _drop_zeros(key)
            key.append((_WORD_BEFORE if token in _EARLY else _WORD, 0, token))
    _drop_zeros(key)
    ended: _Key = (*key, (_END, 0, ""))
    return _Version("dotted", () if series == ("v",) else series, ended)


def _drop_zeros(key: list[tuple[int, int, str]]) -> None:
    while len(key) > 1 and key[-1] == (_NUMBER, 0, ""):
        key.pop()


def _sign(one: _Version, other: _Version) -> int:
    if one.order == "deb":
        from univers.debian import compare_versions  # noqa: PLC0415  only plans with such versions pay for it

        return int(compare_versions(one.key, other.key))
    if one.order == "rpm":
        return _sign_of_rpm(one.key, other.key)
    return int(one.key > other.key) - int(one.key < other.key)


def _sign_of_rpm(one: Any, other: Any) -> int:
    """RPM asks for a release only where both sides name one: 1.2-3 is a 1.2."""
    from univers.rpm import compare_rpm_versions  # noqa: PLC0415  only plans with such versions pay for it

    if not one.release or not other.release:
        one, other = one._replace(release=""), other._replace(release="")
    return int(compare_rpm_versions(one, other))
