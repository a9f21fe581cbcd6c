"""Prometheus' HTTP API: a query evaluated now, at a time, or over a window, read with distrust."""

import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from rollout.gates._trouble import Trouble
from rollout.model.seams import Answer
from rollout.ssh.printable import printable

if TYPE_CHECKING:
    from rollout.gates._http import Reply, Session

GET_UP_TO = 2000
"""Letters of a query that still go into a URL: a proxy in between may allow GET alone, and may cut what is longer."""

NO_ANSWER = "it does not answer as Prometheus does"

Point = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Series:
    """Points are (seconds since the epoch, value); a value may be NaN or infinite."""

    labels: dict[str, str]
    points: tuple[Point, ...]

    @property
    def called(self) -> str:
        """Its labels as a selector, for a person."""
        words = ", ".join(f'{name}="{value}"' for name, value in self.labels.items() if name != "__name__")
        return printable(f"{self.labels.get('__name__', '')}{{{words}}}", 120)


@dataclass(frozen=True, slots=True)
class Found:
    """`date`: the server's clock when it answered. With `warnings` the answer may be a part of the whole."""

    series: tuple[Series, ...]
    date: float | None = None
    warnings: tuple[str, ...] = ()


def instant(session: "Session", query: str, at: float | None = None) -> Found:
    """The query now by the server's clock, or at a time. Raises Trouble."""
    times = {} if at is None else {"time": f"{at:.3f}"}
    return _read(session, _asked(session, "/api/v1/query", {"query": query, **times}))


def window(session: "Session", query: str, begin: float, end: float, step: float) -> Found:
    """The query at each step between two times. Raises Trouble."""
    times = {"start": f"{begin:.3f}", "end": f"{end:.3f}", "step": f"{step:.3f}"}
    return _read(session, _asked(session, "/api/v1/query_range", {"query": query, **times}))


def _asked(session: "Session", path: str, form: dict[str, str]) -> "Reply":
    if len(form["query"]) <= GET_UP_TO:
        return session.get(path, list(form.items()))
    return session.post_form(path, form)


def _read(session: "Session", reply: "Reply") -> Found:
    data = reply.data
    try:
        if data["status"] != "success":
            words = printable(str(data.get("error") or data["status"]), 200)
            raise Trouble(Answer.INCONCLUSIVE, f"{session.who}: the query failed: {words}")
        kind, result = data["data"]["resultType"], data["data"]["result"]
        warnings = tuple(printable(str(one), 200) for one in data.get("warnings") or ())
        if kind == "scalar":
            result = [{"metric": {}, "value": result}]
        elif kind not in {"vector", "matrix"}:
            raise Trouble(
                Answer.INCONCLUSIVE, f"the query answers with a {printable(str(kind), 40)}, not with numbers"
            )
        return Found(tuple(_series(one) for one in result), reply.date, warnings)
    except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
        raise Trouble(Answer.INCONCLUSIVE, f"{session.who}: {NO_ANSWER}") from error


def _series(one: Any) -> Series:
    if "histogram" in one or "histograms" in one:
        raise Trouble(Answer.INCONCLUSIVE, "the query answers with histograms, not with numbers")
    labels = {str(name): printable(str(value), 120) for name, value in one["metric"].items()}
    points = one["values"] if "values" in one else [one["value"]]
    return Series(labels, tuple(_point(at, value) for at, value in points))


def _point(at: Any, value: Any) -> Point:
    """Times are numbers and values are text, and nothing else is what Prometheus says."""
    if isinstance(at, bool) or not isinstance(at, int | float) or not isinstance(value, str):
        raise TypeError
    if not math.isfinite(at):
        raise ValueError
    return float(at), float(value)


def doubts(found: Found, now: float, fresh: float) -> Iterator[str]:
    """Why the numbers, good as they may look, prove nothing: partial, old, of a clock that is not ours, or no numbers."""
    if found.warnings:
        yield f"the answer may be a part of the whole: {found.warnings[0]}"
    if found.date is not None and abs(found.date - now) > fresh:
        yield f"the server's clock and ours are {abs(found.date - now):.0f} s apart"
    for series in found.series:
        if not series.points:
            yield f"{series.called} has no points"
        elif abs(series.points[-1][0] - now) > fresh:
            yield f"the last point of {series.called} is {now - series.points[-1][0]:.0f} s old"
        elif any(not math.isfinite(value) for _, value in series.points):
            odd = next(value for _, value in series.points if not math.isfinite(value))
            yield f"{series.called} is {odd}, which is no measurement"


def thinned(numbers: Sequence[float], most: int = 60) -> list[float | None]:
    """At most so many of them, evenly, for a picture; None where there is no number."""
    every = max(1, math.ceil(len(numbers) / most))
    return [round(one, 9) if math.isfinite(one) else None for one in numbers[::every]]


def graph_link(url: str, query: str, end: float, seconds: float) -> str:
    """Where Prometheus itself shows the numbers of the time before `end`."""
    at = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(end))
    asked = {
        "g0.expr": query,
        "g0.tab": "0",
        "g0.range_input": f"{max(60, seconds):.0f}s",
        "g0.end_input": at,
    }
    return f"{url}/graph?{urlencode(asked)}"
