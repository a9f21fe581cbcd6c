"""Combos that wait for the same climb together: a stage. Rungs are shared within a stage, never across stages.

A rung that held canaries of a combo which waits for another, beside those of that other, would wait for itself. The combos of one
stage share every `after`, so a cycle of stages would be a cycle of combos, and there is none; each stage comes after those it waits for.

Combos of which nobody knows whether they can be upgraded climb apart from those that are known to be supported, and after the canaries of
all of those that wait for none of them.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from rollout.model.graph import Need, Wave
from rollout.model.plan import After, ComboRule

UNKNOWN = "unknown"
"""The stage of combos that nobody knows to be supported."""


@dataclass(frozen=True, slots=True)
class Stage:
    """`name` is empty for the combos that wait for nothing. `before`: the names of all stages that are climbed before it, in order."""

    name: str
    rules: tuple[ComboRule, ...]
    waits: tuple[str, ...] = ()
    before: tuple[str, ...] = ()

    def rung(self, rung: str) -> str:
        """What a rung is called in this stage: `combos`, or `combos-after-r650`."""
        return f"{rung}-{self.name}" if self.name else rung


def staged(rules: Sequence[ComboRule], reached: Collection[str]) -> list[Stage]:
    """The stages of rules that stand in the order of what they wait for. A combo that is not in `reached` has no host to wait for."""
    members: dict[tuple[bool, tuple[After, ...]], list[ComboRule]] = {}
    doubtful: set[str] = set()
    for rule in rules:
        if rule.name in reached:
            afters = {after for after in rule.after if after.combo in reached}
            key = tuple(sorted(afters, key=lambda after: (after.combo, str(after.until))))
            if rule.verdict == "unknown" or any(after.combo in doubtful for after in afters):
                doubtful.add(rule.name)
            members.setdefault((rule.verdict == "unknown", key), []).append(rule)
    known_first = sorted(members.items(), key=lambda one: any(rule.name in doubtful for rule in one[1]))
    stages: dict[str, Stage] = {}
    stage_of: dict[str, Stage] = {}
    for (is_unknown, key), own in known_first:
        name = f"{UNKNOWN}-{_name(key)}".rstrip("-") if is_unknown else _name(key)
        while name in stages:
            name += "-too"  # of combos with such names that two stages would be called the same
        clear = [stage.name for stage in stages.values() if is_unknown and not _is_among(stage, doubtful)]
        waits = tuple(dict.fromkeys((*clear, *(stage_of[after.combo].name for after in key))))
        before = {earlier for one in waits for earlier in (*stages[one].before, one)}
        stage = Stage(name, tuple(own), waits, tuple(known for known in stages if known in before))
        stages[name] = stage
        stage_of.update(dict.fromkeys((rule.name for rule in own), stage))
    return list(stages.values())


def _is_among(stage: Stage, names: Collection[str]) -> bool:
    return any(rule.name in names for rule in stage.rules)


def _name(afters: tuple[After, ...]) -> str:
    return f"after-{'+'.join(_shown(after) for after in afters)}" if afters else ""


def _shown(after: After) -> str:
    if after.until == "canaries":
        return f"canaries-of-{after.combo}"
    return after.combo if after.until >= 1.0 else f"{after.until * 100:g}%-of-{after.combo}"


def depths(rules: Sequence[ComboRule], reached: Collection[str]) -> dict[str, int]:
    """How many combos stand one behind the other before each; the rules stand in the order of what they wait for."""
    found: dict[str, int] = {}
    for rule in rules:
        found[rule.name] = max((found[a.combo] + 1 for a in rule.after if a.combo in reached), default=0)
    return found


def needs_of(
    rule: ComboRule, waves: Mapping[str, Sequence[Wave]], known: Collection[str]
) -> tuple[Need, ...]:
    """What the first wave of a combo waits for. `waves`: those of each combo so far; `known`: combos with hosts, upgraded or to upgrade."""
    needs = []
    for after in rule.after:
        if after.until == "canaries":
            line = waves.get(after.combo, ())
            canaries = [wave for wave in line if wave.canary] or line[:1]
            needs += [Need(wave=wave.id) for wave in canaries]
        elif after.combo in known:
            needs.append(Need(combo=after.combo, share=float(after.until)))
    return tuple(needs)
