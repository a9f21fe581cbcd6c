"""kill -9 of the supervisors of units: the host is asked what became of the step, and a person if that cannot be known."""

import re
import time
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from rollout.executors._unit import Unit
from rollout.lab import HostSpec
from tests.end_to_end.operating import Operator, ended
from tests.end_to_end.plans import logged, plan

pytestmark = [pytest.mark.lab, pytest.mark.full]


def eventually(found: Callable[[], Unit | None], seconds: float = 120.0) -> Unit:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        unit = found()
        if unit is not None:
            return unit
        time.sleep(0.05)
    pytest.fail(f"not within {seconds} s")


def at_work(operator: Operator, host: str, step: str) -> Unit:
    """The unit of that step, once its playbook has begun on the host."""

    def begun() -> Unit | None:
        if f"/{host}/{step}" not in operator.on(host, "grep begin /var/log/steps"):
            return None
        found = [
            unit for unit in operator.living() if (unit.order()["host"], unit.order()["step"]) == (host, step)
        ]
        return found[0] if found else None

    return eventually(begun)


def test_a_dead_supervisor_leaves_a_once_step_to_a_person_and_another_step_to_the_host(
    operator_of: Callable[[Sequence[HostSpec]], Operator],
) -> None:
    operator = operator_of(
        [HostSpec(name, variables={"rollout_to_suite": "birch"}) for name in ("u1", "u2", "u3")]
    )
    steps: list[dict[str, Any]] = [
        {"name": "precheck", "playbook": logged(operator, "precheck", does="precheck", seconds=4)},
        {
            "name": "upgrade",
            "playbook": logged(operator, "upgrade", does="upgrade", seconds=10),
            "once": True,
        },
        {"name": "reboot", "playbook": "playbooks/reboot.yml"},
        {"name": "verify", "playbook": "playbooks/verify.yml"},
    ]
    file = plan(operator, "unwatched", "all", steps, failures={"canary": 3, "combo": 3})

    apply = operator.start("apply", file, "--yes")
    victim = at_work(operator, "u3", "precheck")
    apply.kill()
    ended(apply, 10)
    assert operator.kill_supervisor(victim)
    resume = operator.start("resume")
    assert operator.kill_supervisor(at_work(operator, "u1", "upgrade"))
    second = at_work(operator, "u2", "upgrade")
    eventually(lambda: second if operator.upgrades("u2") else None)
    assert operator.kill_supervisor(second)
    resumed = ended(resume, 200)

    assert resumed.code == 4, resumed.said
    assert re.search("u3 +precheck may begin again: its supervisor died", resumed.said)
    hosts = operator.hosts()
    assert hosts["u3"]["status"] == "verified"
    for host in ("u1", "u2"):
        assert hosts[host]["status"] == "held"
        assert hosts[host]["because"].startswith(
            "what upgrade did cannot be known: its supervisor died; the last task begun was "
        )
        assert f"nothing of it runs on {host} any more, no half-installed package" in hosts[host]["because"]

    asked = [
        operator.rollout("resolve", "u1", "--as", "retry", "--reason", "dpkg had not begun"),
        operator.rollout("resolve", "u2", "--as", "done", "--reason", "I looked: dpkg is done"),
    ]
    assert [done.code for done in asked] == [0, 0], asked
    finished = operator.rollout("resume")

    hosts = operator.hosts()
    assert {name: host["status"] for name, host in hosts.items()} == dict.fromkeys(
        ("u1", "u2", "u3"), "verified"
    ), finished.said
    assert finished.code == 0, finished.said
    assert [operator.upgrades(host) for host in ("u1", "u2", "u3")] == [1, 1, 1]
    begun = [
        (event["host"], event["step"]) for event in operator.events() if event["event"] == "step-intended"
    ]
    assert begun.count(("u1", "upgrade")) == 2
    assert begun.count(("u2", "upgrade")) == 1
    assert begun.count(("u3", "precheck")) == 2
