"""Gates on real Prometheus, whose series come from node_exporter on the lab's hosts."""

import time
from collections.abc import Callable, Iterator, Sequence

import pytest

from rollout.lab import HostSpec
from tests.end_to_end.measured import RATE, healthy, of_gate, prometheus_gate, release, written
from tests.end_to_end.operating import Operator, begun, ended, read_until, until
from tests.monitoring import Monitoring
from tests.monitoring.exporter import ERRORS, METRICS

pytestmark = pytest.mark.lab

HOSTS = [HostSpec(f"n{number}", rack=f"r{number % 2}") for number in range(1, 7)]


@pytest.fixture(scope="module")
def operator(operator_of: Callable[[Sequence[HostSpec]], Operator]) -> Operator:
    return operator_of(HOSTS)


@pytest.fixture(scope="module")
def monitoring(operator: Operator) -> Iterator[Monitoring]:
    with Monitoring(operator.lab, HOSTS, operator.folder / "monitoring") as started:
        yield started


@pytest.fixture(autouse=True)
def mended(monitoring: Monitoring) -> None:
    """Whatever the test before has left of it."""
    monitoring.prometheus.mend()


def test_what_is_seen_comes_from_the_hosts(operator: Operator, monitoring: Monitoring) -> None:
    operator.on("n1", f"echo 'guests_lost 7' >{METRICS}/guests.prom")
    until(lambda: monitoring.prometheus.values("guests_lost") == {"n1": 7})

    operator.lab.power("n1", "off")
    until(lambda: monitoring.prometheus.values("up")["n1"] == 0)
    assert monitoring.prometheus.values("guests_lost") == {}
    operator.lab.power("n1", "on")

    until(lambda: monitoring.prometheus.values("guests_lost") == {"n1": 7})


def test_a_release_that_leaks_errors_is_stopped_at_its_canary_and_goes_on_when_mended(
    operator: Operator, monitoring: Monitoring
) -> None:
    at = ("--journal", ".rollout/leak.sqlite3")
    healthy(operator, monitoring)
    file = written(operator, "leak", "n1:n2:n3:n4", prometheus_gate(fail="> 3"), errors=20, soak="6s")

    stopped = operator.rollout("apply", file, "--yes", *at)

    assert stopped.code == 3, stopped.said
    events = operator.events(*at)
    (canary,) = begun(events, "upgrade")
    (trip,) = of_gate(events, "breaker-tripped")
    assert f'{{host="{canary}"' in trip["because"], trip
    assert "> 3" in trip["because"], trip
    answers = of_gate(events, "gate-answered")
    failed = next(answer for answer in answers if answer["data"]["value"] == "fail")
    assert trip["seq"] == failed["seq"] + 1, "the first sufficient answer stops the run"
    samples = failed["data"]["samples"]
    assert samples["query"] == RATE
    assert samples["hosts"][canary] > 3
    assert samples["found"] == len(HOSTS)
    assert trip["seq"] - failed["seq"] <= 2, "the first sufficient answer stops the run"
    assert {name: host["status"] for name, host in operator.hosts(*at).items()}.keys() == {
        "n1",
        "n2",
        "n3",
        "n4",
    }

    operator.on(canary, f"echo 0 >{ERRORS}")
    release(operator, 0)
    amended = operator.rollout("amend", file, "--yes", "--reason", "the driver is mended", *at)
    assert amended.code == 0, amended.said
    until(lambda: monitoring.prometheus.values(RATE)[canary] < 1)
    resumed = operator.rollout("resume", *at)

    assert resumed.code == 0, resumed.said
    assert sorted(begun(operator.events(*at), "upgrade")) == ["n1", "n2", "n3", "n4"]


