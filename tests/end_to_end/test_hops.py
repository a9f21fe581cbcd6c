"""Hosts that need two hops, beside hosts that need one, on real hosts: each hop with its own packages, reboot and proof."""

from collections.abc import Callable, Sequence
from typing import Any

import pytest

from rollout.lab import HostSpec
from tests.end_to_end.operating import Operator
from tests.end_to_end.plans import plan

pytestmark = pytest.mark.lab

SUITE = "{{ {'labos-2': 'birch', 'labos-4': 'dogwood'}[rollout_target.os[0]] }}"
"""As an operator with several hops writes it into the inventory: each hop tells its playbooks where it leads."""

STEPS: list[dict[str, Any]] = [
    {"name": "precheck", "playbook": "playbooks/precheck.yml", "timeout": "2m"},
    {"name": "upgrade", "playbook": "playbooks/upgrade.yml", "once": True, "timeout": "5m"},
    {"name": "reboot", "playbook": "playbooks/reboot.yml", "timeout": "2m"},
    {"name": "verify", "playbook": "playbooks/verify.yml", "timeout": "2m", "retries": 1, "backoff": "3s"},
]
HOPS = [
    {"from": {"os": "labos-1"}, "to": {"os": "labos-2"}},
    {"from": {"os": "labos-2"}, "to": {"os": "labos-4"}},
    {"from": {"os": "labos-3"}, "reason": "its base package cannot be configured"},
]
GATES = [{"name": "booted", "kind": "boot", "when": "after reboot", "retries": 3, "interval": "2s"}]


@pytest.fixture(scope="module")
def operator(operator_of: Callable[[Sequence[HostSpec]], Operator]) -> Operator:
    suite = {"rollout_to_suite": SUITE}
    return operator_of(
        [
            HostSpec("far", os_release="labos-1", variables=suite),
            HostSpec("near", os_release="labos-2", variables=suite),
        ]
    )


@pytest.mark.full
def test_each_host_walks_as_many_hops_as_it_needs(operator: Operator) -> None:
    combos = [{"name": "all", "match": {"os": "labos-*"}, "to": {"os": "labos-4"}}]
    file = plan(operator, "hops", "all", STEPS, combos=combos, hops=HOPS, gates=GATES)
    shown = operator.rollout("plan", file)
    assert shown.code == 0, shown.said
    assert "all@labos-1" in shown.said
    applied = operator.rollout("apply", file, "--yes")
    assert applied.code == 0, applied.said
    for host in ("far", "near"):
        assert operator.on(host, ". /etc/os-release; echo $VERSION_ID; uname -r").split() == [
            "4",
            "6.19.0-4-lab",
        ]
    hops = [event["step"] for event in operator.events() if event["event"] == "step-done" and event["host"] == "far"]  # fmt: skip
    one = ["precheck", "upgrade", "reboot", "verify"]
    assert hops == [*(f"{step}-to-labos-2" for step in one), *one]
    booted = [event for event in operator.events() if event["event"] == "gate-answered" and event["host"] == "far" and event["data"]["gate"] == "booted"]  # fmt: skip
    assert {event["data"]["moment"] for event in booted} >= {"after reboot-to-labos-2", "after reboot"}
