"""Copies of what the engine alters in place: one level deep, far cheaper than `copy` or `asdict`."""

from dataclasses import MISSING, fields
from operator import attrgetter
from typing import Any

from rollout.model.state import HostState, RunState

Values = tuple[Any, ...]


class Copier:
    """Makes a tuple of a dataclass's values, in the order of its fields, with its containers copied."""

    def __init__(self, kind: type, without: frozenset[str] = frozenset()) -> None:
        found = [item for item in fields(kind) if item.name not in without]
        self._values = attrgetter(*(item.name for item in found))
        self._containers = [i for i, item in enumerate(found) if item.default_factory is not MISSING]

    def values(self, value: object) -> Values:
        """Equal tuples are equal values."""
        values = list(self._values(value))
        for index in self._containers:
            values[index] = values[index].copy()
        return tuple(values)


host_values = Copier(HostState).values
run_values = Copier(RunState).values
run_apart_from_head = Copier(RunState, without=frozenset({"seq", "at"})).values
"""What does not change with every event."""

_WRITTEN = tuple(item.name for item in fields(HostState) if item.name not in {"asking", "reserved"})
_written_values = attrgetter(*_WRITTEN)


def host_body(host: HostState) -> dict[str, Any]:
    """Equal to `HostState.to_json`, which copies deeply and takes ten times as long: good for encoding at once."""
    return {name: value for name, value in zip(_WRITTEN, _written_values(host), strict=True) if value}
