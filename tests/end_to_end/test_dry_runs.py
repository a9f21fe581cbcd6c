"""What changes nothing, on real hosts: a dry run sweeps them, and check mode walks the shipped playbooks."""

from collections.abc import Callable, Sequence
from typing import Any

import pytest

from rollout.lab import HostSpec
from tests.end_to_end.operating import Operator
from tests.end_to_end.plans import plan

pytestmark = pytest.mark.lab

SNAPSHOT = """
cat /proc/sys/kernel/random/boot_id; dpkg -l; apt-mark showhold; ls /var/lib/apt/lists; ls /var/cache/apt/archives; ls -R /var/lib/rollout/guard
find /etc /boot /usr /var/lib/dpkg -newer /tmp/before -not -type d; ls -lR /etc
"""

CHAIN: list[dict[str, Any]] = [
    {"name": "precheck", "playbook": "playbooks/precheck.yml"},
    {"name": "stage", "playbook": "playbooks/stage.yml"},
    {"name": "drain", "drain": "playbook", "playbook": "playbooks/drain.yml"},
    {"name": "upgrade", "playbook": "playbooks/upgrade.yml", "once": True},
    {"name": "reboot", "playbook": "playbooks/reboot.yml"},
    {"name": "verify", "playbook": "playbooks/verify.yml"},
    {"name": "restore", "reopen": "playbook", "playbook": "playbooks/restore.yml"},
]


@pytest.fixture(scope="module")
def operator(operator_of: Callable[[Sequence[HostSpec]], Operator]) -> Operator:
    operator = operator_of([HostSpec("g1"), HostSpec("g2"), HostSpec("full")])
    inventory = operator.lab.inventory
    more = "all: {vars: {rollout_to_suite: birch, rollout_drain_services: [ssh]}, hosts: {full: {rollout_free_mb: {/: 99999999}}}}\n"
    (operator.folder / "more.yml").write_text(more)
    plan(operator, "dry", "all", CHAIN, inventory=[str(inventory), "more.yml"])
    return operator


@pytest.mark.full
def test_check_mode_changes_nothing_and_names_what_it_cannot_cover(operator: Operator) -> None:
    operator.on("g1", "touch /tmp/before; sleep 1")
    before = operator.on("g1", SNAPSHOT)

    said = operator.rollout("apply", "dry.yml", "--dry-run", "--check", "g1")

    assert operator.on("g1", SNAPSHOT) == before
    assert said.code == 0, said.said
    lines = [line.strip() for line in said.said.splitlines()]
    assert [line.partition(":")[0] for line in lines[1:-1] if " tasks, " in line] == [
        str(step["name"]) for step in CHAIN
    ]
    assert {line for line in lines if line.startswith("would change: ")} == {
        "would change: Stop the services (ansible.builtin.service)",
        "would change: rollout : Switch the sources (rollout_suites)",
    }
    assert {
        "not covered: rollout : Run stage-download (rollout_guard)",
        "not covered: rollout : Run dist-upgrade (rollout_guard)",
        "not covered: Reboot and wait (ansible.builtin.reboot)",
        "not covered: rollout : Compare the release with what is expected (ansible.builtin.set_fact)",
    } < set(lines)
    assert lines[-1].endswith("; nothing was changed, and the journal was not written")
    assert not list(operator.state.glob("check-*"))


@pytest.mark.full
def test_a_dry_run_sweeps_the_prechecks(operator: Operator) -> None:
    said = operator.rollout("apply", "dry.yml", "--dry-run")
    assert said.code == 1
    assert "precheck: 2 of 3 hosts pass" in said.said
    assert "full would not be upgraded: precheck: failed, full is not ready (1 found):" in said.said
    assert not list(operator.state.glob("dry-run-*"))
    assert not (operator.state / "journal.sqlite3").exists()
