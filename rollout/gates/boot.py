"""Whether the host has booted since it was first seen, and into what it should run."""

import re
import shlex
from collections.abc import Iterable, Mapping
from typing import Annotated, Any, ClassVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema

from rollout.gates import _reading
from rollout.model.seams import Answer, Ran, Subject, Verdict
from rollout.ssh.printable import printable

SCRIPT = """\
printf 'boot_id %s\\n' "$(cat /proc/sys/kernel/random/boot_id)"
printf 'uptime %s\\n' "$(cut -d' ' -f1 /proc/uptime)"
printf 'kernel %s\\n' "$(uname -r)"
grep -E '^(ID|VERSION_ID)=' /etc/os-release | sed 's/=/ /'
echo end-of-boot
"""

FACTOR = "os"
"""The factor of a combo's `to` that says which OS is expected, written as `ID-VERSION_ID` of /etc/os-release."""

CHANGED = "changed"
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


class Kind(BaseModel):
    """Compares with what it saw before the first disruptive step.

    `os`: globs, any of which may fit `ID-VERSION_ID` of /etc/os-release (`debian-13`); without it the combo's `to` is used
    if it names the factor `os`. `kernel`: globs for `uname -r`, or `changed`.
    Samples: `boot_id`, `uptime` (seconds), `os`, `kernel`, and `asked` (the controller's clock).
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
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

    def remember(self, subject: Subject) -> Verdict:
        """What the host runs now."""
        seen = _look(subject)
        if isinstance(seen, Verdict):
            return seen
        return Verdict(Answer.PASS, f"it runs {seen['os']}, kernel {seen['kernel']}", seen)

    def check(self, subject: Subject) -> Verdict:
        """All of it must hold; without a memory of the boot before nothing can be known."""
        seen = _look(subject)
        if isinstance(seen, Verdict):
            return seen
        before = subject.remembered
        if not _is_memory(before):
            return Verdict(
                Answer.INCONCLUSIVE, "what ran before the first disruptive step was not recorded", seen
            )
        wrong = _not_booted(seen, before) or self._wrong_os(seen, subject) or self._wrong_kernel(seen, before)
        if wrong:
            return Verdict(Answer.FAIL, wrong, seen)
        because = f"it booted {seen['uptime']:.0f} s ago into {seen['os']}, kernel {seen['kernel']}"
        return Verdict(Answer.PASS, because, seen)

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


def _look(subject: Subject) -> dict[str, Any] | Verdict:
    ran = _reading.ask(subject, SCRIPT)
    if isinstance(ran, Verdict):
        return ran
    seen = _read(ran)
    if seen is None:
        because = f"boot id, uptime, kernel or /etc/os-release cannot be read: {_reading.last_words(ran)}"
        return Verdict(Answer.INCONCLUSIVE, because, {"out": printable(ran.out), "err": printable(ran.err)})
    return {**seen, "asked": subject.now}


def _read(ran: Ran) -> dict[str, Any] | None:
    said = dict(_reading.lines(ran, "end-of-boot") or ())
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
