import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from rollout.gates._fingerprint_difference import NOUNS
from rollout.gates._fingerprint_script import END, PARTS, script
from rollout.gates.fingerprint import Kind
from rollout.model.seams import Answer, Ran, Verdict
from rollout.ssh.output import CUT
from rollout.ssh.testing import FakeConnection
from tests.gates.any_connection import subject
from tests.gates.fingerprints import HYPERVISOR, host, other


def compare(now: Ran, before: Ran | None = None, **wishes: Any) -> Verdict:
    gate = Kind(**wishes)
    memory = gate.remember(subject(before or host(), now=1000.0))
    assert memory.value is Answer.PASS, memory.because
    return gate.check(subject(now, remembered=memory.samples))


def test_what_it_keeps_is_small_and_says_how_much_it_is() -> None:
    memory = Kind().remember(subject(host(), now=1000.0))
    assert memory.because == "42 things in 13 sections are kept"
    assert memory.samples["sections"] == {
        "nics": 4,
        "addresses": 3,
        "routes": 6,
        "rules": 2,
        "mounts": 3,
        "blocks": 4,
        "modules": 2,
        "sysctls": 2,
        "enabled": 3,
        "services": 4,
        "listening": 3,
        "cpu": 4,
        "numa": 2,
    }
    assert len(memory.samples["packed"]) < 1500


def test_the_same_host_is_as_before() -> None:
    verdict = compare(host())
    assert (verdict.value, verdict.because) == (Answer.PASS, "as before: 42 things in 13 sections")
    assert verdict.samples["failures"] == verdict.samples["others"] == 0


WORSE = [
    ("nics", "nics eth1\t", None, "NIC eth1 is gone (ixgbe)"),
    ("nics", "nics br0\t", None, "NIC br0 is gone"),
    ("nics", "mtu=9000", "mtu=1500", "NIC eth0: mtu 9000 is now 1500"),
    ("nics", "speed=10000 master=br0", "speed=1000 master=br0", "NIC eth0: speed 10000 is now 1000"),
    ("nics", " master=br0", "", "NIC eth0: master br0 is now nothing"),
    ("nics", "state=up mtu=1500 speed", "state=down mtu=1500 speed", "NIC eth1: state up is now down"),
    (
        "nics",
        "driver=ixgbe bus=0000:3b:00.1",
        "driver=vfio-pci bus=0000:3b:00.1",
        "NIC eth1: driver ixgbe is now vfio-pci",
    ),
    ("addresses", "10.2.0.5", None, "address 10.2.0.5/24 on eth1 is gone"),
    ("addresses", "scope global br0", "scope global dadfailed br0", "address 10.1.0.5/24 on br0: nothing is now taken by another host"),
    ("routes", "default via 10.1", None, "route default via 10.1.0.1 dev br0 table main is gone"),
    ("routes", " table 100", "", "route 10.64.0.0/16 via 10.2.0.9 dev eth1 table 100 is gone (2 differences in all)"),
    ("routes", "proto bird", None, "route learned by bird table main is gone"),
    ("routes", "unreachable", None, "route unreachable 192.0.2.0/24 dev lo table main is gone"),
    ("routes", "inet6 fe80::ff", None, "route default via fe80::ff dev eth1 table main is gone"),
    ("rules", "1000:", None, "rule ipv4 1000: from all iif eth1 lookup 100 is gone"),
    ("mounts", "filer:/iso", None, "mount /srv/my iso is gone (filer:/iso)"),
    ("mounts", "/ ext4 rw,relatime", "/ ext4 ro,relatime", "mount /: mode writable is now read-only"),
    ("mounts", "/dev/sda2", "/dev/sdb2", "mount /: source /dev/sda2 is now /dev/sdb2"),
    ("blocks", "blocks sdb", None, "block device sdb is gone (SAMSUNG MZ7LH240, 240057409536 bytes)"),
    ("blocks", "degraded=0", "degraded=1", "block device md0: degraded 0 is now 1"),
    ("sysctls", "ip_forward\t1", "ip_forward\t0", "sysctl net.ipv4.ip_forward: 1 is now 0"),
    ("services", "libvirtd", None, "service libvirtd.service is gone"),
    ("services", "active running OpenBSD", "active exited OpenBSD", "service ssh.service: state running is now exited"),
    ("listening", ":0016", None, "listening port tcp 22 on * is gone (sshd)"),
    ("listening", "00000000:0016", "0100007F:0016", "listening port tcp 22 on * is gone (sshd) (3 differences in all)"),
    ("cpu", " vmx", "", "CPU flag vmx is gone"),
    ("cpu", "\t64", "\t32", "CPU count: 64 is now 32"),
    ("numa", "node1", None, "NUMA node1 is gone"),
    ("numa", "cpus=0-31 memory=131000000", "cpus=0-31 memory=65500000", "NUMA node0: memory 131000000 is now 65500000"),
]  # fmt: skip


