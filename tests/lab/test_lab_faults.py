"""Every fault does what it says, and clearing it undoes it."""

import time
from pathlib import Path

import pytest

from rollout.errors import LabError
from rollout.lab import KINDS, Lab
from tests.lab.driving import UPGRADE, eventually, reaches, reboot, said, ssh

pytestmark = pytest.mark.lab


def is_back(lab: Lab, host: str) -> None:
    eventually(lambda: lab.host(host).state == "up")
    eventually(lambda: reaches(lab, host))
    assert lab.host(host).faults == ()


def test_never_back(lab: Lab) -> None:
    lab.fault("a2", "never-back")
    assert reaches(lab, "a2")
    ssh(lab, "a2", "reboot")
    eventually(lambda: lab.host("a2").state == "stuck")
    lab.power("a2", "cycle")
    time.sleep(1)
    assert lab.host("a2").state == "stuck"
    lab.clear("a2", "never-back")
    is_back(lab, "a2")


def test_hang_leaves_a_connection_unanswered(lab: Lab) -> None:
    lab.fault("a2", "hang")
    assert not reaches(lab, "a2")
    assert lab.run("a2", ["hostname"]).stdout.strip() == "a2"  # the console is ours, not the host's
    lab.clear("a2", "hang")
    is_back(lab, "a2")


def test_a_power_cycle_ends_a_hang(lab: Lab) -> None:
    lab.fault("a2", "hang")
    boots = lab.host("a2").boots
    lab.power("a2", "cycle")
    eventually(lambda: lab.host("a2").boots > boots)
    is_back(lab, "a2")


@pytest.mark.parametrize("_again", range(3))
def test_a_cable_that_is_plugged_in_while_the_host_boots_is_in(lab: Lab, _again: int) -> None:
    lab.fault("a2", "link-cut")
    boots = lab.host("a2").boots
    lab.power("a2", "cycle")
    eventually(lambda: lab.host("a2").boots > boots)
    lab.clear("a2", "link-cut")
    is_back(lab, "a2")


def test_link_cut_lasts_over_a_reboot(lab: Lab) -> None:
    lab.fault("a2", "link-cut")
    assert not reaches(lab, "a2")
    boots = lab.host("a2").boots
    lab.power("a2", "cycle")
    eventually(lambda: lab.host("a2").boots > boots)
    assert not reaches(lab, "a2")
    assert lab.host("a2").faults == ("link-cut",)
    lab.clear("a2", "link-cut")
    is_back(lab, "a2")


def test_sshd_dies_and_what_it_started_runs_on(lab: Lab) -> None:
    lab.fault("a2", "sshd-dies", after=0.5)
    assert lab.host("a2").faults == ("sshd-dies (waits for 0.5 s)",)
    assert ssh(lab, "a2", "sleep 2; touch /root/finished").returncode == 255
    assert not reaches(lab, "a2")
    eventually(lambda: lab.run("a2", ["test", "-e", "/root/finished"]).returncode == 0)
    lab.clear("a2", "sshd-dies")
    is_back(lab, "a2")


def test_upgrade_fails_until_cleared(lab: Lab) -> None:
    lab.fault("a2", "upgrade-fails")
    again = "apt-get -qy install --reinstall labos-base"
    done = ssh(lab, "a2", again)
    assert done.returncode != 0
    assert "meant to fail" in done.stdout + done.stderr
    lab.clear("a2", "upgrade-fails")
    assert ssh(lab, "a2", f"dpkg --configure -a && {again}").returncode == 0


def test_power_cut_in_the_middle_of_dpkg_then_the_wrong_os(lab: Lab) -> None:
    lab.fault("b3", "power-cut", during="dpkg")
    assert lab.host("b3").faults == ("power-cut (waits for dpkg)",)
    assert ssh(lab, "b3", f"dpkg --configure -a; {UPGRADE}").returncode == 255
    assert lab.host("b3").state == "off"
    lab.clear("b3", "power-cut")
    is_back(lab, "b3")
    assert "labos-base" in said(lab, "b3", "dpkg --audit")
    said(lab, "b3", f"{UPGRADE} || dpkg --configure -a; {UPGRADE}")

    lab.fault("b3", "wrong-os")
    look = ". /etc/os-release; echo $VERSION_ID; uname -r"
    assert said(lab, "b3", look).split()[0] == "2"
    reboot(lab, "b3")
    assert said(lab, "b3", look).split() == ["1", "6.1.0-1-lab"]
    lab.clear("b3", "wrong-os")
    reboot(lab, "b3")
    assert said(lab, "b3", look).split() == ["2", "6.12.0-2-lab"]


def test_slow_boot(lab: Lab) -> None:
    lab.fault("a2", "slow-boot", seconds=30)
    boots = lab.host("a2").boots
    lab.power("a2", "cycle")
    time.sleep(1.5)
    assert lab.host("a2").boots == boots
    lab.clear("a2", "slow-boot")
    eventually(lambda: lab.host("a2").boots > boots)
    is_back(lab, "a2")


def test_full_disk(lab: Lab) -> None:
    write = "head -c 100000 /dev/zero > /root/much"
    lab.fault("a2", "full-disk")
    assert "No space left" in ssh(lab, "a2", write).stderr
    lab.clear("a2", "full-disk")
    said(lab, "a2", f"{write} && rm /root/much")


def test_refusals_name_what_there_is(lab: Lab) -> None:
    with pytest.raises(LabError, match="there are never-back, hang, link-cut"):
        lab.fault("a1", "gremlins")
    with pytest.raises(LabError, match="no host 'zz'; it has a1, a2"):
        lab.fault("zz", "hang")
    with pytest.raises(LabError, match="a1 has no fault hang"):
        lab.clear("a1", "hang")


def test_every_kind_is_tested_here() -> None:
    text = Path(__file__).read_text()
    assert [kind for kind in KINDS if f'"{kind}"' not in text] == []
