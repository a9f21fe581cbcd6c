"""Whether the packages of the host are those that are expected, in order, and changed by nobody else."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema

from rollout.gates import HostGate, _reading
from rollout.gates._packages_script import END, script
from rollout.model import versions
from rollout.model.seams import Answer, Subject, Verdict
from rollout.model.verdict import Order
from rollout.ssh.printable import printable

ABSENT = "absent"

NAMED = 3
"""How many troubles a verdict says."""

KEPT = 20
"""How many of each sort its samples hold."""

_STATES = {
    "H": "half-installed",
    "U": "unpacked and not configured",
    "F": "half-configured",
    "W": "waiting for triggers",
    "t": "waiting for triggers",
}
"""The second letter of dpkg's abbreviations, where the package is not in order."""

_PERIODIC = ("Unattended-Upgrade", "Update-Package-Lists", "Download-Upgradeable-Packages")
"""What apt's timers do, if told to: all three take apt's locks."""


_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9+._-]*")


def _listed(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


def _is_version(text: str) -> str:
    wrong = [versions.mistake(text, order) for order in ("deb", "rpm")]
    if all(wrong):
        raise ValueError(f"{text}: {wrong[0]}")
    return text


_Text = Annotated[str, Field(min_length=1), AfterValidator(_is_version)]
Wanted = Annotated[
    list[_Text],
    Field(min_length=1),
    BeforeValidator(_listed),
    WithJsonSchema({"type": ["string", "array"], "minLength": 1, "minItems": 1, "items": {"type": "string"}}),
]


def _is_name(text: str) -> str:
    if not _NAME.fullmatch(text):
        raise ValueError(f"{text!r} is no name of a package")
    return text


Name = Annotated[str, AfterValidator(_is_name)]


@dataclass(slots=True)
class _Seen:
    """What the script said. `found`: package -> installed versions; `broken`, `held`, `twice`: names with what is the matter."""

    manager: str
    count: int = 0
    found: dict[str, list[str]] = field(default_factory=dict)
    held: list[str] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)
    unattended: list[str] = field(default_factory=list)
    unmet: list[str] = field(default_factory=list)
    doubts: list[str] = field(default_factory=list)
    hidden: list[str] = field(default_factory=list)
    """Why more may upgrade packages than `unattended` says."""

    @property
    def order(self) -> Order:
        return "deb" if self.manager == "dpkg" else "rpm"


class Kind(HostGate):
    """Asks dpkg or rpm in one round trip: versions that are `expect`ed, nothing held, nothing half-configured or installed twice, no broken dependencies, and no unattended upgrades.

    Samples: the `manager`, how many `packages` it knows, the `versions` that were asked for, and what is `held`, `broken`, `unmet`, `unattended`.
    """

    expect: dict[Name, Wanted] = Field(
        default={},
        description="Package -> its version: a glob, a range in the order of Debian or RPM, or several of which one fits; or absent.",
        examples=[{"qemu-system-x86": "1:10.*", "linux-image-amd64": ">=6.12"}],
    )
    held: list[Annotated[str, Field(min_length=1)]] = Field(
        default=[],
        description="Globs of packages that may be held (apt-mark hold, versionlock, excludepkgs).",
        examples=[["ceph-*"]],
    )
    dependencies: bool = Field(
        default=True,
        description="Whether broken dependencies are looked for; takes a second or two.",
        examples=[False],
    )
    unattended: Literal["off", "any"] = Field(
        default="off",
        description="off: no timer upgrades packages by itself, and no package manager is at work; any: not looked at.",
        examples=["any"],
    )

    def check(self, subject: Subject) -> Verdict:
        """Whatever is wrong fails; a host with neither dpkg nor rpm is inconclusive."""
        ran = _reading.ask(subject, script(self.expect, dependencies=self.dependencies))
        if isinstance(ran, Verdict):
            return ran
        said = _reading.lines(ran, END)
        seen = _read(said) if said is not None else None
        if seen is None:
            because = f"its packages cannot be read: {_reading.last_words(ran)}"
            return Verdict(Answer.INCONCLUSIVE, because, {"err": printable(ran.err)})
        if seen.manager not in {"dpkg", "rpm"}:
            return Verdict(Answer.INCONCLUSIVE, "it has neither dpkg nor rpm", {"manager": seen.manager})
        return self._judge(seen)

    def _judge(self, seen: _Seen) -> Verdict:
        judged = [_version(seen, name, wanted) for name, wanted in self.expect.items()]
        wrong = [
            *(because for because, known in judged if because and known),
            *seen.broken,
            *(f"{name} is held" for name in seen.held if not _reading.any_glob(name, self.held)),
            *seen.unmet,
            *(f"unattended upgrades: {why}" for why in seen.unattended if self.unattended == "off"),
        ]
        doubts = [
            *(because for because, known in judged if not known),
            *seen.doubts,
            *(seen.hidden if self.unattended == "off" else ()),
        ]
        samples = self._samples(seen)
        if wrong:
            more = f", and {len(wrong) - NAMED} more" if len(wrong) > NAMED else ""
            return Verdict(Answer.FAIL, f"{'; '.join(wrong[:NAMED])}{more}", samples)
        if doubts:
            return Verdict(Answer.INCONCLUSIVE, "; ".join(doubts[:NAMED]), samples)
        because = f"{seen.manager}: {seen.count} packages are in order{_known(seen, self.expect)}"
        return Verdict(Answer.PASS, because, samples)

    def _samples(self, seen: _Seen) -> dict[str, Any]:
        return {
            "manager": seen.manager,
            "packages": seen.count,
            "versions": {name: found[:KEPT] for name, found in seen.found.items() if name in self.expect},
            "held": seen.held[:KEPT],
            "broken": seen.broken[:KEPT],
            "unmet": seen.unmet[:KEPT],
            "unattended": seen.unattended[:KEPT],
        }


