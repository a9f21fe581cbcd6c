"""What is wrong with plans, for people and for machines: text, JSON, and the code quality report of GitLab; `junit` and `sarif` are beside it."""

import hashlib
import json
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rollout.errors import Place
from rollout.report.plain import plain

LONGEST = 2000
"""Characters of one sentence."""

ASPECTS = {
    "plan": "what the plan's own files say",
    "inventory": "what Ansible says of its inventory",
    "hosts": "whether every host has its place",
}
"""What is checked, in this order: what fails keeps the rest from being looked at."""


@dataclass(frozen=True, slots=True)
class Mistake:
    """One of them. `broken`: no mistake of the plan, but something that kept it from being checked."""

    aspect: str
    place: Place
    message: str
    broken: bool = False

    @property
    def rule(self) -> str:
        """A name that stays, for whoever sorts findings by it."""
        return f"rollout-{self.aspect}{'-unreadable' if self.broken else ''}"


@dataclass(frozen=True, slots=True)
class Checked:
    """A plan that was looked at. `counts`: hosts to upgrade, combos with hosts, hosts not touched, once all is well."""

    plan: str
    mistakes: tuple[Mistake, ...] = ()
    reached: str = "hosts"
    """The last aspect that was looked at."""

    counts: tuple[int, int, int] | None = None
    notes: tuple[str, ...] = ()
    """What is no mistake, and should be known all the same: a deadline that has passed."""


def path_of(file: str) -> str:
    """Relative to where we stand, as CI systems compare it with the files of a repository; with slashes, without `./`."""
    return plain(Path(os.path.relpath(file)).as_posix(), LONGEST)


def fingerprints(mistakes: Sequence[Mistake]) -> list[str]:
    """One for each, alike from run to run while lines move: of the rule, the file, the sentence, and how many such came before."""
    seen: Counter[str] = Counter()
    found = []
    for one in mistakes:
        said = "\n".join((one.rule, path_of(one.place.file), one.message))
        seen[said] += 1
        found.append(hashlib.sha256(f"{said}\n{seen[said]}".encode("utf-8", "backslashreplace")).hexdigest())
    return found


def all_of(checked: Sequence[Checked]) -> list[Mistake]:
    """Each once, although two plans may share a file that has it."""
    return list(dict.fromkeys(one for plan in checked for one in plan.mistakes))


def as_json(checked: Sequence[Checked]) -> str:
    """One document: `plans`, each with its `mistakes`."""
    return json.dumps({"plans": [_plan(one) for one in checked]}, indent=2) + "\n"


def _plan(one: Checked) -> dict[str, Any]:
    names = ("hosts", "combos", "untouched")
    return {
        "plan": one.plan,
        "valid": not one.mistakes,
        **(dict(zip(names, one.counts, strict=True)) if one.counts is not None else {}),
        "notes": list(one.notes),
        "mistakes": [
            {
                "rule": mistake.rule,
                "file": mistake.place.file,
                "line": mistake.place.line,
                "column": mistake.place.column,
                "message": plain(mistake.message, LONGEST),
            }
            for mistake in one.mistakes
        ],
    }


def as_codeclimate(checked: Sequence[Checked]) -> str:
    """GitLab's code quality report: a list, empty when nothing is wrong. Severities are those of Code Climate."""
    return json.dumps(list(_issues(all_of(checked))), indent=2) + "\n"


def _issues(mistakes: Sequence[Mistake]) -> Iterator[dict[str, Any]]:
    for one, fingerprint in zip(mistakes, fingerprints(mistakes), strict=True):
        yield {
            "type": "issue",
            "description": plain(one.message, LONGEST),
            "check_name": one.rule,
            "fingerprint": fingerprint,
            "severity": "blocker" if one.broken else "major",
            "categories": ["Bug Risk"],
            "location": {"path": path_of(one.place.file), "lines": {"begin": one.place.line}},
        }
