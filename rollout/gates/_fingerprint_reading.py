"""What the script printed, as a print: section -> key -> what is known of it. Keys are words for a person; values compare as they are."""

import base64
import binascii
import json
import re
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv6Address
from typing import Any

from rollout.gates._fingerprint_script import PARTS
from rollout.ssh.printable import printable

Section = dict[str, dict[str, str]]
"""Key -> name -> value. `ids` says, with blanks between them, by what a thing is known whatever its name."""

LONGEST_KEY = 200

LEARNED = {
    "11": "zebra",
    "12": "bird",
    "42": "babel",
    "186": "bgp",
    "187": "isis",
    "188": "ospf",
    "189": "rip",
    "192": "eigrp",
}
"""Protocols of routing daemons, by number and name: `ip` says the one or the other, as its files have it. Their routes come and go; what counts is whether there are any."""

_NOT_OURS = frozenset({"broadcast", "anycast", "multicast"})
_PSEUDO = frozenset(
    [
        "autofs",
        "binfmt_misc",
        "bpf",
        "cgroup",
        "cgroup2",
        "configfs",
        "debugfs",
        "devpts",
        "devtmpfs",
        "efivarfs",
        "fusectl",
        "mqueue",
        "nsfs",
        "overlay",
        "proc",
        "pstore",
        "ramfs",
        "rpc_pipefs",
        "securityfs",
        "selinuxfs",
        "squashfs",
        "sysfs",
        "tracefs",
    ]
)
_PASSING = ("/proc/", "/sys/", "/dev/", "/run/", "/snap/", "/var/snap/")
_CONTAINERS = ("/var/lib/docker/", "/var/lib/containers/", "/var/lib/containerd/", "/var/lib/kubelet/")
_GUESTS = ("qemu", "kvm", "cloud-hyperviso", "firecracker")
_OWN_MAC = {"0", "3"}
"""The card's, or set by an administrator: neither by chance nor taken from another NIC."""

_NO_MAC = "00:00:00:00:00:00"
_OCTAL = re.compile(r"\\([0-7]{3})")


@dataclass(slots=True)
class Print:
    """`by`: how each section was read; one that is not in it could not be, and `unread` says why."""

    sections: dict[str, Section] = field(default_factory=dict)
    by: dict[str, str] = field(default_factory=dict)
    unread: dict[str, str] = field(default_factory=dict)

    def packed(self) -> str:
        """Text for the journal: a print compresses to a fifth."""
        plain = json.dumps([self.sections, self.by, self.unread], separators=(",", ":"), sort_keys=True)
        return base64.b85encode(zlib.compress(plain.encode(), 9)).decode()


def unpacked(text: Any) -> Print | None:
    """What `packed` wrote; None for anything else."""
    try:
        sections, by, unread = json.loads(zlib.decompress(base64.b85decode(text)))
        found = Print(dict(sections), dict(by), dict(unread))
        known = all(isinstance(value, dict) for part in found.sections.values() for value in part.values())
    except (ValueError, TypeError, AttributeError, zlib.error, binascii.Error):
        return None
    return found if known and set(found.by) == set(found.sections) else None


def read(said: Iterable[tuple[str, str]]) -> Print:
    """The print that the script's lines tell of."""
    seen = Print()
    lines: dict[str, list[str]] = {}
    for word, text in said:
        lines.setdefault(word, []).append(text)
    for text in lines.get("unread", ()):
        section, _, why = text.partition(" ")
        seen.unread[section] = printable(why, 80)
    for text in lines.get("read", ()):
        section, _, by = text.partition(" ")
        if section in PARTS and section not in seen.unread:
            found = _READERS.get(section, _plain)(section, lines)
            seen.sections[section] = {
                printable(key, LONGEST_KEY): {name: printable(value) for name, value in values.items()}
                for key, values in sorted(found.items())
            }
            seen.by[section] = printable(by, 20)
    return seen


def _pairs(section: str, lines: Mapping[str, list[str]]) -> Iterable[tuple[str, str]]:
    for line in lines.get(section, ()):
        key, _, value = line.partition("\t")
        yield key, value.strip()


def _plain(section: str, lines: Mapping[str, list[str]]) -> Section:
    return {key: {"value": value} if value else {} for key, value in _pairs(section, lines)}


