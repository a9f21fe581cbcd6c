"""Gates on real Prometheus, whose series come from node_exporter on the lab's hosts."""

from collections.abc import Callable, Iterator, Sequence

import pytest

from rollout.lab import HostSpec
from tests.end_to_end.operating import Operator, until
from tests.monitoring import Monitoring
from tests.monitoring.exporter import METRICS

pytestmark = pytest.mark.lab

HOSTS = [HostSpec(f"n{number}", rack=f"r{number % 2}") for number in range(1, 7)]


@pytest.fixture(scope="module")
def operator(operator_of: Callable[[Sequence[HostSpec]], Operator]) -> Operator:
    return operator_of(HOSTS)


@pytest.fixture(scope="module")
def monitoring(operator: Operator) -> Iterator[Monitoring]:
    with Monitoring(operator.lab, HOSTS, operator.folder / "monitoring") as started:
        yield started


def test_what_is_seen_comes_from_the_hosts(operator: Operator, monitoring: Monitoring) -> None:
    operator.on("n1", f"echo 'guests_lost 7' >{METRICS}/guests.prom")
    until(lambda: monitoring.prometheus.values("guests_lost") == {"n1": 7})

    operator.lab.power("n1", "off")
    until(lambda: monitoring.prometheus.values("up")["n1"] == 0)
    assert monitoring.prometheus.values("guests_lost") == {}
    operator.lab.power("n1", "on")

    until(lambda: monitoring.prometheus.values("guests_lost") == {"n1": 7})
