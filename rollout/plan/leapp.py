"""Leapp's list of devices, drivers and processors by release of RHEL, as rows of a compatibility file.

The list is `device_driver_deprecation_data.json` of leapp-repository. An entry is about a PCI id, about a processor, or, without an id, about
a driver. Leapp refuses to upgrade to a release in which it is not available, and warns of one in which it is not maintained.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from rollout.errors import Place, PlanInvalid, Problem, UsageError
from rollout.plan.files import text_of
from rollout.plan.words import plain, shown, some

Kind = Literal["pci", "cpu", "driver"]
"""The fact that a row asks for, as a probe calls it."""

WIDEST = 100
_VENDORS = {"amd": "AuthenticAMD", "intel": "GenuineIntel"}
_PCI = re.compile(r"0x([0-9a-f]{1,4}):0x([0-9a-f]{1,4})((?::0x[0-9a-f]{1,4}){1,2})?")
_CPU = re.compile(r"x86_64:(amd|intel):([0-9]{1,3}):(\*|[0-9,\[\]{}-]+)")
_MODELS = re.compile(r"([0-9]{1,3})|\[([0-9]{1,3})-([0-9]{1,3})\]")
_DRIVER = re.compile(r"[A-Za-z0-9_.-]{1,64}")
_RELEASE = re.compile(r"([a-z][a-z-]*?)-?([0-9]{1,2})")
_OTHER_CPUS = "0x*"
"""What a probe calls processors that are no x86: their names in the list cannot be compared with it."""


@dataclass(frozen=True, slots=True)
class _Entry:
    kind: Kind
    values: tuple[str, ...]
    available: frozenset[int]
    maintained: frozenset[int]
    driver: str = ""
    is_some: bool = False
    """Whether only some of the cards with that id are meant; which, only their subsystem tells."""

    def verdict(self, major: int) -> Literal["unknown", "blocked"] | None:
        if major not in self.available:
            return "unknown" if self.is_some else "blocked"
        return "unknown" if major not in self.maintained else None


@dataclass(frozen=True, slots=True)
class Converted:
    """The text of a compatibility file, how many rows it holds, and the ids that could not be converted."""

    text: str
    rows: int
    left_out: tuple[str, ...]


def convert(file: Path, releases: Sequence[str], factor: str = "os") -> Converted:
    """Rows for upgrades to `releases`, such as rhel-9 or rocky-9, by the factor that holds them. Raises PlanInvalid, UsageError."""
    majors = {release: _major(release) for release in dict.fromkeys(releases)}
    listed, stream = _read(file)
    entries, left_out = [], []
    for one in listed:
        entry = _entry(one)
        if entry is None:
            left_out.append(f"{one['device_type']} {one['device_id'] or one['driver_name']}")
        else:
            entries.append(entry)
    source = f"Leapp's {plain(file.name)}{f', data stream {plain(stream)}' if stream else ''}"
    rows = list(_rows(_grouped(entries, majors), source, factor))
    if any(text.startswith("cpu ") for text in left_out):
        reason = f"processors of this architecture are not compared with {source}"
        rows.append(_row("unknown", reason, source, _to(tuple(majors), factor), "cpu", {"": [_OTHER_CPUS]}))
    head = [f"# Written by `rollout compat import-leapp` from {plain(file.name)} for {', '.join(majors)}."]
    if left_out:
        head.append(f"# Not converted: {some(left_out, 3)}.")
    return Converted("\n".join([*head, *(rows or ["[]"]), ""]), len(rows), tuple(left_out))


def _major(release: str) -> int:
    found = _RELEASE.fullmatch(release)
    if found is None:
        raise UsageError(f"{shown(release)} is no release such as rhel-9")
    return int(found[2])


def _read(file: Path) -> tuple[list[Mapping[str, Any]], str]:
    """The entries, each with all keys of the right types; and the version of the data."""
    place = Place(str(file))
    try:
        content = json.loads(text_of(file, str(file)))
    except (ValueError, RecursionError) as error:
        raise PlanInvalid([Problem(place, f"not JSON: {error}")]) from error
    listed = content.get("data") if isinstance(content, dict) else None
    if not isinstance(listed, list) or not listed:
        said = "not Leapp's list of devices and drivers: it has no list called data"
        raise PlanInvalid([Problem(place, said)])
    for number, one in enumerate(listed, 1):
        wrong = _lacking(one)
        if wrong:
            raise PlanInvalid([Problem(place, f"entry {number} of data: {wrong}")])
    streams = content.get("provided_data_streams")
    return listed, str(streams[-1]) if isinstance(streams, list) and streams else ""


def _lacking(one: Any) -> str | None:
    if not isinstance(one, dict):
        return "not a mapping"
    texts = ("device_type", "device_id", "driver_name")
    wrong = [key for key in texts if not isinstance(one.get(key), str)]
    for key in ("available_in_rhel", "maintained_in_rhel"):
        numbers = one.get(key)
        if not isinstance(numbers, list) or not all(type(number) is int for number in numbers):
            wrong.append(key)
    return f"{wrong[0]} is missing, or not what it should be" if wrong else None


def _entry(one: Mapping[str, Any]) -> _Entry | None:
    available, maintained = frozenset(one["available_in_rhel"]), frozenset(one["maintained_in_rhel"])
    kind, name, driver = one["device_type"], one["device_id"].lower(), one["driver_name"]
    if kind == "pci" and not name:
        named = tuple(dict.fromkeys((driver, driver.replace("_", "-"))))  # the kernel calls 3w_9xxx 3w-9xxx
        return _Entry("driver", named, available, maintained) if _DRIVER.fullmatch(driver) else None
    if kind == "pci" and (pci := _PCI.fullmatch(name)):
        return _Entry(
            "pci", (f"{pci[1]:0>4}:{pci[2]:0>4}",), available, maintained, plain(driver), bool(pci[3])
        )
    cpu = _CPU.fullmatch(name) if kind == "cpu" else None
    models = _models(cpu[3]) if cpu else ()
    if cpu is None or not models:
        return None
    values = tuple(f"{_VENDORS[cpu[1]]}-{int(cpu[2])}-{model}" for model in models)
    return _Entry("cpu", values, available, maintained)


def _models(text: str) -> tuple[str, ...]:
    """Of `85`, `*`, `[2-13]`, `{1,8}` or `{[2-16],49}`; nothing if it is none of these."""
    if text == "*":
        return ("*",)
    found: list[str] = []
    for part in text.removeprefix("{").removesuffix("}").split(","):
        numbers = _MODELS.fullmatch(part)
        if numbers is None:
            return ()
        first, last = (numbers[1], numbers[1]) if numbers[1] else (numbers[2], numbers[3])
        found += map(str, range(int(first), int(last) + 1))
    return tuple(dict.fromkeys(found))


_Group = tuple[Kind, Literal["unknown", "blocked"], tuple[str, ...]]


def _grouped(entries: Sequence[_Entry], majors: Mapping[str, int]) -> dict[_Group, dict[str, list[str]]]:
    """Kind, verdict and releases -> driver -> ids. The worst that is said of an id holds."""
    worst: dict[tuple[Kind, str, str], tuple[Literal["unknown", "blocked"], str]] = {}
    for entry in entries:
        for release, major in majors.items():
            verdict = entry.verdict(major)
            for value in entry.values if verdict else ():
                key = (entry.kind, value, release)
                if verdict and (key not in worst or verdict == "blocked"):
                    worst[key] = (verdict, entry.driver)
    said: dict[tuple[Kind, str, str, Literal["unknown", "blocked"]], list[str]] = {}
    for (kind, value, release), (verdict, driver) in worst.items():
        said.setdefault((kind, value, driver, verdict), []).append(release)
    groups: dict[_Group, dict[str, list[str]]] = {}
    for (kind, value, driver, verdict), releases in sorted(said.items(), key=lambda one: _rank(one[0])):
        group = groups.setdefault((kind, verdict, tuple(releases)), {})
        group.setdefault(driver, []).append(value)
    return groups


def _rank(key: tuple[str, str, str, str]) -> tuple[str, str, str, list[tuple[int, str]]]:
    kind, value, driver, verdict = key
    parts = [(int(part), "") if part.isdigit() else (-1, part) for part in value.split("-")]
    return kind, verdict, driver, parts


def _rows(groups: Mapping[_Group, Mapping[str, Sequence[str]]], source: str, factor: str) -> Iterator[str]:
    for (kind, verdict, releases), by_driver in sorted(groups.items(), key=lambda one: one[0]):
        where = " and ".join(releases)
        what = {"pci": "the device", "cpu": "the processor", "driver": "the driver"}[kind]
        reason = f"{what} is not available in {where}"
        if verdict == "unknown":
            reason = f"{what} is not maintained in {where}"
            if kind == "pci":
                reason += ", or not available with some cards"
        yield _row(verdict, reason, source, _to(releases, factor), kind, by_driver)


def _to(releases: Sequence[str], factor: str) -> str:
    globs = ", ".join(f'"{release}", "{release}.*"' for release in releases)
    return f"{{{factor}: [{globs}]}}"


def _row(
    verdict: str, reason: str, source: str, to: str, kind: Kind, by_driver: Mapping[str, Sequence[str]]
) -> str:
    lines = [
        f"- verdict: {verdict}",
        f"  reason: {json.dumps(reason)}",
        f"  source: {json.dumps(source)}",
        f"  to: {to}",
    ]
    lines += ["  match:", f"    {kind}: ["]
    for driver, values in by_driver.items():
        if driver:
            lines.append(f"      # {driver}")
        line = "     "
        for value in values:
            item = f' "{value}",'
            if len(line) + len(item) > WIDEST:
                lines.append(line)
                line = "     "
            line += item
        lines.append(line)
    return "\n".join([*lines, "    ]"])
