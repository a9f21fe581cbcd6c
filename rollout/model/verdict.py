"""What is known of a combination before anything is touched: compatibility, known risks, waivers, and the hops that lead to a target."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from rollout.model.chain import Step

Word = Literal["supported", "waived", "unknown", "blocked"]
"""The verdict of a combination, from good to bad."""

Cause = Literal["", "declared", "compat", "require", "risk", "toolchain", "path", "drift"]
"""What a verdict other than `supported` comes of."""

Order = Literal["dotted", "deb", "rpm"]
"""How versions of a factor are ordered: number by number, as Debian does, as RPM does."""

Wanted = Mapping[str, tuple[str, ...]]
"""Factor or fact -> globs (`kvm-7.*`) or ranges (`>=1.9.2,<2`), any of which may fit."""


@dataclass(frozen=True, slots=True)
class Compatibility:
    """What is known of hosts that `match`, on their way to a target that fits `to` (empty: any): a row of a compatibility file.

    `place` is file:line:column, where it stands.
    """

    match: Wanted
    to: Wanted
    verdict: Literal["supported", "unknown", "blocked"]
    reason: str
    source: str = ""
    place: str = ""


@dataclass(frozen=True, slots=True)
class Waiver:
    """A person vouches for what is unknown, unmet or risky, until a day.

    `waives`: `unknown`, `blocked`, `toolchain`, `require`, `drift` or names of risks. `combos` and `hosts`: globs; empty means all. `expires`: the last
    day (ISO 8601, as in 2026-12-31) on which it holds.
    """

    name: str
    waives: tuple[str, ...]
    reason: str
    owner: str
    expires: str
    combos: tuple[str, ...] = ()
    hosts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Hop:
    """One leg of an upgrade: hosts that `match` may go where `to` says (literal values); without `to`, a dead end, for a `reason`.

    `require`: the floor under which the leg cannot be taken. `chains`: by combo, the steps that are walked on this leg.
    """

    match: Wanted
    to: Mapping[str, str]
    require: Wanted = field(default_factory=dict)
    reason: str = ""
    chains: Mapping[str, tuple[Step, ...]] = field(default_factory=dict)

    @property
    def label(self) -> str:
        """Where it leads, in a word that may stand in the name of a step."""
        return "-".join(_word(value) for value in self.to.values())

    @property
    def origin(self) -> str:
        """Where it comes from, as such a word."""
        return "-".join(_word("-or-".join(globs)) for globs in self.match.values())


def _word(text: str) -> str:
    plain = "".join(c if c.isascii() and (c.isalnum() or c == ".") else "-" for c in text.lower())
    return plain[:40].strip("-.") or "x"


@dataclass(frozen=True, slots=True)
class Judgement:
    """The verdict of one host, with every reason. `waivers`: names of those that let it pass; `risks`: known risks that concern it."""

    word: Word = "supported"
    because: tuple[str, ...] = ()
    cause: Cause = ""
    waivers: tuple[str, ...] = ()
    risks: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Toolchain:
    """The controller's ansible-core, e.g. `2.19.4`; empty: not known, and nothing is judged by it."""

    ansible_core: str = ""


NEVER = "9999-12-31"
"""The last day of the calendar: when it is today, nothing is waived any more."""


@dataclass(frozen=True, slots=True)
class Given:
    """What verdicts depend on beside plan and fleet.

    `today` (ISO 8601) ends waivers. `allow_unknown`: a person wants hosts touched of which nobody knows whether that goes well.
    """

    today: str = NEVER
    toolchain: Toolchain = Toolchain()
    allow_unknown: bool = False
