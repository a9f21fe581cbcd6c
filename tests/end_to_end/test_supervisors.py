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
from tests.lab.driving import UPGRADE

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


UNGUARDED = f"""---
- hosts: all
  gather_facts: false
  become: true
  environment: {{ROLLOUT_MARK: "{{{{ rollout_mark }}}}"}}
  tasks: [{{ansible.builtin.shell: {{cmd: "{UPGRADE}"}}, changed_when: true}}]
"""


def test_a_dead_supervisor_leaves_a_once_step_to_its_guard_or_to_a_person_and_another_step_to_the_host(
    operator_of: Callable[[Sequence[HostSpec]], Operator],
) -> None:
    plain, guarded = ("u1", "u2"), ("u3", "u4")
    to_birch = {"rollout_to_suite": "birch"}
    operator = operator_of(
        [HostSpec(name, variables=to_birch, rack="r1" if name in plain else "r2") for name in plain + guarded]
    )
    (operator.folder / "playbooks" / "unguarded.yml").write_text(UNGUARDED)
    by_hand = logged(operator, "unguarded", does="unguarded", seconds=10)
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
    to = {"os": "labos-2"}
    combos = [
        {"name": "plain", "match": {"rack": "r1"}, "to": to, "steps": {"upgrade": {"playbook": by_hand}}},
        {"name": "guarded", "match": {"rack": "r2"}, "to": to},
    ]
    file = plan(operator, "unwatched", "all", steps, combos=combos, failures={"canary": 4, "combo": 4})

    apply = operator.start("apply", file, "--yes")
    victim = at_work(operator, "u4", "precheck")
    apply.kill()
    ended(apply, 10)
    assert operator.kill_supervisor(victim)
    resume = operator.start("resume")
    assert operator.kill_supervisor(at_work(operator, "u1", "upgrade"))
    for host in ("u2", "u3"):
        unit = at_work(operator, host, "upgrade")
        eventually(lambda host=host, unit=unit: unit if operator.upgrades(host) else None)  # type: ignore[misc]
        assert operator.kill_supervisor(unit)
    resumed = ended(resume, 300)

    assert resumed.code == 4, resumed.said
    assert re.search("u4 +precheck may begin again: its supervisor died", resumed.said)
    assert "upgrade goes on where its guard kept it: its process died (1 times so far)" in resumed.said
    hosts = operator.hosts()
    assert {hosts[host]["status"] for host in guarded} == {"verified"}
    for host in plain:
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
    everyone = plain + guarded
    assert {name: host["status"] for name, host in hosts.items()} == dict.fromkeys(everyone, "verified"), (
        finished.said
    )
    assert finished.code == 0, finished.said
    assert [operator.upgrades(host) for host in everyone] == [1] * 4
    begun = [
        (event["host"], event["step"]) for event in operator.events() if event["event"] == "step-intended"
    ]
    assert [begun.count((host, "upgrade")) for host in everyone] == [2, 1, 2, 1]
    assert begun.count(("u4", "precheck")) == 2
