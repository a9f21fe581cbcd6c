"""Whether the host is as it was before its first disruptive step: its network, storage, services, processor, and what else can be looked at."""

import re
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, Field

from rollout.gates import HostGate, _reading
from rollout.gates._fingerprint_difference import NOUNS, Wishes, differences
from rollout.gates._fingerprint_reading import Print, read, unpacked
from rollout.gates._fingerprint_script import END, script
from rollout.model.seams import Answer, Subject, Verdict
from rollout.ssh.printable import printable

NAMED = 3
"""How many differences the verdict says."""

KEPT = 30
"""How many of each sort its samples hold."""

LARGEST = 100_000
"""Characters of a packed print. A thousand things have 12,000."""

_NAME = re.compile(r"[A-Za-z0-9._-]+")
_Word = Literal[
    "nics",
    "addresses",
    "routes",
    "rules",
    "mounts",
    "blocks",
    "modules",
    "sysctls",
    "enabled",
    "services",
    "listening",
    "cpu",
    "numa",
]


def _about_a_section(glob: str) -> str:
    section, slash, _ = glob.partition("/")
    if section not in NOUNS and not section.startswith("*"):
        raise ValueError(f"{glob} begins with no section, such as modules/*; sections: {', '.join(NOUNS)}")
    return glob if slash else f"{glob}/*"


Globs = list[Annotated[str, Field(min_length=1), AfterValidator(_about_a_section)]]


class Kind(HostGate):
    """Compares with what it saw before the first disruptive step. What is gone or worse fails, unless `told` says otherwise; what is new is told.

    Samples: how many things were `compared` in each section, what `failed` and what is `told` in words, and how many of each; of the first look the `packed` print.
    """

    remembers: ClassVar[bool] = True

    sections: list[_Word] = Field(
        default=[],
        description="What is looked at; all that the host can be asked for, if left out. Named here, it must be readable.",
        examples=[["nics", "routes", "mounts"]],
    )
    ignore: Globs = Field(
        default=[],
        description="Globs over SECTION/NAME of what does not count at all.",
        examples=[["listening/* 9100 on *"]],
    )
    strict: Globs = Field(
        default=[],
        description="Globs over SECTION/NAME of what must be exactly as before: what is new or other fails, too.",
        examples=[["modules/vfio*", "listening"]],
    )
    told: Globs = Field(
        default=[],
        description="Globs over SECTION/NAME of what may be gone or other: it is told and does not fail.",
        examples=[["services/rsyslog.service", "cpu"]],
    )

    def remember(self, subject: Subject) -> Verdict:
        """The host's print. A section that `sections` names and that cannot be read is told before anything is disturbed."""
        seen = self._look(subject, ())
        if isinstance(seen, Verdict):
            return seen
        counts = {section: len(things) for section, things in seen.sections.items()}
        samples: dict[str, Any] = {"sections": counts, "unread": seen.unread, "asked": subject.now}
        lacking: list[str] = [section for section in self.sections if section not in seen.sections]
        if lacking or not counts:
            return Verdict(
                Answer.INCONCLUSIVE, f"could not be read: {_why(seen, lacking or list(seen.unread))}", samples
            )
        packed = seen.packed()
        if len(packed) > LARGEST:
            most = max(counts, key=lambda section: counts[section])
            because = f"there is too much to keep: {counts[most]} in {most}; ignore what comes and goes"
            return Verdict(Answer.INCONCLUSIVE, because, samples)
        unread = f"; could not be read: {_why(seen, list(seen.unread))}" if seen.unread else ""
        because = f"{sum(counts.values())} things in {len(counts)} sections are kept{unread}"
        return Verdict(Answer.PASS, because, {**samples, "packed": packed})

    def check(self, subject: Subject) -> Verdict:
        """What is worse fails. A section that was read before and cannot be read now, or by other means, is never a pass."""
        before = unpacked(subject.remembered.get("packed"))
        names = before.sections.get("sysctls", {}) if before is not None else {}
        seen = self._look(subject, tuple(name for name in names if _NAME.fullmatch(name)))
        if isinstance(seen, Verdict):
            return seen
        if before is None:
            because = "how it was before the first disruptive step was not recorded"
            counts = {section: len(things) for section, things in seen.sections.items()}
            return Verdict(Answer.INCONCLUSIVE, because, {"sections": counts})
        return self._judge(self._wishes().without_ignored(before), seen)

    def _look(self, subject: Subject, sysctls: tuple[str, ...]) -> Print | Verdict:
        ran = _reading.ask(subject, script(self.sections or NOUNS, sysctls))
        if isinstance(ran, Verdict):
            return ran
        said = _reading.lines(ran, END)
        try:
            seen = read(said) if said is not None else None
        except (ValueError, IndexError) as error:
            because = f"what the host says of itself cannot be read: {printable(str(error), 80)}"
            return Verdict(Answer.INCONCLUSIVE, because, {"read": False})
        if seen is None:
            because = f"the host did not say all of what it is: {_reading.last_words(ran)}"
            return Verdict(Answer.INCONCLUSIVE, because, {"err": printable(ran.err)})
        return self._wishes().without_ignored(seen)

    def _wishes(self) -> Wishes:
        return Wishes(tuple(self.ignore), tuple(self.strict), tuple(self.told))

    def _judge(self, before: Print, now: Print) -> Verdict:
        wishes = self._wishes()
        wanted = [section for section in before.by if not self.sections or section in self.sections]
        blind = [section for section in wanted if now.by.get(section) != before.by[section]]
        both = [section for section in wanted if section not in blind]
        found = differences(_only(before, both), _only(now, both))
        failed = [one.words for one in found if wishes.fails(one)]
        told = [one.words for one in found if not wishes.fails(one)]
        compared = {section: len(before.sections[section]) for section in both}
        samples: dict[str, Any] = {
            "failures": len(failed),
            "others": len(told),
            "failed": failed[:KEPT],
            "told": told[:KEPT],
            "compared": compared,
        }
        if blind:
            samples["blind"] = blind
        things = f"{sum(compared.values())} things in {len(both)} sections"
        if failed:
            return Verdict(Answer.FAIL, f"{_named(failed)}{_others(told, failed)}", samples)
        if blind or not compared:
            why = _by_other_means(blind, before, now)
            return Verdict(Answer.INCONCLUSIVE, f"read before, and not comparable now: {why}", samples)
        return Verdict(
            Answer.PASS,
            f"as before: {things}" + (f"; other, and no worse: {_named(told)}" * bool(told)),
            samples,
        )


def _only(seen: Print, sections: list[str]) -> Print:
    return Print({section: seen.sections[section] for section in sections}, seen.by, seen.unread)


def _why(seen: Print, sections: list[str]) -> str:
    return ", ".join(f"{section} ({seen.unread.get(section, 'nothing said')})" for section in sections)


def _by_other_means(blind: list[str], before: Print, now: Print) -> str:
    if not blind:
        return "no section was read both times"
    words = (
        f"{section} (by {before.by[section]} before, by {now.by[section]} now)"
        if section in now.by
        else f"{section} ({now.unread.get(section, 'not looked at')})"
        for section in blind
    )
    return ", ".join(words)


def _named(words: list[str]) -> str:
    more = f", and {len(words) - NAMED} more" if len(words) > NAMED else ""
    return f"{'; '.join(words[:NAMED])}{more}"


def _others(told: list[str], failed: list[str]) -> str:
    total: Mapping[bool, str] = {True: "1 difference", False: f"{len(failed) + len(told)} differences"}
    return f" ({total[len(failed) + len(told) == 1]} in all)" if told else ""
