"""What the probe's script tells of hosts of several kinds, pretended by files and tools; and by hand, of a real one."""

import os
import re
import subprocess
from pathlib import Path

import pytest

from rollout.plan.probes import LAST, facts_of
from tests.playbooks.by_hand import PLAYBOOKS, Hand

SCRIPT = (PLAYBOOKS / "roles" / "probe" / "files" / "probe.sh").read_text()
TOOLS = (
    "sh",
    "tr",
    "cut",
    "sed",
    "head",
    "sort",
    "awk",
    "cat",
    "uname",
    "basename",
    "readlink",
    "grep",
    "timeout",
)

DEBIAN = (
    'ID=debian\nVERSION_ID="12"\nVERSION_CODENAME=bookworm\nPRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\n'
)
ROCKY = 'ID="rocky"\nID_LIKE="rhel centos fedora"\nVERSION_ID="9.4"\n'
UBUNTU = 'ID=ubuntu\nID_LIKE=debian\nVERSION_ID="22.04"\nVERSION_CODENAME=jammy\n'
XEON = "processor\t: 0\nvendor_id\t: GenuineIntel\ncpu family\t: 6\nmodel\t\t: 85\nmodel name\t: Intel(R) Xeon(R) Gold 6230\n"
ARM = "processor\t: 0\nBogoMIPS\t: 50.00\nCPU implementer\t: 0x41\nCPU architecture: 8\nCPU part\t: 0xd0c\n"


