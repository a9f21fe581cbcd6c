"""What a query was for each host, over the windows that a comparison needs."""

import math
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import TYPE_CHECKING

from rollout.gates import _promql
from rollout.gates._promql import Found
from rollout.gates._trouble import Trouble
from rollout.model.comparison import Readings
from rollout.model.seams import Answer
from rollout.ssh.printable import printable

if TYPE_CHECKING:
    from rollout.gates._http import Session

KEPT = 50_000
"""Values that are kept between two questions, some MB: what was measured over a window that has ended stays as it is."""

_Key = tuple[str, str, float]


class _Memory:
    """The newest answers, by server, query and instant."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._found: OrderedDict[_Key, Mapping[str, float]] = OrderedDict()
        self._size = 0

    def get(self, key: _Key) -> Mapping[str, float] | None:
        with self._lock:
            if key in self._found:
                self._found.move_to_end(key)
            return self._found.get(key)

    def put(self, key: _Key, values: Mapping[str, float]) -> None:
        with self._lock:
            self._size += len(values) - len(self._found.pop(key, ()))
            self._found[key] = values
            while self._size > KEPT and len(self._found) > 1:
                self._size -= len(self._found.popitem(last=False)[1])


_MEMORY = _Memory()


def once(
    session: "Session", query: str, at: float, read_now: Callable[[], Mapping[str, float]]
) -> Mapping[str, float]:
    """What the query was at an instant that has passed, from memory where it has been asked for before."""
    key = (session.url, query, at)
    values = _MEMORY.get(key)
    if values is None:
        values = read_now()
        if values:  # nothing yet may be something later
            _MEMORY.put(key, values)
    return values


def read(
    session: "Session", query: str, instants: Iterable[float], label: str, known: Mapping[str, str]
) -> Readings:
    """Instant -> host -> value, of the hosts that `known` names by what the label holds for them. Raises Trouble."""
    found: dict[float, Mapping[str, float]] = {}
    for at in instants:
        values = once(session, query, at, partial(_values_at, session, query, at, label))
        found[at] = _of_hosts(values, known)
    return found


def _values_at(session: "Session", query: str, at: float, label: str) -> dict[str, float]:
    return _by_label(_promql.instant(session, query, at), at, label)


def _by_label(found: Found, at: float, label: str) -> dict[str, float]:
    if found.warnings:
        raise Trouble(Answer.INCONCLUSIVE, f"the answer may be a part of the whole: {found.warnings[0]}")
    values: dict[str, float] = {}
    for series in found.series:
        name = series.labels.get(label, "")
        if len(series.points) != 1 or abs(series.points[0][0] - at) > 1.0:
            raise Trouble(
                Answer.INCONCLUSIVE, f"{series.called} does not answer for the instant that was asked about"
            )
        if name in values:
            raise Trouble(Answer.ERROR, f"several series are about {printable(name, 80)!r}: {_advice(label)}")
        values[name] = series.points[0][1]
    if list(values) == [""]:
        raise Trouble(Answer.ERROR, f"the query's answer has no label {label}: {_advice(label)}")
    return values


def _advice(label: str) -> str:
    return f"let the query sum up `by ({label})`"


def _of_hosts(values: Mapping[str, float], known: Mapping[str, str]) -> dict[str, float]:
    found: dict[str, float] = {}
    for name, value in values.items():
        host = host_in(name, known)
        if not host or not math.isfinite(value):
            continue
        if host in found:
            raise Trouble(
                Answer.ERROR,
                f"several series are about {printable(host, 80)}: its label names it with two ports",
            )
        found[host] = value
    return found


def host_in(label: str, known: Mapping[str, str]) -> str:
    """The host that a label is about, with or without a port; empty if none."""
    name, _, port = label.rpartition(":")
    bare = (name if port.isdecimal() and name else label).removeprefix("[").removesuffix("]")
    return known.get(label) or known.get(bare, "")
