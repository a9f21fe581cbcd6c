"""What a gate answered, with what it saw: the value, the numbers, the query, the window, the hosts on both sides, a line of the series."""

import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any

from rollout.model.event import Event
from rollout.model.plan import DURING
from rollout.model.progress import Standing
from rollout.model.seams import Answer
from rollout.report.plain import clock, plain, spoken, stamp

BARS, ASCII_BARS = "▁▂▃▄▅▆▇█", "_.-~=+*#"
WIDTH = 40
"""Characters of a series; a longer one is shown as the largest of each stretch."""

NUMBERS = 200
"""Characters of the numbers that have no name of their own."""

KNOWN = frozenset({"value", "query", "from", "to", "series", "upgraded", "controls", "packed"})
DAY = 86400.0


def lines(samples: Mapping[str, Any], link: str = "", *, drawn: bool = True) -> list[str]:
    """A few lines, none for a gate that saw nothing. `drawn`: the terminal can show block characters."""
    found = [_numbers(samples), _window(samples), _sentence("query ", samples.get("query"))]
    series = _finite(samples.get("series"))
    if series:
        bars = BARS if drawn else ASCII_BARS
        found.append(f"{sparkline(series, bars=bars)} {_number(min(series))} .. {_number(max(series))}")
    return [line for line in (*found, plain(link, 2000)) if line]


def rows(samples: Mapping[str, Any], link: str = "", *, drawn: bool = True) -> list[list[str]]:
    """The same as a table of names and values, with each sample on a row of its own."""
    own = {name: value for name, value in samples.items() if name not in KNOWN}
    found = [["value", _value(samples["value"], 2000)]] if "value" in samples else []
    found += [[plain(name), _value(value, 2000)] for name, value in own.items()]
    found += [["window", _span(samples)], ["hosts", _sides(samples)]]
    found.append(["query", _sentence("", samples.get("query"))])
    series = _finite(samples.get("series"))
    if series:
        bars = sparkline(series, bars=BARS if drawn else ASCII_BARS)
        found.append(["series", f"{bars} {_number(min(series))} .. {_number(max(series))}"])
    return [row for row in (*found, ["link", plain(link, 2000)]) if row[1]]


def mark(data: Mapping[str, Any]) -> str:
    """Of an answer that decided nothing: why."""
    return "".join(f" ({word}: it decides nothing)" for word in ("shadow", "waived") if data.get(word))


def moment(data: Mapping[str, Any]) -> str:
    """When a gate was asked, and about whom: `during (site=tokyo)`, `before wave a/2`, `after verify`."""
    when, about = plain(data.get("moment", "")), plain(data.get("about", ""))
    return f"{when} ({about})" if about and when == DURING else f"{when} {about}".rstrip()


def as_json(event: Event) -> dict[str, Any]:
    """An answer's event as a value for json.dumps, flat."""
    value = {"type": "answer", "seq": event.seq, "at": event.at, "host": event.host, "because": event.because}
    return {**value, **event.data}


def can_draw(encoding: str | None, environment: Mapping[str, str]) -> bool:
    """Whether block characters can be shown: the output's encoding has them, and the terminal is none that draws text alone."""
    try:
        BARS.encode(encoding or "ascii")
    except (LookupError, UnicodeEncodeError):
        return False
    return environment.get("TERM") not in {"dumb", "linux"}