class Pretended:
    """A host: its files below a folder, and no tools but those that it is given."""

    def __init__(self, folder: Path) -> None:
        self.root, self.bin = folder / "root", folder / "bin"
        self.bin.mkdir()
        self.root.mkdir()
        for tool in TOOLS:
            found = next(Path(place, tool) for place in ("/usr/bin", "/bin") if Path(place, tool).exists())
            (self.bin / tool).symlink_to(found)

    def file(self, path: str, text: str) -> None:
        (self.root / path).parent.mkdir(parents=True, exist_ok=True)
        (self.root / path).write_text(text)

    def tool(self, name: str, script: str) -> None:
        (self.bin / name).write_text(f"#!{self.bin}/sh\n{script}\n")
        (self.bin / name).chmod(0o755)

    def card(self, name: str, driver: str) -> None:
        (self.root / "sys/bus/pci/drivers" / driver).mkdir(parents=True, exist_ok=True)
        (self.root / "sys/class/net" / name / "device").mkdir(parents=True)
        (self.root / "sys/class/net" / name / "device" / "driver").symlink_to(
            self.root / "sys/bus/pci/drivers" / driver
        )

    def told(self, python: str = "") -> dict[str, tuple[str, ...]]:
        script = SCRIPT.replace("PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin ", "")
        for place in ("/etc/", "/usr/lib/", "/usr/libexec/", "/usr/bin/", "/proc/", "/sys/"):
            script = script.replace(place, f"{self.root}{place}")
        done = subprocess.run(
            [str(self.bin / "sh"), "-c", f"rollout_python={python}\n{script}"],
            env={"PATH": str(self.bin)},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout.splitlines()[-1] == LAST
        return facts_of({"probe": done.stdout.splitlines()})


@pytest.fixture
def host(tmp_path: Path) -> Pretended:
    return Pretended(tmp_path)


@pytest.mark.parametrize(
    ("release", "more", "told"),
    [
        (DEBIAN, "12.7\n", ("debian", "12", "12.7", "debian-12", "bookworm")),
        (DEBIAN, "trixie/sid\n", ("debian", "12", "12", "debian-12", "bookworm")),
        (ROCKY, None, ("rocky", "9", "9.4", "rocky-9", None)),
        (UBUNTU, "bookworm/sid\n", ("ubuntu", "22", "22.04", "ubuntu-22.04", "jammy")),
        ("ID=arch\n", None, ("arch", None, None, None, None)),
        ("", None, (None, None, None, None, None)),
    ],
)
def test_the_system_is_what_its_own_files_say(
    host: Pretended, release: str, more: str | None, told: tuple[str | None, ...]
) -> None:
    host.file("etc/os-release", release)
    if more is not None:
        host.file("etc/debian_version", more)
    found = host.told()
    names = ("distribution", "major", "version", "os", "codename")
    assert tuple(found.get(name, (None,))[0] for name in names) == told
    assert found["kernel"] == (os.uname().release,)


def test_a_hypervisor_with_everything(host: Pretended) -> None:
    host.file("etc/os-release", DEBIAN)
    host.file("etc/machine-id", "0123456789abcdef0123456789abcdef\n")
    dmi = {
        "sys_vendor": "Dell Inc.",
        "product_name": "PowerEdge R650 ",
        "bios_version": "1.9.2",
        "bios_date": "11/17/2022",
    }
    for name, value in dmi.items():
        host.file(f"sys/class/dmi/id/{name}", f"{value}\n")
    host.file("proc/cpuinfo", XEON + XEON)
    for number, device in enumerate(("0x1572", "0x1572", "0x10fb")):
        host.file(f"sys/bus/pci/devices/{number}/vendor", "0x8086\n")
        host.file(f"sys/bus/pci/devices/{number}/device", f"{device}\n")
    (host.root / "sys/bus/pci/devices/0/driver").symlink_to(host.root / "sys/bus/pci/drivers/i40e")
    for card, driver in (("eno1", "i40e"), ("eno2", "i40e"), ("ens1", "mlx5-core"), ("ens2", "ixgbe")):
        host.card(card, driver)
    host.file("sys/class/net/lo/operstate", "unknown\n")
    host.tool(
        "ethtool",
        'case $2 in eno*) echo "firmware-version: 9.20 0x8000d95e 22.0.9";; ens1) echo "firmware-version: 16.35.2000";; ens2) echo "firmware-version: N/A";; esac',
    )
    host.tool(
        "qemu-system-x86_64",
        "echo 'QEMU emulator version 7.2.15 (Debian 1:7.2+dfsg-7+deb12u12)'; echo 'Copyright 2003'",
    )
    host.tool("virsh", 'case $* in --version) echo 9.0.0;; *) printf "vm-1\\nvm-2\\n\\n";; esac')
    host.tool("python3", "echo Python 3.11.2")
    assert host.told() == {
        "distribution": ("debian",), "major": ("12",), "version": ("12",), "codename": ("bookworm",), "os": ("debian-12",),
        "kernel": (os.uname().release,), "architecture": (os.uname().machine,), "machine_id": ("0123456789abcdef0123456789abcdef",),
        "python": ("3.11.2",), "vendor": ("Dell Inc.",), "model": ("PowerEdge R650",), "hardware": ("Dell Inc. PowerEdge R650",),
        "bios": ("1.9.2",), "bios_date": ("11/17/2022",), "cpu": ("GenuineIntel-6-85",), "pci": ("8086:10fb", "8086:1572"), "driver": ("i40e",),
        "nic_driver": ("i40e", "ixgbe", "mlx5-core"), "nic_firmware": ("i40e 9.20 0x8000d95e 22.0.9", "mlx5-core 16.35.2000"),
        "nic_firmware_i40e": ("9.20",), "nic_firmware_mlx5_core": ("16.35.2000",),
        "qemu": ("7.2.15",), "virtualization": ("kvm",), "hypervisor": ("kvm-7.2.15",), "libvirt": ("9.0.0",), "guests": ("2",),
    }  # fmt: skip


def test_a_bare_host_tells_what_it_can(host: Pretended) -> None:
    host.file("etc/os-release", ROCKY)
    host.file("proc/cpuinfo", ARM)
    found = host.told()
    assert found.keys() == {"distribution", "major", "version", "os", "kernel", "architecture", "cpu", "virtualization", "hypervisor"}  # fmt: skip
    assert (found["cpu"], found["virtualization"], found["hypervisor"]) == (
        ("0x41-0xd0c",),
        ("none",),
        ("none",),
    )


@pytest.mark.parametrize(("version", "told"), [(("4", "17", ".3"), "xen-4.17.3"), ((), "xen")])
def test_xen_counts_where_it_rules_the_machine(host: Pretended, version: tuple[str, ...], told: str) -> None:
    host.file("proc/xen/capabilities", "control_d\n")
    host.tool("qemu-system-x86_64", "echo QEMU emulator version 7.2.15")
    host.tool(
        "xl",
        "printf 'Name ID Mem VCPUs State Time(s)\\nDomain-0 0 1 1 r----- 1.0\\nvm-1 3 1 1 -b---- 1.0\\n'",
    )
    for name, value in zip(("major", "minor", "extra"), version, strict=False):
        host.file(f"sys/hypervisor/version/{name}", f"{value}\n")
    found = host.told()
    assert (found["virtualization"], found["hypervisor"], found["qemu"]) == (("xen",), (told,), ("7.2.15",))
    assert found["guests"] == ("1",)


def test_tools_that_do_not_answer_tell_nothing(host: Pretended) -> None:
    for tool in ("virsh", "qemu-kvm", "ethtool", "python3.12"):
        host.tool(tool, "echo 'cannot connect' >&2; exit 1")
    host.tool("python3", "echo Python 3.9.18")
    host.card("eth0", "virtio_net")
    found = host.told()
    assert not {"libvirt", "guests", "qemu", "nic_firmware"} & found.keys()
    assert (found["python"], found["nic_driver"], found["hypervisor"]) == (
        ("3.9.18",),
        ("virtio_net",),
        ("none",),
    )


def test_the_python_is_the_one_that_ansible_is_told(host: Pretended) -> None:
    host.tool("python3", "echo Python 3.9.18")
    host.tool("own", "echo Python 3.12.1")
    assert host.told(str(host.bin / "own"))["python"] == ("3.12.1",)
    assert "python" not in host.told("/nowhere/python")
    assert host.told("auto_silent")["python"] == ("3.9.18",)


def test_what_a_host_says_cannot_break_a_line(host: Pretended) -> None:
    host.file("sys/class/dmi/id/product_name", "R650\x1b[31m\tmodel\tother\n")
    host.file("sys/class/dmi/id/sys_vendor", "x" * 5000)
    found = host.told()
    assert found["model"] == ("R650 [31m model other",)
    assert found["vendor"] == ("x" * 200,)


@pytest.mark.parametrize(
    ("lines", "facts"),
    [
        (["os\tx", LAST], {"os": ("x",)}),
        (["pci\ta", "pci\tb", "pci\ta", LAST], {"pci": ("a", "b")}),
        (["os\tx\r", f"{LAST}\r"], {"os": ("x",)}),
        (["motd", "Os\tx", "os\t", "../x\ty", "os\tgreen\x1b[1m", "a\tb\tc", "ok\ty", LAST], {"ok": ("y",)}),
        (["os\tx"], {}),
        ([LAST, "os\tx"], {}),
        ("os", {}),
        (None, {}),
    ],
)
def test_what_a_probe_said_is_read_line_by_line_and_whole(lines: object, facts: dict[str, object]) -> None:
    assert facts_of({"probe": lines}) == facts


def test_the_guide_names_all_that_it_tells() -> None:
    guide = (PLAYBOOKS.parent / "docs" / "guides" / "probing.md").read_text()
    rows = re.findall(r"^\| (`.*?) \|", guide, re.MULTILINE)
    told = set(re.findall(r"\btell ([a-z_]+) ", SCRIPT)) | {"nic_firmware_DRIVER"}
    assert told == {name for row in rows for name in re.findall(r"`(\w+)`", row)}


@pytest.mark.lab
def test_by_hand_it_shows_what_it_finds_and_changes_nothing(hand: Hand) -> None:
    done = hand.play("whole", "probe")
    assert done.code == 0, done.output
    assert done.changed == 0
    # another file may have upgraded it
    assert re.search(r"os\\tlabos-[12]\b", done.output)
    assert re.search(r"hypervisor\\tkvm-\d+\.\d+\.0\b", done.output)
