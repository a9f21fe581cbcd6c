"""What hosts really are, asked over real SSH: drift is reported and not touched, what is there already is left alone."""

from collections.abc import Callable, Sequence

import pytest

from rollout.lab import HostSpec
from tests.end_to_end.operating import Operator
from tests.end_to_end.plans import logged, plan

pytestmark = pytest.mark.lab

OTHER_QEMU = (
    "sed -i 's/version 7.2.0/version 8.0.0/' /usr/bin/qemu-system-x86_64; qemu-system-x86_64 --version"
)
LIES = "all: {vars: {ansible_timeout: 4}, hosts: {there: {os_release: labos-1, hypervisor: kvm-7.2}}}\n"


@pytest.fixture(scope="module")
def operator(operator_of: Callable[[Sequence[HostSpec]], Operator]) -> Operator:
    there = HostSpec("there", os_release="labos-2", hypervisor="kvm-10.0")
    operator = operator_of([HostSpec("as-told"), HostSpec("drifted"), there, HostSpec("dark")])
    (operator.folder / "more.yml").write_text(LIES)
    steps = [{"name": "upgrade", "playbook": logged(operator, "upgrade", seconds=0), "once": True}]
    plan(
        operator, "probed", "all", steps, inventory=[str(operator.lab.inventory), "more.yml"],
        factors={"os": {"from": "os_release", "probe": "os"}, "hypervisor": "hypervisor", "kernel": "{kernel}"},
        combos=[{"name": "all", "match": {"os": "labos-1", "hypervisor": "kvm-7.*"}, "to": {"os": "labos-2", "hypervisor": "kvm-*"}}],
    )  # fmt: skip
    return operator


def test_what_hosts_really_are_is_asked_kept_and_heeded(operator: Operator) -> None:
    assert operator.on("drifted", OTHER_QEMU).startswith("QEMU emulator version 8.0.0")
    said = operator.rollout("plan", "probed.yml")
    assert (said.code, "have no hostvar, fact or probe result" in said.said) == (65, True)

    said = operator.rollout("plan", "probed.yml", "--probe")
    assert said.code == 0, said.said
    assert "probed 4 of 4 hosts" in said.said
    assert "drift: by its probe hypervisor is kvm-8.0.0, and kvm-7.2 in the inventory" in said.said

    operator.lab.power("dark", "off")
    said = operator.rollout("plan", "probed.yml", "--probe")
    assert said.code == 0, said.said
    assert "probed 3 of 4 hosts" in said.said
    assert "dark could not be asked: unreachable, " in said.said
    assert "what an earlier probe has found stays" in said.said
    operator.lab.power("dark", "on")


@pytest.mark.full
def test_drift_is_not_touched(operator: Operator) -> None:
    said = operator.rollout("apply", "probed.yml", "--yes")
    assert said.code == 0, said.said
    steps = {
        host: operator.on(host, "cat /var/log/steps 2>/dev/null; true")
        for host in ("as-told", "dark", "drifted", "there")
    }
    assert [host for host, log in steps.items() if "upgrade" in log] == ["as-told", "dark"]
    why = operator.typed("rollout", "why", "drifted").said
    assert "drift: by its probe hypervisor is kvm-8.0.0" in why


@pytest.mark.full
def test_a_plan_can_be_drafted_from_what_hosts_say(operator: Operator) -> None:
    said = operator.rollout("init", "drafted", "--from", str(operator.lab.inventory), "--probe")
    assert said.code == 0, said.said
    text = (operator.folder / "drafted" / "plan.yml").read_text()
    assert "  os: {from: os_release, probe: os}\n" in text
    assert "to:\n      os:" in text, "nobody knows what comes after a release of the lab"
    assert operator.typed("rollout", "validate", "drafted/plan.yml").code == 65
