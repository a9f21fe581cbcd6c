from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from rollout.gates._boot_script import END, script
from rollout.gates.boot import Kind
from rollout.model.seams import Answer, Ran, Verdict
from rollout.ssh import connect
from tests.gates.any_connection import subject

OLD, NEW = (f"{digit * 8}-0000-4000-8000-{digit * 12}" for digit in "12")
DEFAULT: dict[str, Any] = {
    "boot_id": NEW,
    "uptime": "40.25",
    "kernel": "6.12.1-amd64",
    "id": "debian",
    "version": '"13"',
}
BEFORE: dict[str, Any] = {
    "boot_id": OLD,
    "uptime": 9000.0,
    "os": "debian-12",
    "kernel": "6.1.0-40-amd64",
    "asked": 1000.0,
}


def facts(*lines: str, **changed: str) -> Ran:
    """Of a host without systemd whose kernel's log is not shown, unless the lines say otherwise."""
    seen = {**DEFAULT, **changed}
    out = f"boot_id {seen['boot_id']}\nuptime {seen['uptime']}\nkernel {seen['kernel']}\nID {seen['id']}\n"
    out += f"VERSION_ID {seen['version']}\n" if seen["version"] else ""
    out += "".join(f"{line}\n" for line in lines or ("systemd none",))
    return Ran(0, out + "end-of-boot\n", "")


def check(ran: Ran, settings: dict[str, Any] | None = None, **more: Any) -> Verdict:
    return Kind(**(settings or {})).check(subject(ran, **{"remembered": BEFORE, "now": 1300.0, **more}))


PASSING: list[tuple[dict[str, str], dict[str, Any], dict[str, tuple[str, ...]]]] = [
    ({}, {}, {}),
    ({}, {"os": "debian-13"}, {"os": ("debian-12",)}),
    ({}, {"os": ["ubuntu-*", "debian-1[34]"]}, {}),
    ({}, {}, {"os": ("ubuntu-24.04", "debian-13")}),
    ({}, {}, {"hypervisor": ("kvm-10",)}),
    ({"id": "arch", "version": ""}, {"os": "arch"}, {}),
    ({"version": "'13'"}, {"os": "debian-13"}, {}),
    ({}, {"kernel": "6.12.*"}, {}),
    ({}, {"kernel": "changed"}, {}),
]


@pytest.mark.parametrize(("changed", "settings", "target"), PASSING)
def test_a_new_boot_into_what_is_expected_passes(
    changed: dict[str, str], settings: dict[str, Any], target: dict[str, tuple[str, ...]]
) -> None:
    verdict = check(facts(**changed), settings, target=target)
    assert verdict.value is Answer.PASS
    assert verdict.because.startswith("it booted 40 s ago into ")
    assert verdict.samples["boot_id"] == NEW
    assert set(verdict.samples) >= {"boot_id", "uptime", "os", "kernel", "asked"}


FAILING: list[tuple[dict[str, str], dict[str, Any], str]] = [
    ({"boot_id": OLD}, {}, f"it has not booted: the boot id is still {OLD}"),
    (
        {"uptime": "9300.5"},
        {},
        "its boot id is new, but it has been up for 9300 s and was first seen 300 s ago: it has not booted since",
    ),
    ({}, {"os": "debian-12"}, "it runs debian-13, and debian-12 is expected"),
    ({}, {"os": "Debian-13"}, "it runs debian-13, and Debian-13 is expected"),
    ({}, {"os": ["debian-14", "ubuntu-*"]}, "it runs debian-13, and debian-14 or ubuntu-* is expected"),
    ({}, {"kernel": "6.1.*"}, "its kernel is 6.12.1-amd64, and 6.1.* is expected"),
    (
        {"kernel": "6.1.0-40-amd64"},
        {"kernel": "changed"},
        "it runs the same kernel as before, 6.1.0-40-amd64",
    ),
]


@pytest.mark.parametrize(("changed", "settings", "because"), FAILING)
def test_anything_else_fails(changed: dict[str, str], settings: dict[str, Any], because: str) -> None:
    verdict = check(facts(**changed), settings)
    assert (verdict.value, verdict.because) == (Answer.FAIL, because)
    assert verdict.samples["uptime"] == float(changed.get("uptime", "40.25"))


