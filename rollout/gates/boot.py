"""Whether the host has booted since it was first seen, and into what it should run."""

import re
import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema

from rollout.gates import HostGate, _reading
from rollout.gates._boot_health import (
    KEPT,
    PATTERNS,
    Health,
    bad_lines,
    failed_units,
    hypervisors,
    is_another_boots,
    judge_hypervisor,
    judge_log,
    judge_units,
)
from rollout.gates._boot_script import END, script
from rollout.model import versions
from rollout.model.seams import Answer, Subject, Verdict
from rollout.ssh.printable import printable

FACTOR = "os"
"""The factor of a combo's `to` that says which OS is expected, written as `ID-VERSION_ID` of /etc/os-release."""

HYPERVISOR = "hypervisor"
"""As FACTOR, for `hypervisor: target`: written as the shipped probe does, `kvm-10.0.2` or `xen-4.17`."""

TARGET = "target"

CHANGED = "changed"
Said = list[tuple[str, str]]
BOOT_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def _listed(value: Any) -> Any:
    """One glob is a list of one."""
    if not isinstance(value, str | list):
        raise ValueError("must be a glob or a list of globs")  # noqa: TRY004  pydantic reports it as a mistake of the plan
    return [value] if isinstance(value, str) else value


_PUBLISHED = {
    "type": ["string", "array"],
    "minLength": 1,
    "minItems": 1,
    "items": {"type": "string", "minLength": 1},
}
Globs = Annotated[
    list[Annotated[str, Field(min_length=1)]],
    Field(min_length=1),
    BeforeValidator(_listed),
    WithJsonSchema(_PUBLISHED),
]


def _is_range(text: str) -> str:
    wrong = versions.mistake(text)
    if wrong:
        raise ValueError(wrong)
    return text


Ranges = Annotated[
    list[Annotated[str, Field(min_length=1), AfterValidator(_is_range)]],
    Field(min_length=1),
    BeforeValidator(_listed),
    WithJsonSchema(_PUBLISHED),
]


def _finds_something(pattern: re.Pattern[str]) -> re.Pattern[str]:
    if pattern.search(""):
        raise ValueError(f"{pattern.pattern!r} is found in every line")
    return pattern


Pattern = Annotated[re.Pattern[str], AfterValidator(_finds_something)]


class Kind(HostGate):
    """Compares with what it saw before the first disruptive step.

    `os`: globs, any of which may fit `ID-VERSION_ID` of /etc/os-release (`debian-13`); without it the combo's `to` is used
    if it names the factor `os`. `kernel`: globs for `uname -r`, or `changed`.
    Units that failed since, and damage that the kernel's log tells of, fail too; `hypervisor` is looked at when it is set.
    Samples: `boot_id`, `uptime` (seconds), `os`, `kernel`, `asked` (the controller's clock), and as looked at `hypervisor`, `systemd` (its state), `failed`
    units, `log` (bad lines).
    """

    remembers: ClassVar[bool] = True

    os: Globs | None = Field(
        default=None,
        description="ID-VERSION_ID of /etc/os-release, a glob or several; that of the combo's `to` if left out.",
        examples=["debian-13"],
    )
    kernel: Globs | None = Field(
        default=None,
        description="What `uname -r` says, a glob or several; or changed: another one than before.",
        examples=["changed", "6.12.*"],
    )

    hypervisor: Ranges | None = Field(
        default=None,
        description="kvm-10.0.2, qemu-10.0.2, libvirt-11.3.0 or xen-4.17.5 of what runs: a glob, a range or several; or target: that of the combo's `to`.",
        examples=["kvm-10.*", ">=kvm-9.2", "target"],
    )
    failed_units: Literal["new", "none", "any"] = Field(
        default="new",
        description="new: no unit of systemd has failed that had not failed before; none: none has; any: not looked at.",
        examples=["none"],
    )
    ignore_units: list[Annotated[str, Field(min_length=1)]] = Field(
        default=[], description="Globs of units that may have failed.", examples=[["fwupd*"]]
    )
    dmesg: list[Pattern] | None = Field(
        default=None,
        description="Regular expressions that no line of the kernel's log since the boot may hold; panics, hangs and damage if left out; [] for none.",
        examples=[["tainted", "link is not ready"]],
    )
    ignore_dmesg: list[Pattern] = Field(
        default=[],
        description="Regular expressions of lines in the kernel's log that do not count.",
        examples=[["I/O error, dev sdz"]],
    )

    def remember(self, subject: Subject) -> Verdict:
        """What the host runs now, and which units have failed before anything was done."""
        seen = _look(subject, script(hypervisor=False, units=self.failed_units != "any", log=False))
        if isinstance(seen, Verdict):
            return seen
        samples = dict(seen.samples)
        if self.failed_units != "any":
            samples["systemd"], failed = failed_units(seen.said)
            if failed is not None:
                samples["failed"] = failed
        return Verdict(Answer.PASS, f"it runs {samples['os']}, kernel {samples['kernel']}", samples)

    def check(self, subject: Subject) -> Verdict:
        """All of it must hold; without a memory of the boot before nothing can be known."""
        wanted, patterns = self._hypervisor(subject), self._patterns()
        units = self.failed_units != "any"
        seen = _look(subject, script(hypervisor=bool(wanted), units=units, log=bool(patterns)))
        if isinstance(seen, Verdict):
            return seen
        before, said, samples = subject.remembered, seen.said, dict(seen.samples)
        if not _is_memory(before):
            return Verdict(
                Answer.INCONCLUSIVE, "what ran before the first disruptive step was not recorded", samples
            )
        wrong = (
            _not_booted(samples, before)
            or self._wrong_os(samples, subject)
            or self._wrong_kernel(samples, before)
        )
        health = Health([wrong] if wrong else [])
        if wanted:
            found = samples["hypervisor"] = hypervisors(said)
            judge_hypervisor(found, dict(said), wanted, health)
        if units:
            self._judge_units(said, before.get("failed"), samples, health)
        if patterns:
            self._judge_log(said, samples, patterns, health)
        return _verdict(samples, health)

    def _hypervisor(self, subject: Subject) -> Sequence[str]:
        if self.hypervisor == [TARGET]:
            return subject.target.get(HYPERVISOR, ())
        return self.hypervisor or ()

    def _patterns(self) -> list[re.Pattern[str]]:
        return [re.compile(text) for text in PATTERNS] if self.dmesg is None else self.dmesg

    def _judge_units(self, said: Said, before: Any, samples: dict[str, Any], health: Health) -> None:
        state, failed = failed_units(said)
        samples |= {"systemd": state, "failed": (failed or [])[:KEPT]}
        judge_units(
            state,
            failed,
            before,
            none_at_all=self.failed_units == "none",
            ignored=self.ignore_units,
            health=health,
        )

    def _judge_log(
        self, said: Said, samples: dict[str, Any], patterns: list[re.Pattern[str]], health: Health
    ) -> None:
        log = [value for key, value in said if key == "log"]
        if is_another_boots(log, samples["uptime"]):
            log = []
        bad = bad_lines(log, patterns, self.ignore_dmesg)
        samples |= {"log_lines": len(log), "log": bad[:KEPT]}
        cut = any(key == "log-cut" for key, _ in said)
        judge_log(log, bad, cut=cut, asked=self.dmesg is not None, health=health)

    def _wrong_os(self, seen: Mapping[str, Any], subject: Subject) -> str | None:
        globs = self.os or subject.target.get(FACTOR, ())
        if not globs or _reading.any_glob(seen["os"], globs):
            return None
        return f"it runs {seen['os']}, and {_or(globs)} is expected"

    def _wrong_kernel(self, seen: Mapping[str, Any], before: Mapping[str, Any]) -> str | None:
        globs = self.kernel
        if globs == [CHANGED]:
            same = seen["kernel"] == before["kernel"]
            return f"it runs the same kernel as before, {seen['kernel']}" if same else None
        if not globs or _reading.any_glob(seen["kernel"], globs):
            return None
        return f"its kernel is {seen['kernel']}, and {_or(globs)} is expected"


