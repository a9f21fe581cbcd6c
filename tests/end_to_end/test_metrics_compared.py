"""Upgraded hosts are compared with those of their combo not yet upgraded, by the series of real Prometheus."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest

from rollout.lab import HostSpec
from tests.end_to_end.measured import RATE, healthy, of_gate, prometheus_gate, written
from tests.end_to_end.operating import Operator, begun
from tests.monitoring import Monitoring

pytestmark = pytest.mark.lab

HOSTS = [HostSpec(f"c{number}") for number in range(1, 11)]
COMPARED = {"compare": "same combo not yet upgraded", "window": "4s", "settle": "0s", "false_stops": "10%"}
METRIC = {"query": RATE, "least": "3"}
EVENTS = {"query": "kernel_errors_total", "counts": True, "least": "10"}
SOAK = "16s"
"""Two windows and the fifth of one that Prometheus is given, and as much again for busy machines."""


@pytest.fixture(scope="module")
def operator(operator_of: Callable[[Sequence[HostSpec]], Operator]) -> Operator:
    return operator_of(HOSTS)


@pytest.fixture(scope="module")
def monitoring(operator: Operator) -> Iterator[Monitoring]:
    with Monitoring(operator.lab, HOSTS, operator.folder / "monitoring") as started:
        yield started


@pytest.mark.parametrize(
    "asked", [pytest.param(EVENTS, marks=pytest.mark.full), METRIC], ids=["events", "metric"]
)
def test_two_hosts_that_became_worse_than_all_others_stop_the_run(
    operator: Operator, monitoring: Monitoring, asked: dict[str, Any]
) -> None:
    """Two that are worse than all of eight others are the least that can be enough at ten per cent.

    Events come first: who showed some in the test before would count as noisy.
    """
    name = "events" if asked is EVENTS else "metric"
    at = ("--journal", f".rollout/{name}.sqlite3")
    healthy(
        operator, monitoring, 30 if asked is EVENTS else 12
    )  # who made errors shortly before tells nothing
    gate = prometheus_gate(**COMPARED, **asked)
    file = written(operator, name, "all", gate, errors=20, soak=SOAK, sizes=(2, "100%"))

    stopped = operator.rollout("apply", file, "--yes", *at)

    assert stopped.code == 3, stopped.said
    events = operator.events(*at)
    upgraded = begun(events, "upgrade")
    assert len(upgraded) == 2
    (trip,) = of_gate(events, "breaker-tripped")
    failed = next(event for event in of_gate(events, "gate-answered") if event["data"]["value"] == "fail")
    samples = failed["data"]["samples"]
    assert trip["seq"] == failed["seq"] + 1, "the first sufficient answer stops the run"
    assert (samples["upgraded"], samples["controls"]) == (2, 8)
    assert samples["e"] >= samples["stops_at"]
    assert sorted(host for host, _ in samples["worst"]) == sorted(upgraded)
    assert all(host in trip["because"] for host in upgraded), trip
    assert "not yet upgraded" in trip["because"]
    assert asked["query"] in samples["query"]

    waived = operator.rollout(
        "gate", "waive", "errors", "--reason", "the errors are known, and harmless", *at
    )
    assert waived.code == 0, waived.said
    resumed = operator.rollout("resume", *at)
    assert resumed.code == 0, resumed.said
    assert len(begun(operator.events(*at), "upgrade")) == len(HOSTS)


@pytest.mark.full
def test_a_healthy_fleet_passes_as_long_as_there_is_something_to_compare_with(
    operator: Operator, monitoring: Monitoring
) -> None:
    """The last hosts have no others beside them, and no days before either: that is no pass, and a person decides."""
    at = ("--journal", ".rollout/well.sqlite3")
    healthy(operator, monitoring, 12)
    gate = prometheus_gate(**COMPARED, **METRIC, retries=20) | {"when": "after wave"}
    file = written(operator, "well", "all", gate, soak="1s", sizes=(2, "100%"))

    stopped = operator.rollout("apply", file, "--yes", *at)

    assert stopped.code == 3, stopped.said
    answers = of_gate(operator.events(*at), "gate-answered")
    passed = next(answer for answer in answers if answer["data"]["value"] == "pass")
    assert (passed["data"]["samples"]["upgraded"], passed["data"]["samples"]["controls"]) == (2, 8)
    assert {answer["data"]["value"] for answer in answers} == {"pass", "inconclusive"}
    assert "nothing to compare with" in stopped.said
    assert len(begun(operator.events(*at), "upgrade")) == len(HOSTS)
