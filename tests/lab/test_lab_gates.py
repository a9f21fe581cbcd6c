"""Gates about the host on real hosts: what they say of one that is well, and of one that has lost something."""

from collections.abc import Iterator

import pytest

from rollout.gates import boot, fingerprint, packages
from rollout.lab import HostSpec, Lab, needs
from rollout.model.seams import Answer, Verdict
from tests.lab.consoles import at_its_console
from tests.lab.driving import eventually, ssh

pytestmark = pytest.mark.lab


@pytest.fixture(scope="module", params=["light", pytest.param("systemd", marks=pytest.mark.full)])
def machines(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """One host of each engine."""
    if lacking := needs.missing(request.param, 1):
        pytest.skip(f"no lab here: it needs {lacking[0]}")
    lab = Lab(tmp_path_factory.mktemp("gates") / "lab")
    try:
        lab.up([HostSpec("g1")], engine=request.param)
        yield lab
    finally:
        lab.down()


def compared(lab: Lab, memory: Verdict) -> Verdict:
    return fingerprint.Kind().check(at_its_console(lab, "g1", remembered=memory.samples))


def test_a_host_that_boots_is_as_before_and_one_that_lost_its_way_is_not(machines: Lab) -> None:
    ssh(machines, "g1", "systemctl is-system-running --wait")  # where there is a systemd
    memory = fingerprint.Kind().remember(at_its_console(machines, "g1"))
    before = boot.Kind().remember(at_its_console(machines, "g1"))
    assert memory.value is Answer.PASS, memory.because
    assert {"nics", "addresses", "routes", "rules", "mounts", "listening", "cpu"} <= {
        *memory.samples["sections"]
    }

    boots = machines.host("g1").boots
    ssh(machines, "g1", "reboot")
    eventually(lambda: machines.host("g1").boots > boots and machines.host("g1").state == "up", 20)
    eventually(lambda: compared(machines, memory).value is Answer.PASS, 30)
    booted = boot.Kind().check(at_its_console(machines, "g1", remembered=before.samples))
    assert booted.value is Answer.PASS, booted.because

    lost = machines.run("g1", ["ip", "route", "del", "default"])
    assert lost.returncode == 0, lost.stderr
    verdict = compared(machines, memory)
    assert verdict.value is Answer.FAIL
    assert verdict.because.startswith("route default via ")
    assert verdict.because.endswith(" dev eth0 table main is gone")


def test_packages_of_a_real_host_are_in_order_until_one_is_held(machines: Lab) -> None:
    gate = packages.Kind(expect={"labos-base": [">=1"]})
    verdict = gate.check(at_its_console(machines, "g1"))
    assert verdict.value is Answer.PASS, verdict.because
    machines.run("g1", ["apt-mark", "hold", "labos-base"])
    assert gate.check(at_its_console(machines, "g1")).because == "labos-base is held"
