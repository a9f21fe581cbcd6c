"""Digests of the files that a run depends on, by name: so that a stale plan can say exactly which file changed."""

import hashlib
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from rollout.errors import PlanInvalid, Problem
from rollout.model.chain import Step
from rollout.model.plan import Plan
from rollout.plan.words import shown

MOST_FILES = 50_000
"""Beyond this a playbook's folder is taken for a mistake, such as the root of a disk."""

_SKIPPED = {".git", ".hg", ".svn", "__pycache__", ".rollout", ".ansible", ".venv", ".tox", ".cache"}
_LEFT_BEHIND = {".retry", ".pyc", ".swp"}
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


class TooManyFiles(Exception):
    """The folder cannot be meant."""


def parts(plan: Plan) -> dict[str, str]:
    """Name -> sha256: `plan`, its calendars, and each file that Ansible could read for a step, relative to the plan's folder.

    That is the whole folder of each playbook; of the plan's own folder, which also holds inventories and results, only
    YAML files and the folders that Ansible knows. Raises PlanInvalid if a file cannot be read.
    """
    folder = Path(plan.file).parent
    found = {"plan": _sha256(Path(plan.file))}
    if plan.risks:
        found["risks"] = hashlib.sha256(repr(plan.risks).encode()).hexdigest()
    found |= _calendars(plan, folder)
    playbooks = {step.playbook: place for place, step in _steps(plan) if step.playbook is not None}
    seen: set[Path] = set()
    for playbook, place in playbooks.items():
        path = folder / playbook
        try:
            for file in _read_with(path, folder, seen):
                found[os.path.relpath(file, folder)] = _sha256(file)
        except TooManyFiles:
            message = f"the folder of {shown(playbook)} holds more than {MOST_FILES} files; give playbooks one of their own"
            raise PlanInvalid([Problem(plan.place(*place), message)]) from None
        except OSError as error:
            message = (
                f"playbook {shown(playbook)}: {shown(error.filename or '')} cannot be read: {error.strerror}"
            )
            raise PlanInvalid([Problem(plan.place(*place), message)]) from error
    return dict(sorted(found.items()))


def _calendars(plan: Plan, folder: Path) -> dict[str, str]:
    """The files that windows were read from."""
    found = {}
    for index, window in enumerate(plan.windows):
        if not window.file:
            continue
        try:
            found[os.path.relpath(folder / window.file, folder)] = _sha256(folder / window.file)
        except OSError as error:
            message = f"calendar {shown(window.file)} cannot be read: {error.strerror}"
            raise PlanInvalid([Problem(plan.place("windows", index), message)]) from error
    return found


def _steps(plan: Plan) -> Iterator[tuple[tuple[str | int, ...], Step]]:
    """Every step that may be carried out, with what takes it back or makes it final; and where the plan speaks of it."""
    chains: list[tuple[tuple[str | int, ...], Iterable[Step]]] = [
        (("combos", index, "steps"), combo.steps) for index, combo in enumerate(plan.combos)
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


def files_under(folder: Path) -> Iterator[Path]:
    """The regular files below a folder, sorted, links followed once. Raises TooManyFiles, OSError."""
    count, known = 0, set()

    def fail(error: OSError) -> None:
        raise error

    for here, folders, names in os.walk(folder, onerror=fail, followlinks=True):
        real = os.path.realpath(here)
        if real in known:
            folders.clear()
            continue
        known.add(real)
        folders[:] = sorted(name for name in folders if name not in _SKIPPED)
        for name in sorted(names):
            path = Path(here, name)
            if path.suffix in _LEFT_BEHIND or not path.is_file():
                continue
            count += 1
            if count > MOST_FILES:
                raise TooManyFiles
            yield path


def _sha256(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