@pytest.mark.full
def test_a_healthy_release_finishes_under_the_same_gate(operator: Operator, monitoring: Monitoring) -> None:
    at = ("--journal", ".rollout/healthy.sqlite3")
    healthy(operator, monitoring)
    file = written(operator, "healthy", "all", prometheus_gate(fail="> 3"), soak="8s")

    done = operator.rollout("apply", file, "--yes", *at)

    assert done.code == 0, done.said
    answers = of_gate(operator.events(*at), "gate-answered")
    assert {answer["data"]["value"] for answer in answers} == {"pass"}


def lost(monitoring: Monitoring, how: str) -> None:
    if how == "killed":
        monitoring.prometheus.kill()
    else:
        monitoring.prometheus.freeze()


WORDS = {"killed": "refuses the connection", "frozen": "did not answer within"}


@pytest.mark.parametrize(
    ("first", "then"),
    [("killed", "frozen"), pytest.param("frozen", "killed", marks=pytest.mark.full)],
)
def test_without_prometheus_nothing_begins_and_with_it_the_run_goes_on(
    operator: Operator, monitoring: Monitoring, first: str, then: str
) -> None:
    """Lost before the run begins, and again while its first host is upgraded."""
    at = ("--journal", f".rollout/{first}.sqlite3")
    gate = prometheus_gate(query="up", fail="< 1", retries=1, timeout="2s")
    file = written(operator, first, "n1:n2", gate, soak="4s")
    lost(monitoring, first)

    not_begun = operator.rollout("apply", file, "--yes", *at)

    assert not_begun.code == 3, not_begun.said
    assert WORDS[first] in not_begun.said
    events = operator.events(*at)
    assert begun(events, "upgrade") == []
    values = [answer["data"]["value"] for answer in of_gate(events, "gate-answered")]
    assert len(values) == 2, "asked, and asked again"
    assert set(values) <= {"inconclusive", "error"}

    monitoring.prometheus.mend()
    controller = operator.start("resume", *at)
    read_until(controller, "upgrade begins")
    lost(monitoring, then)

    stopped = ended(controller, 60)

    assert stopped.code == 3, stopped.said
    assert WORDS[then] in stopped.said
    (canary,) = begun(operator.events(*at), "upgrade")
    assert operator.hosts(*at)[canary]["status"] in {"soaking", "verified"}

    monitoring.prometheus.mend()
    until(lambda: set(monitoring.prometheus.values("up").values()) == {1.0})
    resumed = operator.rollout("resume", *at)
    assert resumed.code == 0, resumed.said


@pytest.mark.full
def test_a_series_that_nobody_has_lets_nothing_begin(operator: Operator, monitoring: Monitoring) -> None:
    at = ("--journal", ".rollout/empty.sqlite3")
    file = written(operator, "empty", "n1", prometheus_gate(query="late_series", fail="> 3", retries=1))

    stopped = operator.rollout("apply", file, "--yes", *at)

    assert stopped.code == 3, stopped.said
    assert "found no series" in stopped.said
    assert begun(operator.events(*at), "upgrade") == []
    operator.on("n1", f"echo 'late_series 1' >{METRICS}/late.prom")
    until(lambda: bool(monitoring.prometheus.values("late_series")))
    resumed = operator.rollout("resume", *at)
    assert resumed.code == 0, resumed.said


@pytest.mark.full
def test_a_prometheus_that_restarts_holds_the_run_up_and_no_longer(
    operator: Operator, monitoring: Monitoring
) -> None:
    at = ("--journal", ".rollout/restart.sqlite3")
    file = written(
        operator, "restart", "n1:n2", prometheus_gate(query="up", fail="< 1", retries=60, timeout="2s")
    )
    apply = operator.start("apply", file, "--yes", *at)
    read_until(apply, "upgrade begins")
    monitoring.prometheus.kill()
    time.sleep(4)
    assert len(begun(operator.events(*at), "upgrade")) == 1
    monitoring.prometheus.start()

    done = ended(apply, 90)

    assert done.code == 0, done.said
    values = [answer["data"]["value"] for answer in of_gate(operator.events(*at), "gate-answered")]
    assert values[0] == values[-1] == "pass"
    assert "error" in values
