"""The open sets: each file of `rollout.gates` and `rollout.drains` is a kind, and its name is the word used in a plan.

Other packages add kinds through entry points of the groups `rollout.gates`, `rollout.drains` and `rollout.executors`.
A file of our own wins over an entry point of the same name. A dash in a word is an underscore in the file's name.
"""

from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from importlib.util import find_spec
from pkgutil import iter_modules

from rollout.errors import RolloutError


def names(room: str) -> tuple[str, ...]:
    """The words that a plan may use for a kind of `gates`, `drains` or `executors`, sorted."""
    return tuple(sorted({*_files(room), *_foreign(room)}))


def load(room: str, kind: str) -> type:
    """The class of a kind. Raises RolloutError if there is none, or if it cannot be imported."""
    module, entry = _files(room).get(kind), _foreign(room).get(kind)
    try:
        found = import_module(module) if module else entry.load() if entry else None
    except Exception as error:
        raise RolloutError(f"kind {kind!r} of rollout.{room} cannot be imported: {error}") from error
    if found is None:
        raise RolloutError(
            f"rollout.{room} has no kind {kind!r}; it has {', '.join(names(room)) or 'none'}. "
            "Is the package that brings it installed here?"
        )
    found = found if isinstance(found, type) else getattr(found, "Kind", None)
    if not isinstance(found, type):
        raise RolloutError(f"kind {kind!r} of rollout.{room} holds no class `Kind`")
    return found


def _files(room: str) -> dict[str, str]:
    spec = find_spec(f"rollout.{room}")
    folders = spec.submodule_search_locations if spec else None
    modules = [module.name for module in iter_modules(folders)] if folders else []
    return {name.replace("_", "-"): f"rollout.{room}.{name}" for name in modules if not name.startswith("_")}


def _foreign(room: str) -> dict[str, EntryPoint]:
    return {entry.name: entry for entry in entry_points(group=f"rollout.{room}")}