def test_the_os_of_the_target_is_expected_unless_the_gate_names_another() -> None:
    target = {"os": ("debian-14",)}
    assert check(facts(), target=target).because == "it runs debian-13, and debian-14 is expected"
    assert check(facts(), {"os": "*"}, target=target).value is Answer.PASS


@pytest.mark.parametrize(
    "remembered",
    [
        {},
        {"boot_id": OLD},
        {**BEFORE, "boot_id": ""},
        {**BEFORE, "uptime": None},
        {"reached": False},
        {**BEFORE, "kernel": 6},
    ],
)
def test_without_a_memory_nothing_is_known(remembered: dict[str, Any]) -> None:
    verdict = check(facts(), remembered=remembered)
    assert verdict.value is Answer.INCONCLUSIVE
    assert verdict.samples["boot_id"] == NEW


UNREADABLE = [
    Ran(0, "", ""),
    Ran(0, "Last login: today\n", ""),
    Ran(127, facts().out, "sh: 1: cat: not found"),
    Ran(0, facts().out.replace("end-of-boot\n", ""), ""),
    facts(boot_id=""),
    facts(boot_id="1234"),
    facts(uptime=""),
    facts(uptime="nan"),
    facts(uptime="-1"),
    facts(kernel=""),
    facts(id=""),
    facts(id='"debian'),
]


@pytest.mark.parametrize("ran", UNREADABLE)
def test_what_cannot_be_read_is_inconclusive(ran: Ran) -> None:
    assert check(ran).value is Answer.INCONCLUSIVE
    assert Kind().remember(subject(ran)).value is Answer.INCONCLUSIVE


def test_what_it_remembers_is_what_it_compares_with() -> None:
    memory = Kind().remember(subject(facts(boot_id=OLD, uptime="9000"), now=1000.0))
    assert memory.value is Answer.PASS
    assert check(facts(), remembered=memory.samples).value is Answer.PASS
    assert check(facts(boot_id=OLD), remembered=memory.samples).value is Answer.FAIL


def test_the_script_reads_a_real_machine() -> None:
    here = subject(Ran(0, "", ""), connect=lambda: connect("here", {"ansible_connection": "local"}), now=5.0)
    verdict = Kind().remember(here)
    assert verdict.value is Answer.PASS
    assert verdict.samples["uptime"] > 0
    assert verdict.samples["asked"] == 5.0


@pytest.mark.parametrize(
    "settings",
    [
        {"os": ""},
        {"os": []},
        {"kernel": 6},
        {"uptime": 5},
        {"hypervisor": ">=kvm"},
        {"failed_units": "all"},
        {"ignore_units": "x"},
        {"dmesg": ["("]},
    ],
)
def test_a_wrong_setting_is_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Kind(**settings)


SYSTEMD = ("systemctl 0", "systemd degraded", "failed old.service")
LOG = (
    "log [    0.000000] Linux version 6.12.1-amd64",
    "log [   12.500000] EXT4-fs (sda2): mounted filesystem",
)
KVM = ("kvm yes", "virsh 0", "libvirt 11.3.0", "running QEMU 10.0.2", "binary 10.0.1")
XEN = ("xen 4.17.5-pre", "dom0 yes")
NONE = ("systemd none",)
REMEMBERED = {**BEFORE, "systemd": "degraded", "failed": ["old.service"]}
Row = tuple[tuple[str, ...], dict[str, Any], str]

