"""What of a host is other than before, said in plain words, and whether it is worse."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

from rollout.gates import _reading
from rollout.gates._fingerprint_reading import Print, Section

Says = Literal["fails", "told"]

NOUNS = {
    "nics": "NIC",
    "addresses": "address",
    "routes": "route",
    "rules": "rule",
    "mounts": "mount",
    "blocks": "block device",
    "modules": "module",
    "sysctls": "sysctl",
    "enabled": "enabled unit",
    "services": "service",
    "listening": "listening port",
    "cpu": "CPU",
    "numa": "NUMA",
}

TOLD = ("modules/*", "enabled/*")
"""Another release has others of these; what of them a host needs shows elsewhere."""

_GUEST_NICS = (
    *("tap*", "vnet*", "macvtap*", "veth*", "vif*", "fwbr*", "fwpr*", "fwln*", "qbr*", "qvo*", "qvb*"),
    *("cali*", "lxc*", "cilium*", "flannel*", "cni*", "docker*", "ifb*"),
)
_PASSING_UNITS = (
    *("user@*", "user-runtime-dir@*", "session-*", "run-*", "getty@*", "serial-getty@*", "systemd-fsck@*", "rollout*"),
    *("systemd-hostnamed*", "systemd-localed*", "systemd-timedated*", "systemd-tmpfiles-clean*", "packagekit*", "fwupd*"),
    *("apt-daily*", "apt-news*", "esm-cache*", "dpkg-db-backup*", "logrotate*", "man-db*", "e2scrub*", "fstrim*", "dnf-makecache*"),
)  # fmt: skip
IGNORED = (
    *(f"nics/{nic}" for nic in _GUEST_NICS),
    *(f"addresses/* on {nic}" for nic in _GUEST_NICS),
    *(f"routes/*dev {nic} table*" for nic in _GUEST_NICS),
    *(f"blocks/{name}" for name in ("loop*", "ram*", "zram*", "nbd*", "rbd*", "drbd*", "sr*", "fd*")),
    *(f"services/{unit}" for unit in _PASSING_UNITS),
    *("listening/udp 68 on *", "listening/udp 546 on *", "listening/udp 5353 on *", "listening/tcp 59[0-9][0-9] on *"),
)  # fmt: skip
"""What comes and goes with guests, containers, logins and timers."""

LITTLE = 0.05
"""Of a node's memory: a kernel keeps some for itself, and each another amount."""


@dataclass(frozen=True, slots=True)
class Difference:
    """`words` is a sentence's part: `route default via 10.0.0.1 dev eth0 table main is gone`."""

    section: str
    key: str
    words: str
    worse: bool


@dataclass(frozen=True, slots=True)
class Wishes:
    """Globs over `SECTION/KEY`, the first that fits counting: `ignored`, `strict` (any difference fails), `told` (none does)."""

    ignored: tuple[str, ...] = ()
    strict: tuple[str, ...] = ()
    told: tuple[str, ...] = ()

    def without_ignored(self, found: Print) -> Print:
        """What is looked at of a print."""
        kept = {
            section: {
                key: values for key, values in things.items() if not self._is_ignored(f"{section}/{key}")
            }
            for section, things in found.sections.items()
        }
        return Print(kept, found.by, found.unread)

    def fails(self, difference: Difference) -> bool:
        """Whether the difference stops the host, and is not only told."""
        name = f"{difference.section}/{difference.key}"
        if _reading.any_glob(name, self.strict):
            return True
        return difference.worse and not _reading.any_glob(name, (*self.told, *TOLD))

    def _is_ignored(self, name: str) -> bool:
        if _reading.any_glob(name, self.ignored):
            return True
        return _reading.any_glob(name, IGNORED) and not _reading.any_glob(name, (*self.strict, *self.told))


def differences(before: Print, now: Print) -> list[Difference]:
    """Of the sections that both have; what is worse first, else in the order of sections and keys."""
    nics = _renamed(before.sections.get("nics", {}), now.sections.get("nics", {}))
    disks = _renamed(before.sections.get("blocks", {}), now.sections.get("blocks", {}))
    found: list[Difference] = []
    for section in before.sections.keys() & now.sections.keys():
        old, new = before.sections[section], now.sections[section]
        if section in {"addresses", "routes", "rules"}:
            old = {_with_names(key, nics): values for key, values in old.items()}
        elif section == "nics":
            found += _renamings(nics)
            old = {
                nics.get(key, key): {
                    name: nics.get(value, value) if name == "master" else value
                    for name, value in values.items()
                }
                for key, values in old.items()
            }
        elif section == "blocks":
            old = {disks.get(key, key): values for key, values in old.items()}
        elif section == "mounts":
            old = {
                key: {**values, "source": _source(values.get("source", ""), disks)}
                for key, values in old.items()
            }
        enabled = before.sections.get("enabled", {})
        found += _compared(section, old, new, enabled)
    order = list(NOUNS)
    return sorted(found, key=lambda one: (not one.worse, order.index(one.section), one.key, one.words))


