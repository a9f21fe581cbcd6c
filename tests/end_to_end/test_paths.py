"""What many hosts share fails under them, on real hosts: a bastion, a credential. None of them is blamed, and all finish."""

from collections.abc import Callable, Sequence
from typing import Any

import pytest

from rollout.lab import HostSpec
from tests.end_to_end.operating import Operator, ended
from tests.end_to_end.plans import plan
from tests.executors.ansible_bench import wait_for

pytestmark = pytest.mark.lab

BEHIND = ("g1", "g2", "g3", "g4")
GUARDED = """---
- hosts: all
  gather_facts: false
  environment: {ROLLOUT_MARK: "{{ rollout_mark }}"}
  tasks:
    - ansible.builtin.import_role: {name: guard, tasks_from: claim}
    - rollout_guard:
        name: work
        argv: [sh, -c, "echo began >> /var/log/work; until [ -e /root/go ]; do sleep 0.2; done; echo ended >> /var/log/work"]
        patience: 2
    - ansible.builtin.import_role: {name: guard, tasks_from: release}
"""
LOOKS = """---
- {hosts: all, gather_facts: false, tasks: [{ansible.builtin.ping: {}}]}
"""
KEYS = "/root/.ssh/authorized_keys"


@pytest.fixture(scope="module")
def operator(operator_of: Callable[[Sequence[HostSpec]], Operator]) -> Operator:
    """Four hosts that are reached through b1."""
    operator = operator_of([HostSpec(name) for name in ("b1", *BEHIND)])
    ssh_config = operator.lab.places.ssh_config
    folder = operator.state / "lab" / "inventory" / "host_vars"
    folder.mkdir()
    for name in BEHIND:
        (folder / f"{name}.yml").write_text(f"ansible_ssh_common_args: -F '{ssh_config}' -J b1\n")
    (operator.folder / "playbooks" / "work.yml").write_text(GUARDED)
    (operator.folder / "playbooks" / "look.yml").write_text(LOOKS)
    return operator


def all_are(operator: Operator, names: Sequence[str], status: str) -> bool:
    hosts = operator.hosts()
    return {hosts[name]["status"] for name in names} == {status}


def told(operator: Operator, kind: str) -> list[dict[str, Any]]:
    return [event for event in operator.events() if event["event"] == kind]


@pytest.mark.full
def test_a_key_that_no_host_takes_any_more_pauses_the_run_until_they_do(operator: Operator) -> None:
    steps: list[dict[str, Any]] = [{"name": "look", "playbook": "playbooks/look.yml", "once": True}]
    file = plan(operator, "expired", ":".join(BEHIND), steps, waves={"sizes": [1, "100%"], "soak": "0s"})
    for name in BEHIND:
        operator.on(name, f"mv {KEYS} {KEYS}.away")
    try:
        apply = operator.start("apply", file, "--yes")
        wait_for(
            lambda: operator.typed("rollout", "events").code == 0 and told(operator, "host-stranded"), 120
        )
    finally:
        for name in BEHIND:
            operator.on(name, f"mv {KEYS}.away {KEYS}")
    applied = ended(apply, 200)

    assert applied.code == 0, applied.said
    assert all_are(operator, BEHIND, "verified")
    because = told(operator, "path-suspected")[0]["because"]
    assert "is suspected: the bastion root@198.1" in because
    assert "none of g2, g3, g4 answers through it (g2: " in because
    assert not told(operator, "step-failed"), applied.said


@pytest.mark.full
def test_a_bastion_that_dies_in_the_middle_of_four_upgrades_costs_none_of_them(operator: Operator) -> None:
    steps: list[dict[str, Any]] = [{"name": "upgrade", "playbook": "playbooks/work.yml", "once": True}]
    file = plan(operator, "bastion", ":".join(BEHIND), steps)
    apply = operator.start("apply", file, "--yes")
    wait_for(lambda: all(operator.on(name, "cat /var/log/work 2>/dev/null || :") for name in BEHIND), 120)

    operator.lab.fault("b1", "sshd-dies")
    wait_for(lambda: len(told(operator, "host-stranded")) == 4, 120)
    for name in BEHIND:
        operator.on(name, "touch /root/go")
    operator.lab.clear("b1", "sshd-dies")
    applied = ended(apply, 200)

    assert applied.code == 0, applied.said
    assert all_are(operator, BEHIND, "verified")
    suspected = told(operator, "path-suspected")
    assert "is suspected: the bastion root@198.1" in suspected[0]["because"]
    assert "does not let us in (cannot connect to 198.1" in suspected[0]["because"]
    assert len(told(operator, "path-restored")) == len(suspected)
    assert not told(operator, "step-failed"), applied.said
    logs = {name: operator.on(name, "cat /var/log/work").split() for name in BEHIND}
    assert logs == {key: ["began", "ended"] for key in BEHIND}