@pytest.mark.parametrize(("section", "old", "new", "because"), WORSE)
def test_what_is_gone_or_worse_fails_in_plain_words(
    section: str, old: str, new: str | None, because: str
) -> None:
    verdict = compare(other(section, old, new))
    assert (verdict.value, verdict.because) == (Answer.FAIL, because)
    assert verdict.samples["failures"] >= 1


NO_WORSE = [
    ("nics", "vnet7", None, ""),
    ("nics", "assigned=1 state=up mtu=1500", "assigned=1 state=down mtu=9000", "NIC br0: mtu 1500 is now 9000; NIC br0: state up is now down"),
    ("nics", "speed=10000 master", "speed=25000 master", "NIC eth0: speed 10000 is now 25000"),
    ("addresses", "vnet7", None, ""),
    ("routes", "metric 425", "metric 100", ""),
    ("routes", "expires 1650sec", "expires 10sec", ""),
    ("routes", "203.0.113.0/24", None, ""),
    ("routes", "proto bird", "proto 12", ""),
    ("routes", "proto static metric 425", "proto static metric 425 linkdown", "route default via 10.1.0.1 dev br0 table main: state up is now linkdown"),
    ("mounts", "/home/ada", None, ""),
    ("mounts", "overlay2/1", "overlay2/2", ""),
    ("blocks", "loop0", None, ""),
    ("blocks", "model=PM983", "model=Samsung PM983", "block device nvme0n1: model PM983 is now Samsung PM983"),
    ("modules", "kvm_intel", "kvm_amd", "module kvm_intel is gone; module kvm_amd is new"),
    ("enabled", "ssh.service", "sshd.service", "enabled unit ssh.service is gone; enabled unit sshd.service is new"),
    ("services", "polkit", None, "service polkit.service is gone"),
    ("services", "active exited nftables", "active running nftables", "service nftables.service: state exited is now running"),
    ("services", "user@0", None, ""),
    ("listening", "0500010A:4007", "00000000:4007", "listening port tcp 16391 on * is new"),
    ("listening", "tcp 22 sshd", "tcp 22 systemd", "listening port tcp 22 on *: process sshd is now systemd"),
    ("listening", "C000", None, ""),
    ("listening", "170C", None, ""),
    ("listening", "2710", None, ""),
    ("listening", "0044", None, ""),
    ("cpu", " ept", " ept avx512f", "CPU flag avx512f is new"),
    ("cpu", "\t64", "\t128", "CPU count: 64 is now 128"),
    ("numa", "cpus=0-31 memory=131000000", "cpus=0-31 memory=130000000", ""),
]  # fmt: skip


@pytest.mark.parametrize(("section", "old", "new", "told"), NO_WORSE)
def test_what_is_new_or_no_worse_is_told(section: str, old: str, new: str | None, told: str) -> None:
    verdict = compare(other(section, old, new))
    assert verdict.value is Answer.PASS, verdict.because
    assert verdict.because.partition("; other, and no worse: ")[2] == told
    assert verdict.samples["others"] == len(told.split("; ")) * bool(told)


def test_a_renamed_nic_takes_its_addresses_routes_and_rules_with_it() -> None:
    def renamed(name: str) -> tuple[str, ...]:
        return tuple(line.replace("eth1", "enp59s0f1") for line in HYPERVISOR[name])

    verdict = compare(host(**{name: renamed(name) for name in ("nics", "addresses", "routes", "rules")}))
    assert (verdict.value, verdict.because) == (Answer.FAIL, "NIC eth1 is now enp59s0f1")
    told = compare(
        host(**{name: renamed(name) for name in ("nics", "addresses", "routes", "rules")}), told=["nics/eth1"]
    )
    assert told.because.endswith("other, and no worse: NIC eth1 is now enp59s0f1")


def test_nics_that_changed_their_names_with_each_other_are_told_apart() -> None:
    swapped = tuple(
        line.replace("nics eth0", "nics X").replace("nics eth1", "nics eth0").replace("nics X", "nics eth1")
        for line in HYPERVISOR["nics"]
    )
    verdict = compare(host(nics=swapped))
    assert verdict.samples["failed"] == ["NIC eth0 is now eth1", "NIC eth1 is now eth0", *verdict.samples["failed"][2:]]  # fmt: skip
    assert "address 10.2.0.5/24 on eth0 is gone" in verdict.samples["failed"]


