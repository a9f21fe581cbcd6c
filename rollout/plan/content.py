"""Digests of the files that a run depends on, by name: so that a stale plan can say exactly which file changed."""

import hashlib
import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from rollout.errors import PlanInvalid, Problem
from rollout.model.chain import Step
from rollout.model.plan import Plan
from rollout.plan import installed
from rollout.plan.folders import MOST_FILES, TooManyFiles, files_under, sha256
from rollout.plan.words import shown

_BESIDE_A_PLAYBOOK = {
    *(
        "roles",
        "collections",
        "tasks",
        "handlers",
        "templates",
        "files",
        "vars",
        "defaults",
        "meta",
        "library",
    ),
    *(
        "group_vars",
        "host_vars",
        "module_utils",
        "action_plugins",
        "filter_plugins",
        "lookup_plugins",
        "test_plugins",
    ),
}


def parts(
    plan: Plan,
    *,
    roles: Sequence[Path] = (),
    collections: Sequence[Path] = (),
    ansible_core: str = "",
    settings: Sequence[Path] = (),
) -> dict[str, str]:
    """Name -> sha256: `plan`, its calendars and compatibility files, and each file that Ansible could read for a step or a gate, relative to the plan's folder.

    That is the whole folder of each playbook; of the plan's own folder, which also holds inventories and results, only
    YAML files and the folders that Ansible knows. `roles`, `collections`: the folders in which Ansible looks for what was installed; a role
    outside the plan's folder is one part, all installed collections are `collections`, by name and version, and `ansible-core` is the version itself.
    `settings`: files, and folders with all that is in them, that decide what playbooks do.
    Raises PlanInvalid if a file cannot be read.
    """
    folder = Path(plan.file).parent
    found = {"plan": sha256(Path(plan.file))}
    if plan.risks:
        found["risks"] = hashlib.sha256(repr(plan.risks).encode()).hexdigest()
    found |= _calendars(plan, folder)
    found |= _compatibility(plan, folder)
    playbooks: dict[str, tuple[str | int, ...]] = {
        rule.playbook: ("gates",) for rule in plan.gates if rule.playbook is not None
    }
    playbooks |= {step.playbook: place for place, step in _steps(plan) if step.playbook is not None}
    seen: set[Path] = set()
    first = folder / next(iter(playbooks), "")
    for playbook, place in playbooks.items():
        path = folder / playbook
        try:
            # what is set for all is read with the first
            for file in (*_read_with(path, folder, seen), *_read(settings if path == first else ())):
                found[os.path.relpath(file, folder)] = sha256(file)
        except TooManyFiles:
            message = f"the folder of {shown(playbook)} holds more than {MOST_FILES} files; give playbooks one of their own"
            raise PlanInvalid([Problem(plan.place(*place), message)]) from None
        except OSError as error:
            message = (
                f"playbook {shown(playbook)}: {shown(error.filename or '')} cannot be read: {error.strerror}"
            )
            raise PlanInvalid([Problem(plan.place(*place), message)]) from error
    if playbooks:
        found |= installed.roles(roles, folder, found)
        found |= installed.collections(collections, folder)
        found |= {"ansible-core": ansible_core} if ansible_core else {}
    return dict(sorted(found.items()))


def _read(settings: Iterable[Path]) -> Iterator[Path]:
    for path in settings:
        yield from files_under(path) if path.is_dir() else (path,)


def _calendars(plan: Plan, folder: Path) -> dict[str, str]:
    """The files that windows were read from."""
    found = {}
    for index, window in enumerate(plan.windows):
        if not window.file:
            continue
        try:
            found[os.path.relpath(folder / window.file, folder)] = sha256(folder / window.file)
        except OSError as error:
            message = f"calendar {shown(window.file)} cannot be read: {error.strerror}"
            raise PlanInvalid([Problem(plan.place("windows", index), message)]) from error
    return found


def _compatibility(plan: Plan, folder: Path) -> dict[str, str]:
    """The files that rows of compatibility stand in."""
    files = dict.fromkeys(row.place.rsplit(":", 2)[0] for row in plan.compat if row.place)
    found = {}
    for file in files:
        try:
            found[os.path.relpath(file, folder)] = sha256(Path(file))
        except OSError as error:
            message = f"{shown(file)} cannot be read: {error.strerror}"
            raise PlanInvalid([Problem(plan.place("compat"), message)]) from error
    return found


def _steps(plan: Plan) -> Iterator[tuple[tuple[str | int, ...], Step]]:
    """Every step that may be carried out, with what takes it back or makes it final; and where the plan speaks of it."""
    chains: list[tuple[tuple[str | int, ...], Iterable[Step]]] = [
        (("combos", index, "steps"), combo.steps) for index, combo in enumerate(plan.combos)
    ]
    chains += [
        (("hops", n, "steps"), steps) for n, hop in enumerate(plan.hops) for steps in hop.chains.values()
    ]
    for place, chain in (*chains, (("steps",), plan.steps)):
        for step in chain:
            yield from ((place, one) for one in (step, step.undo, step.commit) if one is not None)
    yield from ((("risks",), risk.remedy) for risk in plan.risks if risk.remedy is not None)


def _read_with(playbook: Path, plan_folder: Path, seen: set[Path]) -> Iterator[Path]:
    """The playbook and what stands beside it; nothing for a folder that is already done."""
    folder = playbook.parent
    real = folder.resolve()
    if real not in seen:
        seen.add(real)
        if not plan_folder.resolve().is_relative_to(real):
            yield from files_under(folder)
        else:
            for entry in sorted(folder.iterdir()):
                if entry.name in _BESIDE_A_PLAYBOOK and entry.is_dir():
                    yield from files_under(entry)
                elif entry.suffix in {".yml", ".yaml"} and entry.is_file():
                    yield entry
    yield playbook
