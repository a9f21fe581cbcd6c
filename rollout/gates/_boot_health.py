"""What a boot left behind: the hypervisor that runs, units that failed, and what the kernel's log says."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from rollout.gates import _reading
from rollout.model import versions
from rollout.ssh.printable import printable

KEPT = 20
"""How many units or lines are kept as samples."""

NAMED = 3
"""How many the verdict says."""

PATTERNS = (
    r"Kernel panic",
    r"kernel BUG at",
    r"\bBUG: ",
    r"\bOops: ",
    r"general protection fault",
    r"(soft lockup|hard LOCKUP)",
    r"blocked for more than \d+ seconds",
    r"rcu: INFO: rcu_\w+ (self-)?detected (expedited )?stall",
    r"mce: \[Hardware Error\]",
    r"I/O error, dev (?!fd|sr|loop)",
    r"(EXT4-fs|XFS|BTRFS)\b.*\b([Cc]orrupt|error \(device)",
    r"Remounting filesystem read-only",
    r"NETDEV WATCHDOG",
)
"""Each is damage, or a host that hangs; none is what a healthy boot says. Warnings (`WARNING: CPU`), corrected errors and links without a cable are left out."""

AHEAD = 60.0
"""Seconds by which a line of the kernel's log may be younger than the host's boot before it is taken for another machine's."""

_STAMP = re.compile(r"\[\s*(\d+\.\d+)\]")


@dataclass(slots=True)
class Health:
    """`wrong` fails, `doubts` keep it from passing, `notes` are said of a pass."""

    wrong: list[str] = field(default_factory=list)
    doubts: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def hypervisors(said: Iterable[tuple[str, str]]) -> list[str]:
    """`kvm-10.0.2` (QEMU, with a /dev/kvm), `qemu-10.0.2` (of libvirt, or else of the program), `libvirt-11.3.0`, `xen-4.17.5`."""
    words = {key: printable(value, 80) for key, value in said}
    name, _, version = words.get("running", "").partition(" ")
    qemu = version if name == "QEMU" and version else words.get("binary", "")
    found = {"kvm": qemu if "kvm" in words else "", "qemu": qemu}
    found |= {"xen": words.get("xen", "") if "dom0" in words else "", "libvirt": words.get("libvirt", "")}
    return [f"{word}-{version}" for word, version in found.items() if version]


def judge_hypervisor(
    found: Sequence[str], said: Mapping[str, str], wanted: Sequence[str], health: Health
) -> None:
    """Globs and ranges, one of which one of `found` must fit."""
    if versions.fits(found, wanted):
        health.notes.append(found[0])
        return
    expected = " or ".join(printable(text, 80) for text in wanted)
    if found:
        health.wrong.append(f"its hypervisor is {', '.join(found)}, and {expected} is expected")
    elif said.get("virsh", "0") != "0":
        health.doubts.append(f"libvirt does not say which hypervisor runs (virsh: exit code {said['virsh']})")
    else:
        health.wrong.append(f"it has no hypervisor, and {expected} is expected")


def failed_units(said: Iterable[tuple[str, str]]) -> tuple[str, list[str] | None]:
    """The state of systemd (`none`: another init), and the failed units; None if it does not answer."""
    pairs = list(said)
    words = dict(pairs)
    state = printable(words.get("systemd", ""), 40)
    if state == "none":
        return state, []
    if words.get("systemctl") != "0":
        return state, None
    return state, sorted(printable(value, 120) for key, value in pairs if key == "failed")


def judge_units(
    state: str,
    failed: list[str] | None,
    before: Any,
    *,
    none_at_all: bool,
    ignored: Sequence[str],
    health: Health,
) -> None:
    """Units that had failed before count only with `none_at_all`."""
    if failed is None:
        health.doubts.append("systemd does not say which units have failed")
        return
    if state == "none":
        if none_at_all:
            health.doubts.append("it has no systemd to ask for failed units")
        return
    counts = [unit for unit in failed if not _reading.any_glob(unit, ignored)]
    if not none_at_all:
        known = isinstance(before, list)
        counts = [unit for unit in counts if not known or unit not in before]
        if counts and not known:
            health.doubts.append(f"{_named(counts)} failed; which units had failed before was not recorded")
            return
    if counts:
        health.wrong.append(f"failed: {_named(counts)}")
    elif state in {"starting", "initializing", ""}:
        (health.doubts if none_at_all else health.notes).append("systemd still starts units")


def bad_lines(
    log: Sequence[str], patterns: Sequence[re.Pattern[str]], ignored: Sequence[re.Pattern[str]]
) -> list[str]:
    """The lines of the kernel's log that a pattern is found in."""
    return [
        printable(line)
        for line in log
        if any(pattern.search(line) for pattern in patterns)
        and not any(pattern.search(line) for pattern in ignored)
    ]


def is_another_boots(log: Sequence[str], uptime: float) -> bool:
    """Whether the log is older than the host: a container is shown that of the machine that it runs on."""
    last = next((found for line in reversed(log) if (found := _STAMP.search(line))), None)
    return last is not None and float(last[1]) > uptime + AHEAD


def judge_log(log: Sequence[str], bad: Sequence[str], *, cut: bool, asked: bool, health: Health) -> None:
    """`cut`: there is more of the log. `asked`: the plan names patterns, so that not knowing is no pass."""
    if bad:
        more = f" (and {len(bad) - 1} more lines)" if len(bad) > 1 else ""
        health.wrong.append(f"the kernel says: {printable(bad[0], 160)}{more}")
    elif cut or not log:
        words = f"the kernel's log {'is too long to be read whole' if cut else 'cannot be read'}"
        (health.doubts if asked else health.notes).append(words)


def _named(units: Sequence[str]) -> str:
    more = f" and {len(units) - NAMED} more" if len(units) > NAMED else ""
    return f"{', '.join(units[:NAMED])}{more}"
