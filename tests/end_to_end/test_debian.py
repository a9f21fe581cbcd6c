"""Debian 12 to 13 for real: the whole release upgrade by the shipped playbooks, on hosts with systemd, and what dies in the middle of dpkg."""

import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from rollout.lab import HostSpec
from rollout.lab.needs import missing
from tests.end_to_end.operating import Operator, ended
from tests.end_to_end.plans import plan
from tests.executors.ansible_bench import wait_for

pytestmark = [pytest.mark.lab, pytest.mark.full, pytest.mark.timeout(7200)]

LONG = 2400.0
"""Seconds for what takes two minutes on a machine with nothing else to do."""

UNPACKING = "pgrep -x dpkg >/dev/null && grep -c ' upgrade ' /var/log/dpkg.log || :"
RELEASE = ". /etc/os-release; echo $ID-$VERSION_ID; uname -r; cut -d. -f1 /etc/debian_version"
FULL_UPGRADES = "grep -c '^Commandline: .* dist-upgrade' /var/log/apt/history.log || :"
GUARD = "sh /var/lib/rollout/guard/guard status"


@pytest.fixture
def operator(tmp_path: Path) -> Iterator[Operator]:
    if lacking := missing("systemd", 2):
        pytest.skip(f"no lab here: it needs {lacking[0]}")
    if "bookworm" not in Path("/etc/os-release").read_text():
        pytest.skip("the machine's own Debian is not 12: its mirror is not taken for one")
    operator = Operator(tmp_path)
    try:
        operator.copy_playbooks()
        yield operator
    finally:
        operator.close()


def chain(operator: Operator) -> str:
    steps: list[dict[str, Any]] = [
        {"name": "upgrade", "playbook": "playbooks/upgrade.yml", "once": True, "timeout": "1h"},
        {"name": "reboot", "playbook": "playbooks/reboot.yml", "timeout": "20m"},
        {"name": "verify", "playbook": "playbooks/verify.yml", "timeout": "20m"},
    ]
    gates: list[dict[str, Any]] = [
        {"name": "booted", "kind": "boot", "when": "after reboot", "retries": 5, "interval": "5s"},
        {"name": "fresh", "kind": "ssh", "when": "after verify"},
    ]
    combos = [{"name": "all", "match": {"os": "debian-12"}, "to": {"os": "debian-13"}}]
    return plan(
        operator, "trixie", "all", steps, gates=gates, combos=combos, failures={"canary": 2, "combo": 2}
    )


def test_controller_and_power_are_lost_in_the_middle_of_dpkg(operator: Operator) -> None:
    variables = {"rollout_to_suite": "trixie"}
    operator.lab.up(
        [HostSpec(name, os_release="debian-12", variables=variables) for name in ("d1", "d2")],
        engine="systemd",
        patience=300.0,
    )
    operator.lab.fault("d2", "power-cut", during="dpkg")
    controller = operator.start("apply", chain(operator), "--yes")

    wait_for(lambda: int(operator.on("d1", UNPACKING) or 0) >= 20, LONG)
    controller.kill()
    assert ended(controller, 60).code == -signal.SIGKILL
    of_d1 = [unit for unit in operator.living() if unit.path.parent.name == "d1"]
    assert [operator.kill_supervisor(unit) for unit in of_d1] == [True]
    assert int(operator.on("d1", UNPACKING) or 0) >= 20, "dpkg was to be hit in the middle, and to go on"
    wait_for(lambda: operator.lab.host("d2").state == "off", LONG)
    operator.lab.clear("d2", "power-cut")
    wait_for(lambda: operator.lab.host("d2").state == "up", 300)
    assert operator.on("d2", "dpkg --audit")

    resumed = operator.rollout("resume", timeout=LONG)

    hosts = operator.hosts()
    assert hosts["d1"]["status"] == "verified", resumed.said
    assert operator.on("d1", FULL_UPGRADES) == "1"
    assert "dist-upgrade ended with code 0" in operator.on("d1", GUARD)
    assert operator.lab.host("d1").boots == 2

    assert hosts["d2"]["status"] == "held", resumed.said
    asked = operator.rollout("resolve", "d2", "--as", "retry", "--reason", "it has power again")
    assert asked.code == 0, asked.said
    finished = operator.rollout("resume", timeout=LONG)

    assert finished.code == 0, finished.said
    assert operator.lab.host("d2").boots == 3
    for host in ("d1", "d2"):
        assert operator.on(host, RELEASE).split() == ["debian-13", "6.12.0-13-lab", "13"]
        assert operator.on(host, "dpkg --audit; apt-get -qq check") == ""
        assert operator.on(host, GUARD).startswith("held by nobody\n")
