"""Which steps are others by a change of files or of the plan: what was verified by them before proves nothing of them now."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace
from posixpath import dirname, join, normpath

from rollout.model.chain import Step
from rollout.model.graph import Combo, Graph
from rollout.model.plan import Plan

OWN_PARTS = frozenset({"plan", "risks", "hosts", "limits", "waves", "amended"})
"""Parts of a digest that are no file which Ansible reads; what they change is seen in the graphs."""


def gates(old: Graph, new: Graph) -> tuple[str, ...]:
    """Names of the gates that are new, gone, or others."""
    was, now = ({gate.name: gate for gate in graph.gates} for graph in (old, new))
    return tuple(name for name in {**was, **now} if was.get(name) != now.get(name))


def steps(
    old: Graph, new: Graph, plan: Plan, combos: Mapping[str, tuple[Combo, Combo]]
) -> dict[str, tuple[str, ...]]:
    """Of each combo (as it was, as it is) that is concerned: the steps that are others. None are, where only target or gates are."""
    files = _Files(old, new, plan)
    asked = bool(gates(old, new))
    found = {}
    for name, (was, now) in combos.items():
        changed = tuple(_changed(was, now, files))
        if changed or asked or was.to != now.to:
            found[name] = changed
    return found


def _changed(was: Combo, now: Combo, files: "_Files") -> Iterator[str]:
    """A step that is gone, or stands elsewhere, makes another chain of the whole."""
    before = {step.name: step for step in was.chain}
    order = [step.name for step in now.chain if step.name in before]
    whole = order != list(before)
    for step in now.chain:
        if whole or step.name not in before or _deed(before[step.name]) != _deed(step) or files.touch(step):
            yield step.name


def _deed(step: Step | None) -> Step | None:
    """What a step does to a host; how long it may take, and how often it is tried, is no part of that."""
    if step is None:
        return None
    undo, commit = _deed(step.undo), _deed(step.commit)
    return replace(step, retries=0, backoff=0.0, timeout=0.0, expect=0.0, undo=undo, commit=commit)


class _Files:
    """The files that are others than before, and who depends on them."""

    def __init__(self, old: Graph, new: Graph, plan: Plan) -> None:
        parts = {**old.parts, **new.parts}
        folder = dirname(plan.file)
        data = {normpath(join(folder, window.file)) for window in plan.windows if window.file}
        data |= {normpath(row.place.rsplit(":", 2)[0]) for row in plan.compat if row.place}
        data |= {normpath(plan.file)}
        others = {name for name in parts if old.parts.get(name) != new.parts.get(name)} - OWN_PARTS
        self._others = {normpath(name) for name in others if normpath(join(folder, name)) not in data}
        chains = [step for graph in (old, new) for combo in graph.combos.values() for step in combo.chain]
        remedies = [risk.remedy for graph in (old, new) for risk in graph.risks if risk.remedy is not None]
        self._playbooks = {book for step in (*chains, *remedies) for book in _playbooks(step)}
        self._playbooks |= {
            normpath(rule.playbook) for graph in (old, new) for rule in graph.gates if rule.playbook
        }

    def touch(self, step: Step) -> bool:
        """Whether its playbooks, what stands beside them, or what all may use (roles, collections), are others. A playbook of another step is not its own."""
        own = set(_playbooks(step))
        if not own:
            return False
        if own & self._others:
            return True
        folders = {dirname(book) for book in self._playbooks}
        return any(_serves(file, own, folders) for file in self._others - self._playbooks)


def _serves(file: str, playbooks: Collection[str], folders: Collection[str]) -> bool:
    """What lies in the folder of playbooks serves these; what lies in none of them serves all."""
    mine = {dirname(book) for book in playbooks}
    if any(not folder or file.startswith(f"{folder}/") for folder in mine):
        return True
    return not any(folder and file.startswith(f"{folder}/") for folder in folders)


def _playbooks(step: Step) -> Iterator[str]:
    for one in (step, step.undo, step.commit):
        if one is not None and one.playbook is not None:
            yield normpath(one.playbook)
