"""Hosts as the fingerprint's script tells of them."""

from collections.abc import Mapping

from rollout.gates._fingerprint_script import END
from rollout.model.seams import Ran

HYPERVISOR: Mapping[str, tuple[str, ...]] = {
    "nics": (
        "nics lo\t mac=00:00:00:00:00:00 assigned=0 state=unknown mtu=65536",
        "nics eth0\t driver=ixgbe bus=0000:3b:00.0/0 mac=3c:fd:fe:00:00:01 assigned=0 state=up mtu=9000 speed=10000 master=br0",
        "nics eth1\t driver=ixgbe bus=0000:3b:00.1/0 mac=3c:fd:fe:00:00:02 assigned=0 state=up mtu=1500 speed=10000",
        "nics br0\t mac=3c:fd:fe:00:00:01 assigned=1 state=up mtu=1500",
        "nics vnet7\t driver=tun mac=fe:54:00:00:00:07 assigned=3 state=up mtu=1500 master=br0",
        "read nics sysfs",
    ),
    "addresses": (
        "raw-addresses 1: lo    inet 127.0.0.1/8 scope host lo\\       valid_lft forever",
        "raw-addresses 5: br0    inet 10.1.0.5/24 brd 10.1.0.255 scope global br0\\       valid_lft forever",
        "raw-addresses 3: eth1    inet 10.2.0.5/24 brd 10.2.0.255 scope global eth1\\       valid_lft forever",
        "raw-addresses 3: eth1    inet6 fe80::1/64 scope link \\       valid_lft forever",
        "raw-addresses 3: eth1    inet6 2001:db8::9/64 scope global temporary dynamic \\       valid_lft 600sec",
        "raw-addresses 9: vnet7    inet 169.254.0.1/32 scope global vnet7\\       valid_lft forever",
        "read addresses ip",
    ),
    "routes": (
        "raw-routes default via 10.1.0.1 dev br0 proto static metric 425",
        "raw-routes 10.9.0.0/16 proto static \\ nexthop via 10.2.0.1 dev eth1 weight 1 \\ nexthop via 10.2.0.2 dev eth1 weight 1",
        "raw-routes 10.64.0.0/16 via 10.2.0.9 dev eth1 table 100",
        "raw-routes 198.51.100.0/24 via 10.2.0.9 dev eth1 proto bird metric 32",
        "raw-routes 203.0.113.0/24 via 10.2.0.9 dev eth1 proto bird metric 32",
        "raw-routes 10.66.0.7 dev vnet7 scope link",
        "raw-routes local 10.1.0.5 dev br0 table local proto kernel scope host src 10.1.0.5",
        "raw-routes broadcast 10.1.0.255 dev br0 table local proto kernel scope link src 10.1.0.5",
        "raw-routes unreachable 192.0.2.0/24 dev lo metric 1024",
        "raw-routes default via inet6 fe80::ff dev eth1 proto ra metric 1024 expires 1650sec hoplimit 64 pref medium",
        "raw-routes fe80::/64 dev eth1 proto kernel metric 256 pref medium",
        "read routes ip",
    ),
    "rules": (
        "raw-rules ipv4 0:\tfrom all lookup local",
        "raw-rules ipv4 1000:\tfrom all iif eth1 lookup 100",
        "read rules ip",
    ),
    "mounts": (
        "raw-mounts /dev/sda2 / ext4 rw,relatime 0 0",
        "raw-mounts /dev/nvme0n1p1 /var/lib/libvirt/images xfs rw 0 0",
        "raw-mounts filer:/iso /srv/my\\040iso nfs4 ro,vers=4.2 0 0",
        "raw-mounts tmpfs /run tmpfs rw 0 0",
        "raw-mounts auto /home autofs rw 0 0",
        "raw-mounts filer:/ada /home/ada nfs4 rw 0 0",
        "raw-mounts overlay /var/lib/docker/overlay2/1/merged overlay rw 0 0",
        "read mounts proc",
    ),
    "blocks": (
        "blocks sda\tsize=468862128\tid=naa.5002538e\tmodel=SAMSUNG MZ7LH240",
        "blocks sdb\tsize=468862128\tid=naa.5002538f\tmodel=SAMSUNG MZ7LH240",
        "blocks nvme0n1\tsize=1875385008\tid=eui.0025\tid=S4YP  1\tmodel=PM983",
        "blocks md0\tsize=468600832\tdegraded=0",
        "blocks loop0\tsize=8",
        "blocks sr0\tsize=0",
        "read blocks sysfs",
    ),
    "modules": ("modules kvm_intel\t", "modules ixgbe\t", "read modules proc"),
    "sysctls": (
        "sysctls net.ipv4.ip_forward\t1",
        "sysctls kernel.printk\t4 4 1 7",
        "read sysctls proc",
    ),
    "enabled": (
        "enabled libvirtd.service",
        "enabled ssh.service",
        "enabled nftables.service",
        "read enabled systemctl",
    ),
    "services": (
        "raw-services libvirtd.service loaded active running Virtualization daemon",
        "raw-services nftables.service loaded active exited nftables",
        "raw-services polkit.service loaded active running Authorization Manager",
        "raw-services ssh.service loaded active running OpenBSD Secure Shell server",
        "raw-services user@0.service loaded active running User Manager for UID 0",
        "read services systemctl",
    ),
    "listening": (
        "raw-listening tcp 00000000:0016",
        "raw-listening tcp6 00000000000000000000000000000000:0016",
        "raw-listening tcp 0500010A:4007",
        "raw-listening tcp6 00000000000000000000000001000000:1F90",
        "raw-listening tcp 00000000:170C",
        "raw-listening tcp 00000000:C000",
        "raw-listening tcp 0100007F:2710",
        "raw-listening udp 00000000:0044",
        "ports 32768\t60999",
        "process tcp 22 sshd",
        "process tcp 10000 qemu-system-x86",
        "read listening proc",
    ),
    "cpu": ("raw-cpu fpu vmx ept", "cpu count\t64", "read cpu proc"),
    "numa": ("numa node0\tcpus=0-31 memory=131000000", "numa node1\tcpus=32-63 memory=131000000", "read numa sysfs"),
}  # fmt: skip
"""Section -> lines. Two NICs, a bridge, a guest, policy routing, an automounter, a mirror of disks."""


def host(**changed: tuple[str, ...]) -> Ran:
    """What the hypervisor says; a section without lines was not looked at."""
    sections = {**HYPERVISOR, **changed}
    lines = [line for section in sections.values() for line in section]
    return Ran(0, "\n".join([*lines, END, ""]), "")


def other(section: str, old: str, new: str | None) -> Ran:
    """The same host, where a line that holds `old` reads otherwise, or is gone."""
    lines = HYPERVISOR[section]
    assert any(old in line for line in lines), f"no line holds {old}"
    kept = [line.replace(old, new) if new is not None else line for line in lines if new is not None or old not in line]  # fmt: skip
    return host(**{section: tuple(kept)})