@dataclass(frozen=True, slots=True)
class _Seen:
    said: Said
    samples: Mapping[str, Any]


def _look(subject: Subject, text: str) -> _Seen | Verdict:
    ran = _reading.ask(subject, text)
    if isinstance(ran, Verdict):
        return ran
    said = _reading.lines(ran, END) or []
    samples = _read(said)
    if samples is None:
        because = f"boot id, uptime, kernel or /etc/os-release cannot be read: {_reading.last_words(ran)}"
        return Verdict(Answer.INCONCLUSIVE, because, {"out": printable(ran.out), "err": printable(ran.err)})
    return _Seen(said, {**samples, "asked": subject.now})


def _read(pairs: Said) -> dict[str, Any] | None:
    said = dict(pairs)
    try:
        uptime = float(said.get("uptime", ""))
        parts = ["".join(shlex.split(said.get(key, ""))) for key in ("ID", "VERSION_ID")]
    except ValueError:
        return None
    boot_id, kernel = said.get("boot_id", ""), said.get("kernel", "")
    if not BOOT_ID.fullmatch(boot_id) or not kernel or not parts[0] or not 0 <= uptime < float("inf"):
        return None
    words = {"os": "-".join(part for part in parts if part), "kernel": kernel}
    return {"boot_id": boot_id, "uptime": uptime, **{key: printable(word, 80) for key, word in words.items()}}


def _verdict(samples: Mapping[str, Any], health: Health) -> Verdict:
    if health.wrong:
        return Verdict(Answer.FAIL, "; ".join(health.wrong), samples)
    if health.doubts:
        return Verdict(Answer.INCONCLUSIVE, "; ".join(health.doubts), samples)
    notes = "".join(f"; {note}" for note in health.notes)
    because = (
        f"it booted {samples['uptime']:.0f} s ago into {samples['os']}, kernel {samples['kernel']}{notes}"
    )
    return Verdict(Answer.PASS, because, samples)


def _is_memory(before: Mapping[str, Any]) -> bool:
    numbers = all(isinstance(before.get(key), int | float) for key in ("uptime", "asked"))
    return numbers and all(isinstance(before.get(key), str) and before[key] for key in ("boot_id", "kernel"))


def _not_booted(seen: Mapping[str, Any], before: Mapping[str, Any]) -> str | None:
    if seen["boot_id"] == before["boot_id"]:
        return f"it has not booted: the boot id is still {seen['boot_id']}"
    # Without a boot the uptime would now be `before` plus what has passed. Half of `before` is left for the time
    # between the controller's clock and the host's answer.
    passed = seen["asked"] - before["asked"]
    if seen["uptime"] > passed + max(5.0, before["uptime"] / 2):
        return (
            f"its boot id is new, but it has been up for {seen['uptime']:.0f} s and was first seen {passed:.0f} s ago: "
            "it has not booted since"
        )
    return None


def _or(globs: Iterable[str]) -> str:
    return " or ".join(printable(glob, 80) for glob in globs)
