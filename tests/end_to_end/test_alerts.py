"""Gates on what pages people: real Alertmanager, where a lost host fires and silences of ours are a lease, and error budgets."""

import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest

from rollout.lab import HostSpec
from tests.end_to_end.measured import healthy, of_gate, written
from tests.end_to_end.operating import Operator, begun, ended, read_until, until
from tests.monitoring import Monitoring

pytestmark = pytest.mark.lab

HOSTS = [HostSpec(f"p{number}") for number in range(1, 5)]
LEASE = 120
"""Seconds, the shortest that there is."""


@pytest.fixture(scope="module")
def operator(operator_of: Callable[[Sequence[HostSpec]], Operator]) -> Operator:
    return operator_of(HOSTS)


@pytest.fixture(scope="module")
def monitoring(operator: Operator) -> Iterator[Monitoring]:
    with Monitoring(operator.lab, HOSTS, operator.folder / "monitoring") as started:
        yield started


@pytest.fixture(autouse=True)
def calm(operator: Operator, monitoring: Monitoring) -> None:
    """No alert fires, whatever the test before has left."""
    for host in operator.lab.status().hosts:
        for fault in host.faults:
            operator.lab.clear(host.name, fault)
    until(lambda: monitoring.alertmanager.alerts() == [])


def alerts_gate(**settings: Any) -> dict[str, Any]:
    """`pages`, asked once a second: no alert may say that a host is down."""
    common = {"name": "pages", "kind": "alertmanager", "when": "during", "url": "http://127.0.0.1:9093"}
    return {
        **common,
        "match": ['alertname="HostDown"'],
        "label": "host",
        "interval": "1s",
        "timeout": "5s",
        **settings,
    }


def test_an_alert_that_fires_stops_new_starts_and_a_silenced_one_does_not(
    operator: Operator, monitoring: Monitoring
) -> None:
    """The cable of a host that the run has nothing to do with is pulled while the first one is upgraded."""
    at = ("--journal", ".rollout/alert.sqlite3")
    file = written(operator, "alert", "p1:p2", alerts_gate(), seconds=1, soak="9s")
    apply = operator.start("apply", file, "--yes", *at)
    read_until(apply, "upgrade begins")
    operator.lab.fault("p4", "link-cut")

    stopped = ended(apply, 90)

    assert stopped.code == 3, stopped.said
    events = operator.events(*at)
    assert len(begun(events, "upgrade")) == 1
    (trip,) = of_gate(events, "breaker-tripped", "pages")
    assert "1 alert fires: HostDown of p4" in trip["because"]
    assert monitoring.alertmanager.alerts()[0]["host"] == "p4"

    monitoring.alertmanager.silence(600, "a person", alertname="HostDown", host="p4")
    until(lambda: monitoring.alertmanager.alerts() == [])
    resumed = operator.rollout("resume", *at)
    assert resumed.code == 0, resumed.said


def silencing_gate() -> dict[str, Any]:
    return alerts_gate(silence={"match": ['host="{{ host }}"'], "lease": f"{LEASE}s"})


@pytest.mark.full
def test_a_host_is_silenced_while_it_has_its_slot_and_no_longer(
    operator: Operator, monitoring: Monitoring
) -> None:
    """Its exporter is gone meanwhile: the alert fires, and neither pages nor stops anything."""
    at = ("--journal", ".rollout/silence.sqlite3")
    ours = monitoring.alertmanager.ours
    file = written(operator, "silence", "p1:p2", silencing_gate(), seconds=8, soak="4s", ramp="4s")
    apply = operator.start("apply", file, "--yes", *at)
    read_until(apply, "upgrade begins")
    until(lambda: len(ours()) == 1)
    (first,) = ours()
    assert ours()[first] == pytest.approx(time.time() + LEASE, abs=30)
    operator.on(first, "pkill prometheus")
    until(lambda: [alert["host"] for alert in monitoring.alertmanager.alerts("suppressed")] == [first])
    assert monitoring.alertmanager.alerts() == []
    operator.on(first, "/etc/rc.local")

    done = ended(apply, 120)

    assert done.code == 0, done.said
    assert ours() == {}
    assert of_gate(operator.events(*at), "breaker-tripped", "pages") == []
    expired = [one for one in monitoring.alertmanager.silences("expired") if one["createdBy"] == "rollout"]
    assert {row["value"] for one in expired for row in one["matchers"]} == {"p1", "p2"}


@pytest.mark.full
def test_a_release_that_burns_the_error_budget_is_stopped(operator: Operator, monitoring: Monitoring) -> None:
    """The long windows reach back to the beginning of what Prometheus knows: a minute or so of hardly any errors."""
    at = ("--journal", ".rollout/budget.sqlite3")
    healthy(operator, monitoring)
    budget = {
        "errors": "sum(rate(kernel_errors_total[{{ window }}]))",
        "total": "sum(rate(requests_total[{{ window }}]))",
        "objective": "99%",
    }
    gate = {
        "name": "budget",
        "kind": "error-budget",
        "when": "during",
        "url": "http://127.0.0.1:9090",
        "interval": "1s",
        **budget,
    }
    file = written(operator, "budget", "p1:p2", gate, errors=500, soak="10s")

    stopped = operator.rollout("apply", file, "--yes", *at)

    assert stopped.code == 3, stopped.said
    events = operator.events(*at)
    assert len(begun(events, "upgrade")) == 1
    first, *_, failed = of_gate(events, "gate-answered", "budget")
    assert first["data"]["value"] == "pass"
    assert failed["data"]["value"] == "fail"
    assert failed["data"]["samples"]["burn"]["6h"] > 1
    assert "the budget burns" in stopped.said


@pytest.mark.full
def test_a_silence_is_extended_and_lapses_by_itself_when_the_controller_is_dead(
    operator: Operator, monitoring: Monitoring
) -> None:
    at = ("--journal", ".rollout/lease.sqlite3")
    ours = monitoring.alertmanager.ours
    file = written(operator, "lease", "p3", silencing_gate(), seconds=LEASE * 0.75)
    apply = operator.start("apply", file, "--yes", *at)
    read_until(apply, "upgrade begins")
    until(lambda: "p3" in ours())
    first = ours()["p3"]
    until(lambda: ours()["p3"] > first + LEASE / 4)

    apply.kill()
    apply.communicate()

    dead = time.time()
    assert dead < ours()["p3"] <= dead + LEASE + 5
    until(lambda: not operator.living())
    assert "p3" in ours(), "nobody has ended it, and nobody extends it"
    while ours():
        assert time.time() < dead + LEASE + 15
        time.sleep(1)
    resumed = operator.rollout("resume", *at)
    assert resumed.code == 0, resumed.said
