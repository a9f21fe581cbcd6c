"""Hosts whose init is systemd: what differs from light hosts, and what must not."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from rollout.errors import LabError
from rollout.lab import HostSpec, Lab, leftovers, needs
from rollout.lab.systemd import group
from tests.lab.driving import LOCAL, UPGRADE, eventually, reaches, said, ssh

lab_only = pytest.mark.lab


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """Two hosts; each test leaves its host up and whole."""
    if lacking := needs.missing("systemd", 2):
        pytest.skip(f"no lab here: it needs {lacking[0]}")
    lab = Lab(tmp_path_factory.mktemp("systemd") / "lab")
    try:
        lab.up([HostSpec("s1"), HostSpec("s2", guests=("vm-one",))], engine="systemd")
        yield lab
    finally:
        lab.down()


def boots_again(lab: Lab, host: str, command: str) -> None:
    boots = lab.host(host).boots
    ssh(lab, host, command)
    eventually(lambda: lab.host(host).boots > boots and lab.host(host).state == "up", 20)


def runs(lab: Lab, host: str) -> bool:
    """Whether systemd itself says that all is well."""
    return ssh(lab, host, "systemctl is-system-running --wait").stdout == "running\n"


@lab_only
def test_systemd_runs_and_nothing_has_failed(servers: Lab) -> None:
    assert runs(servers, "s1"), servers.run("s1", ["systemctl", "--failed"]).stdout
    assert said(servers, "s1", "cat /proc/1/comm; systemctl is-active ssh") == "systemd\nactive"
    assert "Started ssh.service" in servers.console("s1")
    assert said(servers, "s1", "uname -r; lab-hypervisor --version") == "6.1.0-1-lab\nlab-hypervisor 7.2"
    assert said(servers, "s2", "virsh list --name") == "vm-one"


@lab_only
def test_a_transient_unit_outlives_ssh_and_keeps_its_result(servers: Lab) -> None:
    start = "systemd-run --unit=guard --remain-after-exit sh -c 'until [ -e /run/go ]; do sleep 0.05; done; echo done'"
    assert ssh(servers, "s1", start).returncode == 0
    servers.fault("s1", "sshd-dies")
    assert not reaches(servers, "s1")
    servers.clear("s1", "sshd-dies")
    eventually(lambda: reaches(servers, "s1"))
    again = ssh(servers, "s1", start)
    assert again.returncode != 0
    assert "already" in again.stderr
    said(servers, "s1", "touch /run/go")
    eventually(lambda: "exited" in said(servers, "s1", "systemctl show guard -p SubState"))
    assert said(servers, "s1", "journalctl --unit=guard --output=cat").splitlines()[-1] == "done"
    assert ssh(servers, "s1", "systemctl stop guard").returncode == 0
    assert ssh(servers, "s1", "systemd-run --quiet --wait --pipe sh -c 'echo piped; exit 3'").returncode == 3


@lab_only
def test_a_reboot_changes_boot_id_and_uptime_but_not_the_disk(servers: Lab) -> None:
    said(servers, "s2", "echo kept > /root/note; mkdir -p /run/lost")
    eventually(lambda: float(said(servers, "s2", "cut -d' ' -f1 /proc/uptime")) > 3)
    before = said(servers, "s2", "cat /proc/sys/kernel/random/boot_id; cut -d. -f1 /proc/uptime").split()
    said(servers, "s2", LOCAL)
    boots_again(servers, "s2", "shutdown -r 0 'as Ansible does'")
    after = said(servers, "s2", "cat /proc/sys/kernel/random/boot_id; cut -d. -f1 /proc/uptime").split()
    assert after[0] != before[0]
    assert int(after[1]) < 60
    assert said(servers, "s2", "cat /root/note; ls -d /run/lost || true") == "kept"
    assert runs(servers, "s2")
    assert said(servers, "s2", "ls /run/local; rm /etc/rc.local") == "/run/local"


@lab_only
def test_a_host_cannot_change_the_machine(servers: Lab) -> None:
    assert ssh(servers, "s1", "date -s 2001-01-01").returncode != 0
    assert ssh(servers, "s1", "echo 1 > /proc/sys/kernel/panic").returncode != 0
    assert ssh(servers, "s1", "mount -t tmpfs tmpfs /mnt").returncode != 0
    assert ssh(servers, "s1", "systemd-run --wait -q mount -t tmpfs tmpfs /mnt").returncode != 0
    assert said(servers, "s1", "ls /sys/fs/cgroup | grep -c scope") == "1"  # no group but its own


@lab_only
def test_a_hang_and_no_power(servers: Lab) -> None:
    servers.fault("s2", "hang")
    assert not reaches(servers, "s2")
    servers.clear("s2", "hang")
    eventually(lambda: reaches(servers, "s2"))
    ssh(servers, "s2", "poweroff")
    eventually(lambda: servers.host("s2").state == "off", 20)
    servers.power("s2", "on")
    eventually(lambda: reaches(servers, "s2"), 20)


@lab_only
@pytest.mark.full
def test_lasting_faults(servers: Lab) -> None:
    servers.fault("s2", "link-cut")
    boots = servers.host("s2").boots
    servers.power("s2", "cycle")
    eventually(lambda: servers.host("s2").boots > boots and servers.host("s2").state == "up", 20)
    assert not reaches(servers, "s2")
    servers.clear("s2", "link-cut")
    eventually(lambda: reaches(servers, "s2"))

    servers.fault("s2", "full-disk")
    assert "No space left" in ssh(servers, "s2", "head -c 100000 /dev/zero > /root/much").stderr
    servers.clear("s2", "full-disk")

    servers.fault("s2", "never-back")
    ssh(servers, "s2", "reboot")
    eventually(lambda: servers.host("s2").state == "stuck", 20)
    servers.clear("s2", "never-back")
    eventually(lambda: reaches(servers, "s2"), 20)

    servers.fault("s2", "wrong-os")
    assert ssh(servers, "s2", UPGRADE).returncode == 0
    boots_again(servers, "s2", "systemctl reboot")
    look = ". /etc/os-release; echo $VERSION_ID; uname -r"
    assert said(servers, "s2", look).split() == ["1", "6.1.0-1-lab"]
    servers.clear("s2", "wrong-os")
    boots_again(servers, "s2", "systemctl reboot")
    assert said(servers, "s2", look).split() == ["2", "6.12.0-2-lab"]
    assert servers.host("s2").faults == ()


@lab_only
def test_a_power_cut_in_the_middle_of_an_upgrade_by_a_unit(servers: Lab) -> None:
    servers.fault("s1", "power-cut", during="dpkg")
    unit = "systemd-run --quiet --wait --unit=upgrade --setenv=DEBIAN_FRONTEND=noninteractive"
    assert ssh(servers, "s1", f"{unit} sh -c '{UPGRADE}'").returncode == 255
    assert servers.host("s1").state == "off"
    servers.clear("s1", "power-cut")
    eventually(lambda: reaches(servers, "s1"), 20)
    assert "labos-base" in said(servers, "s1", "dpkg --audit")
    said(servers, "s1", f"dpkg --configure -a && {UPGRADE}")
    boots_again(servers, "s1", "systemctl reboot")
    assert said(servers, "s1", ". /etc/os-release; echo $VERSION_ID; uname -r").split() == [
        "2",
        "6.12.0-2-lab",
    ]


@lab_only
@pytest.mark.usefixtures("servers")
def test_hosts_die_with_a_killed_supervisor_and_down_takes_their_groups(directory: Path) -> None:
    lab = Lab(directory)
    status = lab.up(1, engine="systemd")
    try:
        said(lab, "h01", "setsid -f sleep 1000 >/dev/null 2>&1; systemd-run --quiet sleep 1000")
        assert groups(lab)
        os.kill(status.pid, signal.SIGKILL)
        eventually(lambda: not leftovers.processes(lab.places))
    finally:
        assert lab.down()
    assert not groups(lab)
    assert not directory.exists()


def groups(lab: Lab) -> bool:
    """Whether the lab has control groups, looked for in a mount namespace of our own."""
    look = f"mount -t cgroup2 cgroup2 /mnt && [ -d /mnt/{group(lab.places)} ]"
    return subprocess.run(["unshare", "--mount", "sh", "-c", look], check=False).returncode == 0


@lab_only
@pytest.mark.full
def test_ansible_reboots_and_knows_the_service_manager(servers: Lab, tmp_path: Path) -> None:
    ansible = str(Path(sys.executable).with_name("ansible"))
    for words in (["reboot", "-a", "reboot_timeout=60"], ["systemd_service", "-a", "name=ssh state=started"]):
        done = subprocess.run(
            servers.inside(
                [ansible, "-i", str(servers.inventory), "s2", "-m", f"ansible.builtin.{words[0]}", *words[1:]]
            ),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            cwd=tmp_path,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr


@lab_only
@pytest.mark.full
@pytest.mark.usefixtures("servers")
def test_debian_12_becomes_13_for_real_with_a_power_cut_in_the_middle_of_dpkg(directory: Path) -> None:
    if "bookworm" not in Path("/etc/os-release").read_text():
        pytest.skip("the machine's own Debian is not 12: its mirror is not taken for one")
    upgrade = (
        "sed -i s/bookworm/trixie/ /etc/apt/sources.list.d/labos.list && apt-get -q update &&"
        " DEBIAN_FRONTEND=noninteractive apt-get -qy -o Dpkg::Options::=--force-confold full-upgrade"
    )
    look = "cat /etc/debian_version; . /etc/os-release; echo $ID-$VERSION_ID; uname -r"
    lab = Lab(directory)
    try:
        lab.up([HostSpec("d1", os_release="debian-12")], engine="systemd")
        assert said(lab, "d1", look).split()[1:] == ["debian-12", "6.1.0-12-lab"]
        lab.fault("d1", "power-cut", during="dpkg")
        assert ssh(lab, "d1", f"systemd-run --wait --unit=upgrade sh -c '{upgrade}'", 200).returncode == 255
        eventually(lambda: lab.host("d1").state == "off", 200)
        lab.clear("d1", "power-cut")
        eventually(lambda: reaches(lab, "d1"), 30)
        assert "labos-base" in said(lab, "d1", "dpkg --audit")
        repair = f"DEBIAN_FRONTEND=noninteractive dpkg --configure -a && {upgrade}"
        done = ssh(lab, "d1", f"systemd-run --wait --pipe --unit=repair sh -c '{repair}'", 200)
        assert done.returncode == 0, done.stdout + done.stderr
        assert said(lab, "d1", "dpkg --audit; apt-get -qq check") == ""
        boots_again(lab, "d1", "systemctl reboot")
        version, *rest = said(lab, "d1", look).split()
        assert version.startswith("13")
        assert rest == ["debian-13", "6.12.0-13-lab"]
        assert runs(lab, "d1"), lab.run("d1", ["systemctl", "--failed"]).stdout
    finally:
        lab.down()


@lab_only
def test_too_few_inotify_instances_are_named_before_anything_starts(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    setting = tmp_path / "max_user_instances"
    setting.write_text("128\n")
    monkeypatch.setattr(needs, "_INSTANCES", setting)
    assert needs.missing("systemd", 2) == [] or "inotify" not in needs.missing("systemd", 2)[-1]
    with pytest.raises(
        LabError, match=r"200 inotify instances for 40 systemd hosts, .*max_user_instances=256\)"
    ):
        needs.check("systemd", 40)
