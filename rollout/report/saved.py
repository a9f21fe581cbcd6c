"""A compiled plan as data: what `plan -o` writes and `apply` takes. It holds factors and addresses of hosts, never other variables.

A checksum over all of it stands in it: what was damaged or edited on the way is refused, whatever it has become.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from rollout.errors import RolloutError, UsageError
from rollout.model.graph import Graph
from rollout.model.plan import Plan

VERSION = 3
_KEY, _CHECKSUM = "saved_plan", "checksum"


@dataclass(frozen=True, slots=True)
class Compiled:
    """A graph, and where it came from. `amounts` are the limits as a person wrote them, by factor ("" for `at_once`)."""

    graph: Graph
    plan_file: str
    amounts: Mapping[str, str]
    tool: str = ""


def amounts(plan: Plan) -> dict[str, str]:
    """The limits as written."""
    return {
        "": str(plan.limits.at_once),
        **{factor: str(amount) for factor, amount in plan.limits.per.items()},
    }


def to_text(compiled: Compiled) -> str:
    """The content of a saved plan."""
    value: dict[str, Any] = {
        _KEY: VERSION,
        "tool": compiled.tool,
        "plan_file": compiled.plan_file,
        "digest": compiled.graph.digest,
        "amounts": dict(compiled.amounts),
        "graph": compiled.graph.to_json(),
    }
    return json.dumps({**value, _CHECKSUM: _checksum(value)}, indent=1) + "\n"


def _checksum(value: Mapping[str, Any]) -> str:
    """Over all keys but its own; how the file is laid out does not count."""
    content = {key: one for key, one in value.items() if key != _CHECKSUM}
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def from_text(text: str, name: str) -> Compiled | None:
    """The saved plan; None if the text is something else. Raises UsageError for one of another version, RolloutError for a damaged one."""
    if not text.lstrip().startswith("{"):
        return None
    try:
        value: Any = json.loads(text)
    except (ValueError, RecursionError) as error:
        if f'"{_KEY}"' in text:
            raise RolloutError(f"{name}: a saved plan that is damaged ({error}); plan again") from error
        return None
    if not isinstance(value, dict) or _KEY not in value:
        return None
    if value[_KEY] != VERSION:
        raise UsageError(f"{name}: a saved plan of another version of rollout; plan again")
    if value.get(_CHECKSUM) != _checksum(value):
        raise RolloutError(
            f"{name}: a saved plan that was damaged or edited (its checksum does not fit); plan again"
        )
    try:
        graph = Graph.from_json(value["graph"])
        return Compiled(graph, str(value["plan_file"]), dict(value["amounts"]), str(value["tool"]))
    except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
        raise RolloutError(
            f"{name}: a saved plan that is damaged ({type(error).__name__}: {error}); plan again"
        ) from error
