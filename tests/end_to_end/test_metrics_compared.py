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
COMPARED = {"compare": "same combo not yet upgraded", "window": "4s", "settle": "0s", "false_stops": "20%"}
METRIC = {"query": RATE, "least": "3"}
EVENTS = {"query": "kernel_errors_total", "counts": True, "least": "10"}
SOAK = "16s"
"""Two windows and the fifth of one that Prometheus is given, and as much again for busy machines."""


@pytest.fixture
def operator(operator_of: Callable[[Sequence[HostSpec]], Operator]) -> Operator:
    """Each test has hosts of its own: what they did in another would be a part of their history."""
    return operator_of(HOSTS)


@pytest.fixture
def monitoring(operator: Operator) -> Iterator[Monitoring]:
    with Monitoring(operator.lab, HOSTS, operator.folder / "monitoring") as started:
        yield started


def stopped(operator: Operator, monitoring: Monitoring, name: str, asked: dict[str, Any]) -> tuple[str, str]:
    """A run of a leaking release; gives the options that name its journal. At twenty per cent, four hosts that show events beside
    six others that show none are more than enough."""
    at = ("--journal", f".rollout/{name}.sqlite3")
    healthy(operator, monitoring, 12)
    gate = prometheus_gate(**COMPARED, **asked)
    file = written(operator, name, "all", gate, errors=20, soak=SOAK, sizes=(4, "100%"))

    halted = operator.rollout("apply", file, "--yes", *at)

    assert halted.code == 3, halted.said
    events = operator.events(*at)
    upgraded = begun(events, "upgrade")
    assert len(upgraded) == 4
    (trip,) = of_gate(events, "breaker-tripped")
    failed = next(event for event in of_gate(events, "gate-answered") if event["data"]["value"] == "fail")
    samples = failed["data"]["samples"]
    assert trip["seq"] == failed["seq"] + 1, "the first sufficient answer stops the run"
    assert samples["upgraded"] in {3, 4}  # the fourth may be seen a sample later
    assert samples["controls"] == 6
    assert samples["e"] >= samples["stops_at"]
    worst = {host for host, _ in samples["worst"]}
    assert len(worst) == 3
    assert worst <= set(upgraded)
    assert all(host in trip["because"] for host in worst), trip
    assert "not yet upgraded" in trip["because"]
    assert asked["query"] in samples["query"]
    return at


@pytest.mark.full
def test_four_hosts_that_begin_to_show_events_stop_the_run_until_the_gate_is_waived(
    operator: Operator, monitoring: Monitoring
) -> None:
    at = stopped(operator, monitoring, "events", EVENTS)
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
    file = written(operator, "well", "all", gate, soak="1s", sizes=(4, "100%"))

    stopped = operator.rollout("apply", file, "--yes", *at)

    assert stopped.code == 3, stopped.said
    answers = of_gate(operator.events(*at), "gate-answered")
    passed = next(answer for answer in answers if answer["data"]["value"] == "pass")
    assert (passed["data"]["samples"]["upgraded"], passed["data"]["samples"]["controls"]) == (4, 6)
    assert {answer["data"]["value"] for answer in answers} == {"pass", "inconclusive"}
    assert "nothing to compare" in stopped.said
    assert len(begun(operator.events(*at), "upgrade")) == len(HOSTS)
