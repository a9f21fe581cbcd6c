"""What lies in a folder, as far as Ansible reads it, and the digests of files."""

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

MOST_FILES = 50_000
"""Beyond this a playbook's folder is taken for a mistake, such as the root of a disk."""

_SKIPPED = {".git", ".hg", ".svn", "__pycache__", ".rollout", ".ansible", ".venv", ".tox", ".cache"}
_LEFT_BEHIND = {".retry", ".pyc", ".swp"}


class TooManyFiles(Exception):
    """The folder cannot be meant."""


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


def sha256(path: Path) -> str:
    """Of its content. Raises OSError."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