def _nics(section: str, lines: Mapping[str, list[str]]) -> Section:
    found: Section = {}
    for name, value in _pairs(section, lines):
        values = _words(value)
        bus, mac = values.pop("bus", ""), values.get("mac", "")
        ids = [f"bus:{bus}"] if bus else []
        own = values.pop("assigned", "0") in _OWN_MAC and "master" not in values
        ids += [f"mac:{mac}"] if mac and mac != _NO_MAC and own else []
        values.pop("mac", None)
        found[name] = {**values, "ids": " ".join(ids)}
    return found


def _addresses(section: str, lines: Mapping[str, list[str]]) -> Section:
    found = _plain(section, lines)
    for line in lines.get("raw-addresses", ()):
        words = line.replace("\\", " ").split()
        if len(words) < 4 or words[2] not in {"inet", "inet6"} or "temporary" in words:
            continue
        address, nic = words[3], words[1].partition("@")[0]
        if not address.startswith("fe80:"):  # made of the NIC's own address
            found[f"{address} on {nic}"] = {"value": "taken by another host"} if "dadfailed" in words else {}
    for line in lines.get("raw6-addresses", ()):
        words = line.split()
        if len(words) == 6 and words[3] != "20":
            found[f"{IPv6Address(int(words[0], 16))}/{int(words[2], 16)} on {words[5]}"] = {}
    return found


def _routes(_section: str, lines: Mapping[str, list[str]]) -> Section:
    found: Section = {}
    for line in lines.get("raw-routes", ()):
        words = line.replace("\\", " ").split()
        option = {name: words[at + 1] for at, name in enumerate(words[:-1]) if name in _OPTIONS}
        own = option.get("table") == "local" and option.get("proto", "kernel") == "kernel"
        if not words or own or words[0] in _NOT_OURS or words[0].startswith(("fe80:", "ff00:")):
            continue
        table = f"table {option.get('table', 'main')}"
        protocol = LEARNED.get(option.get("proto", ""), option.get("proto"))
        if protocol in LEARNED.values():
            found[f"learned by {protocol} {table}"] = {}
            continue
        found[f"{' '.join(_way(words))} {table}"] = {
            "state": " ".join(word for word in ("dead", "linkdown") if word in words) or "up"
        }
    for line in lines.get("raw4-routes", ()):
        nic, to, via, flags, _, _, _, mask = line.split()[:8]
        if int(flags, 16) & 1:
            gate = f" via {_four(via)}" if int(via, 16) else ""
            found[f"{_goes_to(_four(to), int(mask, 16).bit_count())}{gate} dev {nic} table main"] = {
                "state": "up"
            }
    for line in lines.get("raw6-routes", ()):
        to, plen, _, _, via, _, _, _, flags, nic = line.split()[:10]
        ours = not int(flags, 16) & 0x8120_0000  # local and anycast addresses, and what was only looked up
        if ours and nic != "lo" and not to.startswith(("fe80", "ff")):
            gate = f" via {IPv6Address(int(via, 16))}" if int(via, 16) else ""
            found[f"{_goes_to(IPv6Address(int(to, 16)), int(plen, 16))}{gate} dev {nic} table main"] = {
                "state": "up"
            }
    return found


_OPTIONS = {"via", "dev", "table", "proto"}
_TYPES = {"unreachable", "prohibit", "blackhole", "throw", "local", "unicast"}


def _way(words: list[str]) -> Iterable[str]:
    """Where it goes and by what: what a person writes of a route."""
    for at, word in enumerate(words):
        if at == 0 or word == "nexthop" or (at == 1 and words[0] in _TYPES):
            yield word
        elif word in {"via", "dev"} and at + 1 < len(words):
            family = words[at + 1] in {"inet", "inet6"} and at + 2 < len(words)
            yield f"{word} {words[at + 1 + family]}"


def _four(hexadecimal: str) -> IPv4Address:
    return IPv4Address(int.from_bytes(bytes.fromhex(hexadecimal), "little"))


def _goes_to(address: IPv4Address | IPv6Address, length: int) -> str:
    """As `ip` writes it."""
    if not length:
        return "default"
    return f"{address}/{length}" if length < address.max_prefixlen else str(address)


