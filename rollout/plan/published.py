"""The JSON Schema of what people write, for editors: completion, hover, and the mistakes that can be seen in one place.

Made from the forms of `rollout.plan.schema` and from the kinds that are installed here. It is draft-07 without references, which every
editor's YAML server understands. A plan that is valid fits it. One that fits it may still be wrong: names that mean nothing, files that
are not there and values that do not go together are seen by `rollout validate` alone.
"""

import inspect
import json
from typing import Any, Literal, get_args

from rollout import kinds
from rollout.plan import meanings, schema
from rollout.plan.forms import form_of
from rollout.plan.scalars import spoken

DRAFT = "http://json-schema.org/draft-07/schema#"

What = Literal["plan", "risks", "compat", "gate"]
WHAT: tuple[What, ...] = get_args(What)
"""What has a schema. `gate` is a part of a plan."""

_MODELS = {"plan": schema.PlanFile, "risks": schema.Risk, "compat": schema.Compatibility}


def text(what: What, kind: str | None = None) -> str:
    """The schema as a file holds it."""
    return json.dumps(schema_of(what, kind), indent=2, ensure_ascii=False) + "\n"


def schema_of(what: What, kind: str | None = None) -> dict[str, Any]:
    """The schema of a whole file, or of a gate, of one kind if that is named. Raises RolloutError for a kind that there is not."""
    if what == "gate":
        found = _any_gate() if kind is None else _gate(kind)
    else:
        found = _form(_MODELS[what])
        if what != "plan":  # a file holds one or a list
            found = {"if": {"type": "array"}, "then": {"items": found}, "else": found}
    title, description = meanings.TITLES[what]
    return {"$schema": DRAFT, "title": title, "description": description, **found}


def _form(model: type[Any]) -> dict[str, Any]:
    drains: dict[str, Any] = {
        "type": "string",
        "enum": list(kinds.names("drains")),
        "enumDescriptions": [_said_of("drains", kind) for kind in kinds.names("drains")],
    }
    instead: dict[str, dict[str, Any]] = {
        f"{holder}.{key}": drains for holder in ("Action", "Side") for key in ("drain", "reopen")
    }
    if model is schema.PlanFile:
        instead["PlanFile.gates"] = {"type": "array", "items": _any_gate()}
    return form_of(model, instead)


def _any_gate() -> dict[str, Any]:
    """`kind` says which settings may stand beside the keys of every gate."""
    found = _form(schema.Gate)
    known = kinds.names("gates")
    words: dict[str, Any] = {
        "type": "string",
        "enum": list(known),
        "enumDescriptions": [_said_of("gates", one) for one in known],
    }
    found["properties"]["kind"] = {"description": found["properties"]["kind"]["description"], **words}
    return {**found, "allOf": [_settings(kind) for kind in known]}


def _settings(kind: str) -> dict[str, Any]:
    own = _form(kinds.load("gates", kind))
    then: dict[str, Any] = {
        "title": f"a gate of kind {kind}",  # what an editor offers to fill in as a whole
        "properties": {**dict.fromkeys(schema.GATE_KEYS, True), **own.get("properties", {})},
        "additionalProperties": False,
    }
    if own.get("required"):
        then["required"] = own["required"]
    return {"if": {"properties": {"kind": {"const": kind}}, "required": ["kind"]}, "then": then}


def _gate(kind: str) -> dict[str, Any]:
    found, own = _form(schema.Gate), _form(kinds.load("gates", kind))
    found["properties"]["kind"] = {
        "description": found["properties"]["kind"]["description"],
        "const": kind,
    }
    patience = getattr(kinds.load("gates", kind), "patience", None)
    if patience:
        found["properties"]["timeout"] = {**found["properties"]["timeout"], "default": spoken(patience)}
    return {
        **found,
        "properties": {**found["properties"], **own.get("properties", {})},
        "required": [*found["required"], *own.get("required", ())],
        "additionalProperties": False,
    }


def _said_of(room: str, kind: str) -> str:
    """The first paragraph of its file."""
    module = inspect.getmodule(kinds.load(room, kind))
    return (inspect.getdoc(module) or kind).split("\n\n")[0].replace("\n", " ")
