"""A lab's hosts behave as hosts: SSH, reboots, upgrades, guests, and Ansible as it is."""

import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from rollout.lab import Lab
from tests.lab.driving import LOCAL, TO_BIRCH, UPGRADE, eventually, reaches, reboot, said, ssh

pytestmark = pytest.mark.lab


def test_ssh_answers_with_strict_host_keys(lab: Lab) -> None:
    assert said(lab, "a1", "hostname") == "a1"
    assert "StrictHostKeyChecking yes" in lab.places.ssh_config.read_text()


def test_hosts_see_each_other_and_nothing_else(lab: Lab) -> None:
    address = lab.host("a2").address
    probe = "import socket, sys; socket.create_connection((sys.argv[1], 22), 2)"
    assert ssh(lab, "a1", f"python3 -c '{probe}' {address}").returncode == 0
    outside = ssh(lab, "a1", f"python3 -c '{probe}' 192.0.2.1")
    assert outside.returncode != 0


def test_a_host_cannot_change_the_machine(lab: Lab) -> None:
    assert ssh(lab, "a1", "date -s 2001-01-01").returncode != 0
    assert ssh(lab, "a1", "echo 1 > /proc/sys/kernel/panic").returncode != 0
    assert ssh(lab, "a1", "mount -t tmpfs tmpfs /mnt").returncode != 0
    assert lab.run("a1", ["mount", "-t", "tmpfs", "tmpfs", "/mnt"]).returncode != 0
    assert (
        ssh(lab, "a1", "echo 0 > /proc/sys/net/ipv4/ip_forward").returncode == 0
    )  # its own network is its own


def test_reboot_changes_boot_id_and_uptime_but_not_the_disk(lab: Lab) -> None:
    look = "cat /proc/sys/kernel/random/boot_id; cut -d. -f1 /proc/uptime"
    said(lab, "a1", "echo kept > /root/note; mkdir /run/lost; sleep 2")
    before, uptime = said(lab, "a1", look).split()
    assert int(uptime) >= 2
    said(lab, "a1", LOCAL)
    reboot(lab, "a1")
    after, uptime = said(lab, "a1", look).split()
    assert after != before
    assert int(uptime) < 2
    eventually(lambda: ssh(lab, "a1", "test -e /run/local").returncode == 0)
    said(lab, "a1", "rm /etc/rc.local")
    assert said(lab, "a1", "cat /root/note; ls -d /run/lost || true") == "kept"


def test_upgrade_changes_the_os_at_once_and_the_kernel_at_the_next_boot(lab: Lab) -> None:
    look = ". /etc/os-release; echo $ID-$VERSION_ID; uname -r; lab-hypervisor --version"
    assert said(lab, "b2", look).split("\n") == ["labos-1", "6.1.0-1-lab", "lab-hypervisor 7.2"]
    assert ssh(lab, "b2", UPGRADE).returncode == 0
    assert said(lab, "b2", look).split("\n") == ["labos-2", "6.1.0-1-lab", "lab-hypervisor 10.0"]
    assert ssh(lab, "b2", "test -e /run/reboot-required").returncode == 0
    reboot(lab, "b2")
    assert said(lab, "b2", look).split("\n") == ["labos-2", "6.12.0-2-lab", "lab-hypervisor 10.0"]
    assert ssh(lab, "b2", "test -e /run/reboot-required").returncode == 1


def test_release_three_is_broken(lab: Lab) -> None:
    done = ssh(lab, "b4", UPGRADE.replace("birch", "cedar"))
    assert done.returncode != 0
    assert "cannot migrate the configuration" in done.stdout + done.stderr
    assert "labos-base" in said(lab, "b4", "dpkg --audit")


def test_a_host_can_begin_with_release_two(lab: Lab) -> None:
    assert said(lab, "b1", ". /etc/os-release; echo $VERSION_CODENAME; uname -r") == "birch\n6.12.0-2-lab"
    inventory = yaml.safe_load(lab.inventory.read_text())
    host = inventory["all"]["children"]["lab"]["hosts"]["b1"]
    assert (host["os_release"], host["hypervisor"], host["site"]) == ("labos-2", "kvm-10.0", "osaka")


def test_virsh_lists_guests_only_where_there_are_some(lab: Lab) -> None:
    assert said(lab, "a2", "virsh -c qemu:///system list --all --name") == "vm-one\nvm-two"
    assert ssh(lab, "a1", "command -v virsh").returncode != 0


def test_poweroff_stays_off_until_power_is_given(lab: Lab) -> None:
    ssh(lab, "a2", "poweroff")
    eventually(lambda: lab.host("a2").state == "off")
    lab.power("a2", "on")
    eventually(lambda: lab.host("a2").state == "up")
    assert reaches(lab, "a2")


def test_ansible_reboots_an_unmodified_debian_family_host(lab: Lab, tmp_path: Path) -> None:
    play = tmp_path / "play.yml"
    play.write_text(
        yaml.safe_dump(
            [
                {
                    "hosts": "a1",
                    "tasks": [
                        {"ansible.builtin.assert": {"that": ["ansible_facts.os_family == 'Debian'"]}},
                        {"ansible.builtin.shell": TO_BIRCH},
                        {"ansible.builtin.apt": {"update_cache": True, "upgrade": "dist"}},
                        {"ansible.builtin.reboot": {"reboot_timeout": 30}},
                        {"ansible.builtin.setup": {"gather_subset": ["min"]}},
                        {"ansible.builtin.assert": {"that": ["ansible_facts.kernel == '6.12.0-2-lab'"]}},
                    ],
                }
            ]
        )
    )
    ansible = str(Path(sys.executable).with_name("ansible-playbook"))
    done = subprocess.run(
        lab.inside([ansible, "-i", str(lab.inventory), str(play)]),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        cwd=tmp_path,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