def _known(seen: _Seen, expect: dict[str, list[str]]) -> str:
    words = [f"{name} {', '.join(seen.found.get(name, ['absent']))}" for name in expect]
    more = f" and {len(words) - NAMED} more" if len(words) > NAMED else ""
    return f"; {'; '.join(words[:NAMED])}{more}" if words else ""


def _version(seen: _Seen, name: str, wanted: list[str]) -> tuple[str, bool]:
    """What is wrong with the package, and whether that is known: a version that has no place in the order is not."""
    found = seen.found.get(name, [])
    if not found:
        return ("" if ABSENT in wanted else f"{name} is not installed"), True
    texts = [text for text in wanted if text != ABSENT]
    expected = " or ".join(printable(text, 80) for text in wanted)
    fits = versions.compared(found, texts, seen.order)
    if fits is None:
        return f"{name} {', '.join(found)} cannot be compared with {expected}", False
    return ("" if fits else f"{name} is {', '.join(found)}, and {expected} is expected"), True


def _read(said: list[tuple[str, str]]) -> _Seen | None:
    words = dict(said)
    seen = _Seen(words.get("manager", ""))
    if seen.manager == "none":
        return seen
    if (
        seen.manager not in {"dpkg", "rpm"}
        or words.get("listed") != "0"
        or not words.get("count", "").isdecimal()
    ):
        return None
    seen.count = int(words["count"])
    if not seen.count:
        return None
    for key, value in said:
        if key == "package":
            _read_package(value, seen)
        elif key == "twice":
            seen.broken.append(f"{printable(value, 80)} is installed twice")
        elif key == "lock":
            seen.held += [printable(name, 80) for name in value.split()]
    seen.unattended = [*_unattended(said, seen)]
    _read_check(said, words, seen)
    return seen


def _read_package(row: str, seen: _Seen) -> None:
    name, _, rest = row.partition("\t")
    version, _, state = rest.partition("\t")
    name, version = printable(name, 80), printable(version, 80)
    if state[1:2] == "i" or state[1:2] in _STATES:
        seen.found.setdefault(name, []).append(version)
    if state[:1] == "h":
        seen.held.append(name)
    if state[1:2] in _STATES:
        seen.broken.append(f"{name} is {_STATES[state[1:2]]}")
    elif state[2:3].strip():
        seen.broken.append(f"{name} must be reinstalled")


def _unattended(said: list[tuple[str, str]], seen: _Seen) -> Iterator[str]:
    periodic = dict(value.partition(" ")[::2] for key, value in said if key == "periodic")
    told = [name for name in _PERIODIC if periodic.get(name, "0") not in {"", "0"}]
    does = f"APT::Periodic::{told[0]} is {periodic[told[0]]}" if told else ""
    off = periodic.get("Enable", "1") in {"", "0"} or not told
    for key, value in said:
        unit, _, states = value.partition(" ")
        if key == "timer":
            state = [word for word in states.split() if word in {"active", "enabled", "enabled-runtime"}]
            if not states:
                seen.hidden.append(f"systemd does not say whether {unit} is on: a timer may upgrade packages")
            elif state and unit.startswith("apt-") and not off:
                yield f"{unit} is {state[0]}, and {printable(does, 80)}"
            elif state and not unit.startswith("apt-"):
                yield f"{unit} is {state[0]}"
        elif key == "cron" and not off:
            yield f"{printable(value, 80)} runs, and {printable(does, 80)}"
        elif key == "busy":
            yield f"{printable(value, 80)} is at work"
    if not any(key == "init" for key, _ in said):
        seen.hidden.append(
            "its processes are hidden from our user: whether a package manager or timer is at work is not known"
        )


def _read_check(said: list[tuple[str, str]], words: dict[str, str], seen: _Seen) -> None:
    if words.get("checked", "0") == "0":
        return
    told = [printable(value, 120) for key, value in said if key == "said"]
    unmet = [
        line
        for line in told
        if "Depends:" in line or "Unsatisfied dependencies" in line or "is needed by" in line
    ]
    if unmet or any("Unmet dependencies" in line for line in told):
        seen.unmet = [f"broken dependency: {line}" for line in unmet or told[:1]]
    elif seen.manager == "dpkg" or words["checked"] != "1":
        seen.doubts.append(
            f"dependencies could not be checked: {told[-1] if told else 'exit code ' + printable(words['checked'], 20)}"
        )