def test_disks_that_changed_their_letters_are_the_same_disks() -> None:
    def swapped(name: str) -> tuple[str, ...]:
        return tuple(
            line.replace("sda", "sdX").replace("sdb", "sda").replace("sdX", "sdb")
            for line in HYPERVISOR[name]
        )

    verdict = compare(host(blocks=swapped("blocks"), mounts=swapped("mounts")))
    assert (verdict.value, verdict.samples["others"]) == (Answer.PASS, 0)


def test_the_paths_to_a_disk_are_told_by_its_number_whatever_their_letters() -> None:
    def paths(sizes: str) -> Ran:
        rows = (f"blocks sd{at}\tsize={size}\tid=naa.{size}" for at, size in zip("abcd", sizes, strict=False))
        return host(blocks=(*rows, "read blocks sysfs"), mounts=("read mounts proc",))

    assert compare(paths("2121"), before=paths("1212")).samples["failures"] == 0
    assert (
        compare(paths("122"), before=paths("1212")).because
        == "block device sdc as it was is gone (512 bytes)"
    )


def test_wishes_say_what_fails_and_what_does_not_count() -> None:
    gone = other("services", "libvirtd", None)
    assert compare(gone, told=["services/libvirtd*"]).value is Answer.PASS
    assert compare(gone, ignore=["services"]).samples["others"] == 0
    modules = other("modules", "ixgbe", None)
    assert compare(modules, strict=["modules/ixgbe"]).because == "module ixgbe is gone"
    assert compare(other("cpu", " ept", " ept avx"), strict=["cpu"]).because == "CPU flag avx is new"
    assert compare(other("nics", "vnet7", None), strict=["nics/vnet*"]).because == "NIC vnet7 is gone (tun)"
    assert (
        compare(other("nics", "vnet7", None), strict=["*/vnet*"], ignore=["nics/vnet*"]).value is Answer.PASS
    )


def test_a_section_that_cannot_be_read_any_more_is_never_a_pass() -> None:
    lost = host(routes=("unread routes ip failed",))
    verdict = compare(lost)
    assert (verdict.value, verdict.because) == (
        Answer.INCONCLUSIVE,
        "read before, and not comparable now: routes (ip failed)",
    )
    by_proc = host(
        routes=("raw4-routes eth1 00000000 0100010A 0003 0 0 0 00000000 0 0 0", "read routes proc")
    )
    assert compare(by_proc).because.endswith("routes (by ip before, by proc now)")
    assert compare(host(routes=())).because.endswith("routes (not looked at)")
    worse = host(routes=("unread routes ip failed",), cpu=("cpu count\t64", "read cpu proc"))
    assert compare(worse).value is Answer.FAIL


def test_a_section_that_could_not_be_read_before_is_not_compared() -> None:
    verdict = compare(host(), before=host(rules=("unread rules there is no ip that knows them",)))
    assert verdict.value is Answer.PASS
    assert "rules" not in verdict.samples["compared"]


def test_a_section_that_was_asked_for_by_name_must_be_readable_before_anything_is_disturbed() -> None:
    blind = host(rules=("unread rules no ip",))
    verdict = Kind(sections=["nics", "rules"]).remember(subject(blind))
    assert (verdict.value, verdict.because) == (Answer.INCONCLUSIVE, "could not be read: rules (no ip)")
    assert Kind().remember(subject(blind)).because.endswith("are kept; could not be read: rules (no ip)")


UNREADABLE = [
    Ran(0, "", ""),
    Ran(0, f"{END}\n", ""),
    Ran(1, host().out, "sh: syntax error"),
    Ran(-1, host().out, ""),
    Ran(0, host().out.replace(f"{END}\n", ""), ""),
    Ran(0, host().out + CUT, ""),
    host(listening=("raw-listening tcp 0:zz", "read listening proc")),
    host(routes=("raw4-routes eth0", "read routes proc")),
    host(addresses=("raw6-addresses zz 1 2 3 4 5", "read addresses proc")),
]


@pytest.mark.parametrize("ran", UNREADABLE)
def test_what_cannot_be_read_is_inconclusive(ran: Ran) -> None:
    assert Kind().remember(subject(ran)).value is Answer.INCONCLUSIVE
    memory = Kind().remember(subject(host())).samples
    assert Kind().check(subject(ran, remembered=memory)).value is Answer.INCONCLUSIVE


@pytest.mark.parametrize(
    "remembered",
    [{}, {"packed": ""}, {"packed": 7}, {"packed": "c%1E4"}, {"packed": None}, {"reached": False}],
)
def test_without_a_memory_nothing_is_known(remembered: dict[str, Any]) -> None:
    verdict = Kind().check(subject(host(), remembered=remembered))
    assert (verdict.value, verdict.because) == (
        Answer.INCONCLUSIVE,
        "how it was before the first disruptive step was not recorded",
    )


