"""The combos of the graph: a combo of the plan, or its parts where its hosts are not alike after all.

Hosts that take another way (more hops), or of which less is known (an unknown verdict, a waiver), do not prove anything for the others: they are
a combo of their own, with canaries, credit and budget of its own.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from rollout.graph.hops import Way, chain
from rollout.graph.match import Matched, Placed
from rollout.model.fleet import Host
from rollout.model.plan import After, ComboRule, Plan
from rollout.model.verdict import Judgement, Word


@dataclass(frozen=True, slots=True)
class Variant:
    """A combo of the graph. `rule` has its name, its chain and what it waits for; `of` is its combo in the plan."""

    rule: ComboRule
    of: str
    hosts: tuple[Host, ...] = ()
    current: int = 0
    verdict: Word = "supported"
    because: tuple[str, ...] = ()
    hops: tuple[str, ...] = ()
    numbers: tuple[int, ...] = ()
    """Of its hops, in the plan."""


@dataclass(frozen=True, slots=True)
class Variants:
    """All of them, in the order of what they wait for, and what is known of each host that is to be upgraded."""

    all: tuple[Variant, ...]
    judgements: Mapping[str, Judgement]

    @property
    def rules(self) -> list[ComboRule]:
        """What each of them is and waits for."""
        return [variant.rule for variant in self.all]

    @property
    def members(self) -> dict[str, list[Host]]:
        """The hosts of each that are to be upgraded, in inventory order."""
        return {variant.rule.name: list(variant.hosts) for variant in self.all}

    @property
    def current(self) -> dict[str, int]:
        """How many hosts of each are there already."""
        return {variant.rule.name: variant.current for variant in self.all}


def variants(plan: Plan, hosts: Sequence[Host], rules: Iterable[ComboRule], matched: Matched) -> Variants:
    """Split the combos of a plan. `rules` stand in the order of what they wait for; so do their parts, the best known before the others."""
    rank = {host.name: number for number, host in enumerate(hosts)}
    taken = {rule.name for rule in plan.combos}
    parts: dict[str, list[Variant]] = {}
    for rule in rules:
        found = _parts(rule, matched.placed[rule.name], rank, taken)
        first = found[0] if found else Variant(rule, rule.name, verdict=rule.verdict)
        found = [replace(first, current=matched.current[rule.name]), *found[1:]]
        parts[rule.name] = [_waiting(one, found[0], parts) for one in found]
    judgements = {
        host.name: placed.judgement
        for groups in matched.placed.values()
        for placed in groups
        for host in placed.hosts
    }
    return Variants(tuple(one for found in parts.values() for one in found), judgements)


def _parts(
    rule: ComboRule, groups: Sequence[Placed], rank: Mapping[str, int], taken: set[str]
) -> list[Variant]:
    """The one that is known best, and has the shortest way, has the name of the combo."""
    alike: dict[tuple[bool, int, tuple[int, ...], Word], list[Placed]] = {}
    for placed in groups:
        word, numbers = placed.judgement.word, placed.way.numbers
        alike.setdefault((word != "supported", len(numbers), numbers, word), []).append(placed)
    found: list[Variant] = []
    for key in sorted(alike):
        together, word = alike[key], key[-1]
        way = together[0].way
        is_other_way = found and way.numbers != found[0].numbers
        name = _name(rule, way if is_other_way else Way(), word, taken) if found else rule.name
        members = sorted((host for one in together for host in one.hosts), key=lambda host: rank[host.name])
        because = dict.fromkeys(said for one in together for said in one.judgement.because)
        # what is waived is as little known as what is unknown, and its waves are cut so
        declared: Literal["supported", "unknown"] = "supported" if word == "supported" else "unknown"
        own = replace(rule, name=name, steps=chain(rule, way.legs), verdict=declared)
        found.append(
            Variant(
                own,
                rule.name,
                tuple(members),
                verdict=word,
                because=tuple(because),
                hops=way.labels,
                numbers=way.numbers,
            )
        )
    return found


def _name(rule: ComboRule, way: Way, word: Word, taken: set[str]) -> str:
    origin = [way.legs[0].origin] if way.legs else []
    name = "@".join([rule.name, *origin, *([word] if word != "supported" else [])])
    while name in taken:
        name += "-too"
    taken.add(name)
    return name


def _waiting(one: Variant, first: Variant, parts: Mapping[str, Sequence[Variant]]) -> Variant:
    """A combo that waits for another waits for all its parts; a part of which less is known waits for canaries of the best known."""
    after = [
        replace(wait, combo=part.rule.name)
        for wait in one.rule.after
        for part in parts.get(wait.combo, ())
        if part.hosts or part.current
    ] or list(one.rule.after)
    if one.rule.name != first.rule.name and one.verdict != "supported" and first.verdict == "supported":
        after.append(After(first.rule.name, "canaries"))
    return replace(one, rule=replace(one.rule, after=tuple(after)))