def _renamed(old: Section, new: Section) -> dict[str, str]:
    """Old name -> present name, of what is known by more than its name: a slot on the bus, a serial number."""
    owners: dict[str, list[str]] = {}
    for name, values in new.items():
        for mark in values.get("ids", "").split():
            owners.setdefault(mark, []).append(name)
    found: dict[str, str] = {}
    taken: set[str] = set()
    for name, values in old.items():
        for mark in values.get("ids", "").split():
            at = owners.get(mark, [])
            free = [other for other in sorted(at, key=lambda other: other != name) if other not in taken]
            if free and (len(at) == 1 or not mark.startswith("mac:")):  # paths to a disk share its number
                found[name] = free[0]
                taken.add(free[0])
                break
    return found | {name: f"{name} as it was" for name in old if name not in found and name in taken}


def _renamings(nics: dict[str, str]) -> Iterator[Difference]:
    for old, new in nics.items():
        if old != new and not new.endswith(" as it was"):
            yield Difference("nics", old, f"NIC {old} is now {new}", worse=True)


def _with_names(key: str, nics: dict[str, str]) -> str:
    words = key.split(" ")
    return " ".join(
        nics.get(word, word) if at and words[at - 1] in {"dev", "on", "iif", "oif"} else word
        for at, word in enumerate(words)
    )


def _source(source: str, disks: dict[str, str]) -> str:
    """A partition goes with its disk: /dev/sda2 is /dev/sdb2 if sda is now sdb."""
    disk = source.removeprefix("/dev/")
    name = next((name for name in (disk, disk.rstrip("0123456789"), _before_p(disk)) if name in disks), None)
    return f"/dev/{disks[name]}{disk.removeprefix(name)}" if name and disk != source else source


def _before_p(disk: str) -> str:
    """nvme0n1 of nvme0n1p2."""
    return disk.rstrip("0123456789").removesuffix("p")


def _compared(section: str, old: Section, new: Section, enabled: Section) -> Iterator[Difference]:
    noun = NOUNS[section]
    for key, values in old.items():
        if key in new:
            yield from _changed(section, key, values, new[key], enabled)
        elif not (section == "listening" and _still_answers(key, new)):
            worse = section != "services" or key in enabled
            yield Difference(section, key, f"{noun} {key} is gone{_detail(values)}", worse)
    for key, values in new.items():
        if key not in old:
            yield Difference(section, key, f"{noun} {key} is new{_detail(values)}", worse=False)


def _still_answers(port: str, new: Section) -> bool:
    """A service that listened on one address and now listens on all."""
    return f"{port.partition(' on ')[0]} on *" in new


def _changed(
    section: str, key: str, old: dict[str, str], new: dict[str, str], enabled: Section
) -> Iterator[Difference]:
    for name in sorted({*old, *new} - {"ids"}):
        was, is_now = old.get(name, ""), new.get(name, "")
        if was == is_now or (name == "memory" and _is_near(was, is_now)):
            continue
        what = "" if name == "value" else f" {name}"
        words = f"{NOUNS[section]} {key}:{what} {was or 'nothing'} is now {is_now or 'nothing'}"
        worse = _is_worse(section, name, was, is_now) and (section != "services" or key in enabled)
        if section == "nics":
            worse = worse and "bus:" in old.get(
                "ids", ""
            )  # a bridge is down, and its MTU another, without guests
        yield Difference(section, key, words, worse)


_GOOD = {"up", "running", "writable"}
"""A state that was not one of these cannot become worse."""

_MORE_IS_BETTER = {("nics", "speed"), ("cpu", "value"), ("numa", "memory")}
_MAY_CHANGE: dict[tuple[str, str], Callable[[str, str], bool]] = {
    ("listening", "process"): lambda _was, _is_now: False,
    ("blocks", "model"): lambda _was, _is_now: False,
    ("blocks", "degraded"): lambda was, is_now: _number(is_now) > _number(was),
    ("nics", "state"): lambda was, _is_now: was in _GOOD,
    ("routes", "state"): lambda _was, _is_now: False,
    ("services", "state"): lambda was, _is_now: was in _GOOD,
    ("mounts", "mode"): lambda was, _is_now: was in _GOOD,
    **dict.fromkeys(_MORE_IS_BETTER, lambda was, is_now: _number(is_now) < _number(was)),
}


def _is_worse(section: str, name: str, was: str, is_now: str) -> bool:
    judge = _MAY_CHANGE.get((section, name))
    return True if judge is None else judge(was, is_now)


def _number(text: str) -> int:
    return int(text) if text.isdecimal() else 0


def _is_near(was: str, is_now: str) -> bool:
    return abs(_number(was) - _number(is_now)) <= LITTLE * _number(was)


def _detail(values: dict[str, str]) -> str:
    shown = ("driver", "process", "value", "source", "model", "size")
    words = [values[name] for name in shown if values.get(name)]
    return f" ({', '.join(words)})" if words else ""