def test_too_much_is_not_kept() -> None:
    digits = random.Random(1)
    names = tuple(f"modules {digits.getrandbits(256):x}\t" for _ in range(4000))
    verdict = Kind().remember(subject(host(modules=(*names, "read modules proc"))))
    assert verdict.because == "there is too much to keep: 4000 in modules; ignore what comes and goes"
    assert verdict.value is Answer.INCONCLUSIVE


def test_hundreds_of_differences_are_counted_and_a_few_are_kept() -> None:
    many = tuple(f"raw-rules ipv4 {number}: from all lookup {number}" for number in range(500))
    verdict = compare(host(), before=host(rules=(*many, "read rules ip")))
    assert verdict.because.endswith(", and 497 more (502 differences in all)")
    assert (verdict.samples["failures"], len(verdict.samples["failed"])) == (500, 30)


@settings(max_examples=20)
@given(st.randoms(use_true_random=False))
def test_the_same_lines_in_another_order_are_the_same_host(dice: random.Random) -> None:
    shuffled = {name: tuple(dice.sample(lines, len(lines))) for name, lines in HYPERVISOR.items()}
    verdict = compare(host(**shuffled))
    assert (verdict.value, verdict.samples["others"]) == (Answer.PASS, 0)


def is_passing(line: str) -> bool:
    words = (
        "vnet7",
        "fe80::1",
        "2001:db8::9",
        "203.0.113",
        "198.51.100",
        "local 10",
        "broadcast",
        "fe80::/64",
        "tmpfs",
        "autofs",
    )
    ends = (
        "/home/ada",
        "docker",
        "loop0",
        "sr0",
        "user@0",
        "170C",
        "C000",
        "0100007F:2710",
        "0044",
        "ports",
        "process",
    )
    return any(word in line for word in (*words, *ends)) or ":0016" in line


LINES = [(name, line) for name, lines in HYPERVISOR.items() for line in lines if not is_passing(line)]


@pytest.mark.parametrize(("section", "line"), LINES)
def test_every_line_that_is_gone_is_found(section: str, line: str) -> None:
    """As a difference, or, of the words that a section was read, as one that cannot be compared."""
    kept = tuple(other_line for other_line in HYPERVISOR[section] if other_line != line)
    verdict = compare(host(**{section: kept}))
    if line.startswith("read "):
        assert verdict.value is Answer.INCONCLUSIVE
    else:
        assert verdict.samples["failures"] + verdict.samples["others"] > 0


@settings(max_examples=30)
@given(st.lists(st.sampled_from([line for _, line in LINES]), min_size=1, max_size=6, unique=True))
def test_lines_that_come_never_fail_and_lines_that_go_never_pass_unsaid(lines: list[str]) -> None:
    less = {name: tuple(line for line in kept if line not in lines) for name, kept in HYPERVISOR.items()}
    gone = compare(host(**less))
    assert gone.value is not Answer.PASS or gone.samples["others"] > 0
    if not any(line.startswith("read ") for line in lines):
        come = compare(host(), before=host(**less))
        assert come.value is Answer.PASS or all("is now" in words for words in come.samples["failed"])


@settings(max_examples=50)
@given(out=st.text(), code=st.sampled_from([0, 0, 1]))
def test_no_noise_passes(out: str, code: int) -> None:
    memory = Kind().remember(subject(host())).samples
    for text in (out, f"{out}\n{END}\n"):
        assert Kind().check(subject(Ran(code, text, ""), remembered=memory)).value is Answer.INCONCLUSIVE


@pytest.mark.parametrize(
    "wishes",
    [
        {"sections": ["nic"]},
        {"ignore": ["nic/eth0"]},
        {"strict": [""]},
        {"told": "cpu"},
        {"expect": ["cpu"]},
    ],
)
def test_a_wrong_setting_is_refused(wishes: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Kind(**wishes)


def test_every_section_has_a_script_and_a_word() -> None:
    assert set(NOUNS) == set(PARTS)


def test_names_of_sysctls_that_come_from_a_memory_cannot_harm_the_shell() -> None:
    evil = Kind().remember(
        subject(host(sysctls=("sysctls a'; touch /tmp/x;'\t1", "sysctls vm.ok\t1", "read sysctls proc")))
    )
    connection = FakeConnection({script(NOUNS, ["vm.ok"]): host()})
    again = subject(host(), connect=lambda: connection, remembered=evil.samples)
    assert Kind().check(again).value is Answer.FAIL  # a sysctl of such a name is gone
