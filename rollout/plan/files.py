"""What stands in a file that a person wrote."""

from pathlib import Path

from rollout.errors import Place, PlanInvalid, Problem
from rollout.plan.words import plain

LARGEST = 8 * 2**20
"""Bytes of a plan file, of one with risks, or of a calendar."""

_YAML = {".yml", ".yaml"}


def content_of(path: Path, file: str) -> bytes:
    """Raises PlanInvalid; `file` is how the path is shown."""
    try:
        with path.open("rb") as stream:
            content = stream.read(LARGEST + 1)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise PlanInvalid([Problem(Place(plain(file)), f"cannot be read: {reason}")]) from error
    if len(content) > LARGEST:
        raise PlanInvalid([Problem(Place(file), f"the file is larger than {LARGEST // 2**20} MiB")])
    return content


def text_of(path: Path, file: str) -> str:
    """As UTF-8. Raises PlanInvalid; `file` is how the path is shown."""
    content = content_of(path, file)
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        before = content[: error.start].decode(errors="replace")
        place = Place(file, before.count("\n") + 1, len(before) - before.rfind("\n"))
        raise PlanInvalid([Problem(place, "not UTF-8 text")]) from error


def is_there(path: Path) -> bool:
    """Whether the path can be seen; a name that no file can have is not there."""
    try:
        return path.exists()
    except (OSError, ValueError):
        return False


def yaml_files(path: Path) -> list[Path]:
    """The file itself, or the YAML files of a folder, in the order of their names; nothing if it cannot be looked at."""
    try:
        if path.is_dir():
            return sorted(one for one in path.iterdir() if one.suffix in _YAML and one.is_file())
        return [path] if path.is_file() else []
    except (OSError, ValueError):
        return []