def sparkline(values: Sequence[float], width: int = WIDTH, *, bars: str = BARS) -> str:
    """Numbers as a line of bars, from the smallest to the largest of them."""
    if len(values) > width:
        edges = [number * len(values) // width for number in range(width + 1)]
        values = [max(values[first:last]) for first, last in pairwise(edges)]
    low, high = min(values, default=0.0), max(values, default=0.0)
    scale = max(abs(low), abs(high)) or 1.0  # the spread of large numbers may be more than a float holds
    spread = high / scale - low / scale
    top = len(bars) - 1
    return "".join(
        bars[round((value / scale - low / scale) / spread * top) if spread else 0] for value in values
    )


def _finite(series: object) -> list[float]:
    if not isinstance(series, list | tuple):
        return []
    numbers = (value for value in series if isinstance(value, int | float) and not isinstance(value, bool))
    return [float(value) for value in numbers if abs(value) < 1e308 and math.isfinite(value)]


def _numbers(samples: Mapping[str, Any]) -> str:
    names = [
        name for name in ("value", *samples) if name in samples and (name == "value" or name not in KNOWN)
    ]
    found = (f"{plain(name)} {_value(samples[name], 80)}" for name in dict.fromkeys(names))
    return plain(", ".join(found), NUMBERS)


def _window(samples: Mapping[str, Any]) -> str:
    return ", ".join(part for part in (_span(samples), _sides(samples)) if part)


def _span(samples: Mapping[str, Any]) -> str:
    begin, end = _instant(samples.get("from")), _instant(samples.get("to"))
    if begin is None or end is None or begin == end:
        return f"at {stamp(end)}" if end is not None else ""
    same_day = math.floor(begin / DAY) == math.floor(end / DAY)
    return f"from {stamp(begin)} to {clock(end) if same_day else stamp(end)}"


def _instant(value: object) -> float | None:
    """Seconds since the epoch, up to the year 9999."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if is_number and 0 < value < 253_402_300_800 else None  # type: ignore[operator, arg-type]  # a number


def _sides(samples: Mapping[str, Any]) -> str:
    words = (("upgraded", "upgraded"), ("controls", "to compare with"))
    return ", ".join(f"{plain(samples[name])} {word}" for name, word in words if name in samples)


def _value(value: object, limit: int) -> str:
    if isinstance(value, float):
        return _number(value)
    return plain(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False), limit)


def _number(value: float) -> str:
    return f"{value:.0f}" if 1e6 <= abs(value) < 1e15 else f"{value:.6g}"


def _sentence(before: str, text: object) -> str:
    return f"{before}{plain(text, 2000)}" if text else ""


def told(event: Event, *, drawn: bool = True) -> Iterator[str]:
    """An answer in lines: when, what, why; and indented below it what was seen."""
    data = event.data
    because = f", {plain(event.because)}" if event.because else ""
    value = f"{plain(data.get('value', ''))}{mark(data)}"
    yield f"{clock(event.at)}  {plain(data.get('gate', ''))} {moment(data)}: {value}{because}"
    for line in lines(data.get("samples", {}), str(data.get("link", "")), drawn=drawn):
        yield f"           {line}"


def said(last: Standing, waived: Mapping[str, str], now: float, *, is_asked: bool = True) -> str:
    """What a gate about the fleet said last, since when, and what that keeps from beginning.

    `is_asked`: whether a controller holds the run, and asks on; else what was said then is no news of now.
    """
    data = {"moment": last.moment, "about": last.about, "shadow": last.shadow, "waived": last.gate in waived}
    head = f"{plain(last.gate)} {moment(data)}"
    if not last.value:
        return f"{head}: not asked yet"
    lasts = spoken(now - last.since) if is_asked else "until its controller ended: nobody asks now"
    since = f"{last.value}{mark(data)} since {stamp(last.since)} ({lasts})"
    then = ""
    if last.moment == DURING and decides(last, waived) and not last.passed:
        whom = f" with {plain(last.about)}" if last.about else ""
        until = "has passed for long enough" if last.value == Answer.PASS else "passes"
        then = f"; nothing more{whom} begins until it {until}"
    return f"{head}: {since}: {plain(last.because)}{then}"


def decides(last: Standing, waived: Mapping[str, str]) -> bool:
    """Whether what it says matters to the run."""
    return not last.shadow and last.gate not in waived


def stops(last: Standing, waived: Mapping[str, str]) -> bool:
    """Whether it has been asked, and keeps something from beginning."""
    return bool(last.value) and not last.passed and decides(last, waived)


def in_order(standing: Iterable[Standing], waived: Mapping[str, str]) -> list[Standing]:
    """Those that keep something from beginning first."""
    return sorted(standing, key=lambda last: (not stops(last, waived), last.gate, last.moment, last.about))
