"""Many simulated runs in words: quantiles, and the reasons for which they stopped."""

import json
from typing import Any

from rollout.model.decision import Stop
from rollout.model.event import Event, Kind
from rollout.model.simulated import Simulated
from rollout.report import simulated as report
from tests.fleet import a_graph

GRAPH = a_graph({"a": 2})


def a_result(seed: int, took: float = 60.0, *, harmed: int = 0, stopped: Event | None = None) -> Simulated:
    events = (stopped,) if stopped else ()
    stop = Stop(3, "halted") if stopped else Stop(0, "finished")
    return Simulated(
        seed, stop, 0.0, took, {"a/1": took}, tuple(f"a{number}" for number in range(harmed)), stopped=events
    )


def tripped(because: str, **data: Any) -> Event:
    return Event(Kind.TRIPPED, because, data={"by": "evidence", **data})


def test_quantiles_are_by_nearest_rank() -> None:
    spread = json.loads(report.spread_as_json([a_result(seed, float(seed)) for seed in range(1, 101)]))
    assert spread["makespan"] == {"p50": 50, "p90": 90, "p95": 95, "max": 100}
    alone = json.loads(report.spread_as_json([a_result(1, 7.0)]))
    assert set(alone["makespan"].values()) == {7}


def test_reasons_that_differ_in_numbers_alone_are_the_same() -> None:
    many = [
        a_result(1, stopped=tripped("2 of 2 with os=x", factors={"os": "x"})),
        a_result(2, stopped=tripped("3 of 9 with os=x", factors={"os": "x"})),
        a_result(3, stopped=tripped("3 of 9 with os=y", factors={"os": "y"})),
        a_result(4),
    ]
    said = report.spread(GRAPH, many)
    assert "75.0% stopped before their end" in said
    assert "  50.0%: 2 of 2 with os=x (seed 1)\n  25.0%: 3 of 9 with os=y (seed 3)\n" in said
    assert "a/2  never" in said


def test_what_comes_from_outside_harms_no_terminal() -> None:
    said = report.text(GRAPH, a_result(1, harmed=7, stopped=tripped("\x1b[2J")))
    assert "\x1b" not in said
    assert "hosts harmed by defects: 7 (a0, a1, a2, a3, a4 and 2 more)" in said