def _rules(_section: str, lines: Mapping[str, list[str]]) -> Section:
    return {" ".join(line.split()): {} for line in lines.get("raw-rules", ())}


def _mounts(_section: str, lines: Mapping[str, list[str]]) -> Section:
    rows = [line.split() for line in lines.get("raw-mounts", ())]
    rows = [row for row in rows if len(row) >= 4]
    on_demand = tuple(f"{row[1]}/" for row in rows if row[2] == "autofs")
    found: Section = {}
    for source, point, kind, options, *_ in rows:
        place = f"{point}/"
        if (
            (kind in _PSEUDO and point != "/")
            or place.startswith((*_PASSING, *_CONTAINERS))
            or (on_demand and place.startswith(on_demand))
        ):
            continue
        mode = "read-only" if "ro" in options.split(",") else "writable"
        found[_text(point)] = {"source": _text(source), "type": kind, "mode": mode}
    return found


def _text(escaped: str) -> str:
    return _OCTAL.sub(lambda octal: chr(int(octal[1], 8)), escaped)


def _blocks(section: str, lines: Mapping[str, list[str]]) -> Section:
    found: Section = {}
    for name, value in ((key, text.split("\t")) for key, text in _pairs(section, lines)):
        values: dict[str, str] = {}
        ids = []
        for word in value:
            key, _, text = word.partition("=")
            text = " ".join(text.split())
            if key == "id":
                ids.append(text.replace(" ", "_"))
            elif key in {"size", "model", "degraded"}:
                values[key] = f"{int(text) * 512} bytes" if key == "size" and text.isdecimal() else text
        if values.get("size") != "0 bytes":  # an empty drive
            found[name] = {**values, "ids": " ".join(dict.fromkeys(ids))}
    return found


def _services(_section: str, lines: Mapping[str, list[str]]) -> Section:
    rows = (line.split() for line in lines.get("raw-services", ()))
    return {row[0]: {"state": row[3]} for row in rows if len(row) >= 4}


def _listening(_section: str, lines: Mapping[str, list[str]]) -> Section:
    """Ports of the kernel's own choosing are left out, for another one is chosen each time, and guests' consoles."""
    low, high = 32768, 60999
    for line in lines.get("ports", ()):
        low, high = (int(word) for word in line.split()) if line.strip() else (low, high)
    process = {
        (words[0], words[1]): words[2]
        for words in (line.split(" ", 2) for line in lines.get("process", ()))
        if len(words) == 3
    }
    found: Section = {}
    for line in lines.get("raw-listening", ()):
        protocol, _, place = line.partition(" ")
        address, _, hexadecimal = place.rpartition(":")
        port, short = int(hexadecimal, 16), protocol.rstrip("6")
        who = process.get((short, str(port)), "")
        if not low <= port <= high and not who.startswith(_GUESTS):
            found[f"{short} {port} on {_listens_on(address)}"] = {"process": who} if who else {}
    return found


def _listens_on(hexadecimal: str) -> str:
    if not int(hexadecimal, 16):
        return "*"
    if len(hexadecimal) == 8:
        return str(_four(hexadecimal))
    raw = bytes.fromhex(hexadecimal)
    address = IPv6Address(b"".join(raw[at : at + 4][::-1] for at in range(0, 16, 4)))
    return str(address.ipv4_mapped or address)


def _cpu(section: str, lines: Mapping[str, list[str]]) -> Section:
    flags: Section = {f"flag {flag}": {} for line in lines.get("raw-cpu", ()) for flag in line.split()}
    return {**_plain(section, lines), **flags}


def _numa(section: str, lines: Mapping[str, list[str]]) -> Section:
    return {key: _words(value) for key, value in _pairs(section, lines)}


def _words(text: str) -> dict[str, str]:
    return {name: value for name, _, value in (word.partition("=") for word in text.split())}


_READERS = {
    "nics": _nics,
    "addresses": _addresses,
    "routes": _routes,
    "rules": _rules,
    "mounts": _mounts,
    "blocks": _blocks,
    "services": _services,
    "listening": _listening,
    "cpu": _cpu,
    "numa": _numa,
}
