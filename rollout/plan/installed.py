"""What a playbook may use that stands nowhere near it: roles and collections that were installed on the controller."""

import hashlib
import json
import os
import re
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

from rollout.plan.folders import MOST_FILES, TooManyFiles, files_under, sha256

_VERSION = re.compile(r"""^version:\s*["']?([^\s"'#]+)""", re.MULTILINE)
"""In a galaxy.yml: of a collection that was put there by hand."""


def roles(places: Sequence[Path], folder: Path, known: Collection[str]) -> dict[str, str]:
    """Each role by its digest, the first of a name as Ansible has it; those below the plan's own folder file by file, but for files that are `known`."""
    found: dict[str, str] = {}
    seen: set[str] = set()
    for role in (one for place in places for one in _entries(place)):
        if role.name in seen:
            continue
        seen.add(role.name)
        files = _digests(role)
        if role.resolve().is_relative_to(folder.resolve()):
            at = os.path.relpath(role, folder)
            found |= {f"{at}/{name}": digest for name, digest in files.items()}
        else:
            found[f"role {role.name}"] = hashlib.sha256(json.dumps(files).encode()).hexdigest()
    return {name: digest for name, digest in found.items() if name not in known}


def collections(places: Sequence[Path], folder: Path) -> dict[str, str]:
    """The part `collections`: `namespace.name version`, by name; and the files of `collections/` beside the plan."""
    found: dict[str, str] = {}
    for one in (one for place in places for namespace in _entries(place) for one in _entries(namespace)):
        version = _version(one)
        if version:
            found.setdefault(f"{one.parent.name}.{one.name}", version)
    parts = {"collections": ", ".join(f"{name} {version}" for name, version in sorted(found.items()))}
    beside = folder / "collections"
    files = _digests(beside) if beside.is_dir() else {}
    return {f"collections/{name}": digest for name, digest in files.items()} | (parts if found else {})


def _entries(place: Path) -> Iterator[Path]:
    """The folders in it. What we may not look into Ansible may not either: it is the same user."""
    try:
        entries = sorted(place.iterdir())
    except OSError:
        return
    yield from (one for one in entries if not one.name.startswith(".") and os.path.isdir(one))  # noqa: PTH112  says no, and raises nothing


def _digests(folder: Path) -> dict[str, str]:
    """By the path below the folder. A file that cannot be read has its error for a digest: if a playbook needs it, Ansible says so."""
    found: dict[str, str] = {}
    try:
        for file in files_under(folder):
            name = os.path.relpath(file, folder)
            try:
                found[name] = sha256(file)
            except OSError as error:
                found[name] = str(error.strerror)
    except TooManyFiles:
        found["..."] = f"more than {MOST_FILES} files"
    except OSError as error:
        found["..."] = str(error.strerror)
    return found


def _version(collection: Path) -> str:
    """Empty for a folder that is no collection."""
    try:
        told = json.loads((collection / "MANIFEST.json").read_bytes())["collection_info"]["version"]
    except (OSError, ValueError, KeyError, TypeError):
        return _by_hand(collection)
    return str(told)


def _by_hand(collection: Path) -> str:
    try:
        written = _VERSION.search((collection / "galaxy.yml").read_text(errors="replace"))
    except OSError:
        return ""
    return written[1] if written else "unversioned"