FINE: list[Row] = [
    ((*SYSTEMD, *LOG), {}, ""),
    ((*SYSTEMD[:2], *LOG), {"failed_units": "none"}, ""),
    ((*SYSTEMD, *LOG), {"failed_units": "none", "ignore_units": ["old*"]}, ""),
    ((*SYSTEMD, "failed new.service", *LOG), {"ignore_units": ["new.*"]}, ""),
    (("systemctl 1", "systemd ", *LOG), {"failed_units": "any"}, ""),
    (("systemctl 0", "systemd starting", *LOG), {}, "; systemd still starts units"),
    (NONE, {}, "; the kernel's log cannot be read"),
    (NONE, {"dmesg": []}, ""),
    ((*NONE, *LOG, "log-cut yes"), {}, "; the kernel's log is too long to be read whole"),
    ((*NONE, *LOG, "log [   13.1] I/O error, dev sr0, sector 0"), {}, ""),
    ((*NONE, *LOG, "log [   13.1] I/O error, dev sdz, sector 0"), {"ignore_dmesg": ["dev sdz"]}, ""),
    ((*NONE, *LOG, "log [   13.1] WARNING: CPU: 3 PID: 77 at net/core/dev.c:1"), {}, ""),
    ((*NONE, *LOG, "log [50000.1] BUG: of the machine that the container runs on"), {}, "; the kernel's log cannot be read"),
    ((*NONE, *LOG, *KVM), {"hypervisor": "kvm-10.0.2"}, "; kvm-10.0.2"),
    ((*NONE, *LOG, *KVM), {"hypervisor": [">=kvm-9.2,<kvm-11"]}, "; kvm-10.0.2"),
    ((*NONE, *LOG, *KVM), {"hypervisor": "libvirt-11*"}, "; kvm-10.0.2"),
    ((*NONE, *LOG, "kvm yes", "binary 10.0.1"), {"hypervisor": "qemu-10.0.1"}, "; kvm-10.0.1"),
    ((*NONE, *LOG, "virsh 1", "kvm yes", "binary 10.0.1"), {"hypervisor": "kvm-10*"}, "; kvm-10.0.1"),
    ((*NONE, *LOG, *XEN), {"hypervisor": "xen-4.17*"}, "; xen-4.17.5-pre"),
    ((*NONE, *LOG, *KVM), {"hypervisor": "target"}, "; kvm-10.0.2"),
]  # fmt: skip


@pytest.mark.parametrize(("lines", "settings", "said"), FINE)
def test_a_healthy_boot_passes(lines: tuple[str, ...], settings: dict[str, Any], said: str) -> None:
    verdict = check(facts(*lines), settings, remembered=REMEMBERED, target={"hypervisor": ("kvm-10.*",)})
    assert verdict.value is Answer.PASS, verdict.because
    assert verdict.because == f"it booted 40 s ago into debian-13, kernel 6.12.1-amd64{said}"


HURT: list[Row] = [
    ((*SYSTEMD, "failed a.service", "failed b.mount"), {}, "failed: a.service, b.mount"),
    (SYSTEMD, {"failed_units": "none"}, "failed: old.service"),
    (("systemctl 0", "systemd starting", "failed a.service"), {}, "failed: a.service"),
    ((*SYSTEMD, *(f"failed {name}.service" for name in "abcde")), {}, "failed: a.service, b.service, c.service and 2 more"),
    ((*NONE, *LOG, "log [   13.1] BUG: unable to handle page fault"), {}, "the kernel says: [ 13.1] BUG: unable to handle page fault"),
    ((*NONE, *LOG, "log-cut yes", "log [   13.1] watchdog: BUG: soft lockup - CPU#3 stuck"), {}, "the kernel says: [ 13.1] watchdog: BUG: soft lockup - CPU#3 stuck"),
    ((*NONE, *LOG, "log [   13.1] blk_update_request: I/O error, dev sda, sector 9", "log [   14] Kernel panic - not syncing"), {},
     "the kernel says: [ 13.1] blk_update_request: I/O error, dev sda, sector 9 (and 1 more lines)"),
    ((*NONE, *LOG, "log [   13.1] mce: [Hardware Error]: Machine check: 0"), {}, "the kernel says: [ 13.1] mce: [Hardware Error]: Machine check: 0"),
    ((*NONE, *LOG, "log [  99.1] INFO: task qemu:77 blocked for more than 120 seconds."), {}, "the kernel says: [ 99.1] INFO: task qemu:77 blocked for more than 120 seconds."),
    ((*NONE, *LOG), {"dmesg": ["mounted"]}, "the kernel says: [ 12.500000] EXT4-fs (sda2): mounted filesystem"),
    ((*NONE, *LOG, *KVM), {"hypervisor": "kvm-11*"}, "its hypervisor is kvm-10.0.2, qemu-10.0.2, libvirt-11.3.0, and kvm-11* is expected"),
    ((*NONE, *LOG, "virsh 0", "binary 10.0.1"), {"hypervisor": "kvm-10*"}, "its hypervisor is qemu-10.0.1, and kvm-10* is expected"),
    ((*NONE, *LOG, "xen 4.17.5"), {"hypervisor": "xen-*"}, "it has no hypervisor, and xen-* is expected"),
    ((*NONE, *LOG), {"hypervisor": "target"}, "it has no hypervisor, and kvm-10.* is expected"),
    ((*SYSTEMD, "failed a.service", *LOG, "log [   13.1] Oops: 0002"), {}, "failed: a.service; the kernel says: [ 13.1] Oops: 0002"),
]  # fmt: skip


