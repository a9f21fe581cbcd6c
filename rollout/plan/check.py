"""What is wrong with values that have the right shape: names that mean nothing, values that do not go together.

Each check looks only at the parts whose shape is right, so that a mistake in one part hides none of another.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from rollout.errors import Place, Problem
from rollout.plan import chain, factors, failures, hops, ranges, repeats, schema, sides, waves
from rollout.plan.files import is_there
from rollout.plan.text import Node
from rollout.plan.words import expected, meant, shown


@dataclass(slots=True)
class Draft:
    """The parts of a plan file whose shape is right, by their index in the file, and the names that all parts declare."""

    root: Node
    folder: Path
    factors: tuple[str, ...] = ()
    combo_names: tuple[str, ...] = ()
    step_names: tuple[str, ...] = ()
    combos: dict[int, schema.Combo] = field(default_factory=dict)
    steps: dict[int, schema.Step] = field(default_factory=dict)
    gates: dict[int, schema.Gate] = field(default_factory=dict)
    hops: dict[int, schema.Hop] = field(default_factory=dict)

    def at(self, *path: str | int) -> Place:
        """Where a mistake about that value is shown."""
        return self.root.find(*path).at

    def items(self, section: str) -> list[Node]:
        """The values of a list, whatever their shape."""
        found = self.root.get(section)
        return found.items if found else []

    def key(self, *path: str | int) -> Place:
        """Where that key stands."""
        node = self.root.find(*path)
        return node.key or node.place


def problems(draft: Draft) -> Iterator[Problem]:
    """Every mistake of meaning."""
    yield from _inventory(draft)
    yield from _twice(draft)
    yield from repeats.problems(draft.root)
    yield from factors.problems(draft.root)
    yield from ranges.problems(draft.root)
    for index, node in enumerate(draft.items("combos")):
        yield from _names_in(draft, node)
        if index in draft.combos:
            yield from _combo(draft, index, draft.combos[index])
    yield from _steps(draft)
    yield from waves.problems(draft.root, draft.factors)
    yield from failures.problems(draft.root, draft.factors)
    yield from hops.problems(draft.root, draft.factors, draft.step_names)
    yield from hops.own_names(draft.root, draft.step_names)
    for factor, value in draft.root.under("limits", "per").items():
        yield from unknown_word("factor", factor, draft.factors, value.key)


def unknown_word(what: str, word: str, known: tuple[str, ...], place: Place | None) -> Iterator[Problem]:
    """Nothing is said of a word while nothing is declared: that is a mistake of its own."""
    if known and place and word not in known:
        yield Problem(place, f"unknown {what} {shown(word)}{expected(word, known)}")


def _inventory(draft: Draft) -> Iterator[Problem]:
    node = draft.root.get("inventory")
    for source in (node.items or [node]) if node else ():
        named = source.text if source.kind == "scalar" and "," not in source.text else ""
        if named and not is_there(draft.folder / named):
            yield Problem(source.at, f"inventory {shown(named)} does not exist")
    pattern = draft.root.get("hosts")
    first = pattern.text.lstrip()[:1] if pattern else ""
    if pattern and first in {"-", "@"}:
        yield Problem(pattern.at, f"{shown(pattern.text)} is not a host pattern: it begins with {first}")


def _twice(draft: Draft) -> Iterator[Problem]:
    for section in ("combos", "steps", "gates"):
        first: dict[str, Place] = {}
        for item in draft.items(section):
            name = item.get("name")
            if name is None or not name.text:
                continue
            if name.text in first:
                what = f"{section.removesuffix('s')} {shown(name.text)}"
                yield Problem(name.at, f"{what} is there twice (first on line {first[name.text].line})")
            first.setdefault(name.text, name.place)


def _names_in(draft: Draft, combo: Node) -> Iterator[Problem]:
    """The names that a combo refers to."""
    for key in ("match", "to"):
        for factor, node in combo.under(key).items():
            yield from unknown_word("factor", factor, draft.factors, node.key)
    for step, node in combo.under("steps").items():
        yield from unknown_word("step", step, draft.step_names, node.key)
    own, after = combo.find("name"), combo.get("after")
    for wait in (after.items or [after]) if after else ():
        named = wait.get("combo") or wait
        if named.text and named.text == own.text:
            yield Problem(named.at, f"combo {shown(named.text)} cannot wait for itself")
        elif named.text:
            yield from unknown_word("combo", named.text, draft.combo_names, named.at)


def _combo(draft: Draft, index: int, combo: schema.Combo) -> Iterator[Problem]:
    here = ("combos", index)
    if combo.verdict == "blocked" and not combo.reason:
        yield Problem(
            draft.at(*here, "verdict"), f"combo {combo.name} is blocked without a reason: add `reason`"
        )
    if combo.verdict != "blocked" and not combo.to:
        yield Problem(
            draft.key(*here), f'combo {combo.name} has no key "to": say where it leads, as factor and glob'
        )
    if combo.guests and not combo.reason:
        yield Problem(
            draft.at(*here, "guests"), f"combo {combo.name} ignores guests without a reason: add `reason`"
        )


def _steps(draft: Draft) -> Iterator[Problem]:
    for item in draft.items("steps"):
        yield from _playbook(draft, item)
    for node in (*draft.items("combos"), *draft.items("hops")):
        for below in node.under("steps").values():
            yield from _playbook(draft, below)
    for index, step in draft.steps.items():
        for key, message in chain.mistakes(step):
            yield Problem(draft.at("steps", index, key) if key else draft.key("steps", index), message)
        yield from _sides(draft, step, ("steps", index))
    yield from _tangles(draft)
    for index, combo in draft.combos.items():
        yield from _overrides(draft, combo.steps, ("combos", index, "steps"))
    for index, hop in draft.hops.items():
        yield from _overrides(draft, hop.steps, ("hops", index, "steps"))


def _overrides(
    draft: Draft, overrides: Mapping[str, schema.Action], here: tuple[str | int, ...]
) -> Iterator[Problem]:
    """What a combo's or a hop's own keys make wrong of a step that was right."""
    by_name = {step.name: step for step in draft.steps.values()}
    for name, override in overrides.items():
        if name not in by_name:
            continue
        known, laid = set(chain.mistakes(by_name[name])), chain.laid_over(by_name[name], override)
        for key, message in chain.mistakes(laid):
            if (key, message) not in known:
                yield Problem(draft.at(*here, name, key), message)
        wrong = set(_sides(draft, by_name[name], (*here, name)))
        yield from (found for found in _sides(draft, laid, (*here, name)) if found not in wrong)


def _tangles(draft: Draft) -> Iterator[Problem]:
    """Of the plan's own chain, and of each combo's."""
    if len(draft.steps) < len(draft.items("steps")):
        return
    steps = list(draft.steps.values())
    numbers = {step.name: index for index, step in draft.steps.items()}
    said = set()
    for name, message in sides.tangles(steps, chain.chain_of(steps, {})):
        said.add((name, message))
        yield Problem(draft.at("steps", numbers[name]), message)
    own: dict[tuple[str, int], Mapping[str, schema.Action]] = {
        **{("combos", index): combo.steps for index, combo in draft.combos.items()},
        **{("hops", index): hop.steps for index, hop in draft.hops.items()},
    }
    for here, overrides in own.items():
        laid = [chain.laid_over(step, overrides.get(step.name)) for step in steps]
        for name, message in sides.tangles(laid, chain.chain_of(steps, overrides)):
            if (name, message) not in said:
                yield Problem(draft.at(*here, "steps"), message)


def _sides(draft: Draft, step: schema.Step, here: tuple[str | int, ...]) -> Iterator[Problem]:
    before = draft.step_names[: draft.step_names.index(step.name)]
    for path, message in sides.mistakes(step, before, draft.step_names):
        yield Problem(draft.at(*here, *path), message)
    for key, side in (("undo", step.undo), ("commit", step.commit)):
        if isinstance(side, schema.Side):
            yield from _drains_of(draft, side, f"the {key} of step {step.name}", (*here, key))


def _drains_of(draft: Draft, side: schema.Side, what: str, here: tuple[str | int, ...]) -> Iterator[Problem]:
    for action, kind in (("drain", side.drain), ("reopen", side.reopen)):
        if kind is not None:
            for key, message in chain.drain_mistakes(what, action, kind, side.playbook):
                yield Problem(draft.at(*here, key), message)


def _playbook(draft: Draft, step: Node) -> Iterator[Problem]:
    """That of a step, of its undo and of its commit."""
    for key in ("undo", "commit"):
        side = step.get(key)
        if side is not None:
            yield from there(draft, side if side.kind == "scalar" else side.get("playbook"))
    yield from there(draft, step.get("playbook"))


def there(draft: Draft, node: Node | None) -> Iterator[Problem]:
    """What keeps a playbook from being a file beside the plan."""
    if node is None or not node.text:
        return
    path = draft.folder / node.text
    beside: list[str] = []
    try:
        if path.is_file():
            return
        beside = [
            str(Path(node.text).with_name(entry.name))
            for entry in path.parent.iterdir()
            if entry.suffix in {".yml", ".yaml"}
        ]
    except (OSError, ValueError):
        pass  # then there is nothing near it to suggest
    why = "is not a file" if is_there(path) else "does not exist"
    yield Problem(node.at, f"playbook {shown(node.text)} {why}{meant(node.text, beside)}")