@pytest.mark.parametrize(("lines", "settings", "because"), HURT)
def test_what_a_boot_broke_fails(lines: tuple[str, ...], settings: dict[str, Any], because: str) -> None:
    verdict = check(facts(*lines), settings, remembered=REMEMBERED, target={"hypervisor": ("kvm-10.*",)})
    assert (verdict.value, verdict.because) == (Answer.FAIL, because)


UNCLEAR: list[Row] = [
    (("systemctl 1", "systemd ", *LOG), {}, "systemd does not say which units have failed"),
    ((), {"dmesg": ["taint"]}, "the kernel's log cannot be read"),
    ((*NONE, *LOG, "log-cut yes"), {"dmesg": ["taint"]}, "the kernel's log is too long to be read whole"),
    ((*NONE, *LOG, "log [50000.1] x"), {"dmesg": ["taint"]}, "the kernel's log cannot be read"),
    (NONE, {"failed_units": "none"}, "it has no systemd to ask for failed units"),
    (("systemctl 0", "systemd starting"), {"failed_units": "none"}, "systemd still starts units"),
    ((*NONE, "virsh 1"), {"hypervisor": "kvm-*"}, "libvirt does not say which hypervisor runs (virsh: exit code 1)"),
]  # fmt: skip


@pytest.mark.parametrize(("lines", "settings", "because"), UNCLEAR)
def test_what_a_boot_does_not_show_is_no_pass(
    lines: tuple[str, ...], settings: dict[str, Any], because: str
) -> None:
    verdict = check(facts(*lines), settings, remembered=REMEMBERED)
    assert (verdict.value, verdict.because) == (Answer.INCONCLUSIVE, because)


def test_a_failed_unit_is_new_only_if_it_is_known_which_had_failed_before() -> None:
    verdict = check(facts(*SYSTEMD), remembered=BEFORE)
    assert verdict.value is Answer.INCONCLUSIVE
    assert verdict.because == "old.service failed; which units had failed before was not recorded"
    memory = Kind().remember(subject(facts(*SYSTEMD, boot_id=OLD, uptime="9000"), now=1000.0))
    assert memory.samples["failed"] == ["old.service"]
    assert check(facts(*SYSTEMD), remembered=memory.samples).value is Answer.PASS
    silent = Kind().remember(subject(facts("systemctl 1", boot_id=OLD, uptime="9000"), now=1000.0))
    assert check(facts(*SYSTEMD), remembered=silent.samples).value is Answer.INCONCLUSIVE


def test_a_combo_whose_target_names_no_hypervisor_is_not_asked_for_one() -> None:
    assert check(facts(), {"hypervisor": "target"}, target={"os": ("debian-13",)}).value is Answer.PASS


def test_the_script_says_all_that_it_is_asked_for() -> None:
    with connect("here", {"ansible_connection": "local"}) as connection:
        ran = connection.run(script(hypervisor=True, units=True, log=True), 60)
    assert ran.out.endswith(f"{END}\n")
    assert "\nsystemd " in ran.out


def test_the_script_asks_libvirt_qemu_and_the_kernel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tools = {
        "virsh": 'printf "Using library: libvirt 11.3.0\\nRunning hypervisor: QEMU 10.0.2\\n"',
        "qemu-system-x86_64": 'echo "QEMU emulator version 10.0.2 (Debian 1:10.0.2+ds-2)"',
        "dmesg": 'printf "[    0.000000] Linux\\n\\n[   12.000000] BUG: x\\n"',
    }
    for name, text in tools.items():
        (tmp_path / name).write_text(f"#!/bin/sh\n{text}\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    with connect("here", {"ansible_connection": "local"}) as connection:
        said = connection.run(script(hypervisor=True, units=False, log=True), 60).out.splitlines()
    assert {"virsh 0", "running QEMU 10.0.2", "libvirt 11.3.0", "binary 10.0.2"} <= set(said)
    assert said[-3:] == ["log [    0.000000] Linux", "log [   12.000000] BUG: x", END]
