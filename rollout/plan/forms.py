"""pydantic's description of a model -> a form that a person can read in an editor.

References are put in place of themselves. Alternatives whose types differ are one form that has them all, for the keywords of JSON
Schema speak of one type each: an editor then says what is wrong, where `anyOf` would say that nothing fits. What a key means comes
from `rollout.plan.meanings`, or from the field itself.
"""

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel

from rollout.plan import meanings, schema
from rollout.plan.scalars import spoken

_KEPT = frozenset({
    *("type", "enum", "const", "pattern", "minLength", "minItems", "minProperties"),
    *("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "description", "examples", "patternErrorMessage"),
})  # fmt: skip
"""What is taken as it is. pydantic's titles only repeat the keys."""

_WRITTEN_AS_TEXT = {"enum", "const", "pattern", "format"}
"""A string with one of these is no free text."""

_NEED = {
    key: {"required": [key]} for key in ("playbook", "drain", "reopen", "allow", "deny", "hold", "retry")
}
_NEED |= {key: {"required": [key]} for key in ("remedy", "halt", "applies", "symptom", "to", "reason")}
_TOGETHER: Mapping[str, list[dict[str, Any]]] = {
    "Step": [
        {"anyOf": [_NEED["playbook"], _NEED["drain"], _NEED["reopen"]]},
        {"not": {"required": ["drain", "reopen"]}},
    ],
    "Side": [{"anyOf": [_NEED["playbook"], _NEED["drain"], _NEED["reopen"]]}],
    "Combo": [
        {
            "if": {"properties": {"verdict": {"const": "blocked"}}, "required": ["verdict"]},
            "then": _NEED["reason"],
        },
        {"if": {"required": ["guests"]}, "then": _NEED["reason"]},
        {"if": {"properties": {"verdict": {"const": "supported"}}}, "then": _NEED["to"]},
    ],
    "Hop": [{"anyOf": [_NEED["to"], _NEED["reason"]]}],
    "Window": [{"oneOf": [_NEED["allow"], _NEED["deny"]]}],
    "Risk": [
        {"oneOf": [_NEED["hold"], _NEED["retry"], _NEED["remedy"], _NEED["halt"]]},
        {"anyOf": [_NEED["applies"], _NEED["symptom"]]},
    ],
}
"""Keys of a model that need each other, or that do not go together."""


def form_of(model: type[BaseModel], instead: Mapping[str, dict[str, Any]]) -> dict[str, Any]:
    """The form of a mapping. `instead`: forms of keys that only somebody else knows, such as the kinds of drain; by `Model.key`."""
    raw = model.model_json_schema()
    return _Reading(raw.get("$defs", {}), instead).form(raw)


class _Reading:
    def __init__(self, models: Mapping[str, Any], instead: Mapping[str, dict[str, Any]]) -> None:
        self._models = models
        self._instead = instead

    def form(self, raw: Mapping[str, Any]) -> dict[str, Any]:
        if "$ref" in raw:
            raw = self._models[str(raw["$ref"]).rsplit("/", 1)[1]]
        options = [*raw.get("oneOf", ()), *raw.get("anyOf", ())]
        found = {key: value for key, value in raw.items() if key in _KEPT}
        if options:  # a key is left out, never null
            return _folded([self.form(one) for one in options if one.get("type") != "null"]) | found
        if found.get("type") == "string" and not _WRITTEN_AS_TEXT & raw.keys():
            found["type"] = [
                "string",
                "number",
            ]  # a plain number where text is wanted counts as the text that was written
        if "items" in raw:
            found["items"] = self.form(raw["items"])
            if _is_text(found["items"]):
                found["uniqueItems"] = True
        if "properties" in raw:
            found.pop("description", None)  # a model's docstring is for those who read the code
            found |= self._mapping(raw)
        elif raw.get("type") == "object":
            found |= self._any_key(raw)
        return found

    def _mapping(self, raw: Mapping[str, Any]) -> dict[str, Any]:
        model = str(raw["title"])
        properties = {key: self._key(model, key, value) for key, value in raw["properties"].items()}
        found: dict[str, Any] = {"properties": properties}
        if raw.get("required"):
            found["required"] = raw["required"]
        if raw.get("additionalProperties") is False:
            found["additionalProperties"] = False
        if model in _TOGETHER:
            found["allOf"] = _TOGETHER[model]
        return found

    def _any_key(self, raw: Mapping[str, Any]) -> dict[str, Any]:
        """A mapping whose keys a person chooses. A value such as `true` is text there, as in `match`."""
        found: dict[str, Any] = {}
        for pattern, value in raw.get("patternProperties", {}).items():
            found = {"propertyNames": {"pattern": pattern}, "additionalProperties": self.form(value)}
        if isinstance(raw.get("additionalProperties"), dict):
            found = {"additionalProperties": self.form(raw["additionalProperties"])}
        values = found.get("additionalProperties")
        if values and _is_text(values):
            values["type"] = [*values["type"], "boolean"]
        return found

    def _key(self, model: str, key: str, raw: Mapping[str, Any]) -> dict[str, Any]:
        names = [f"{one}.{key}" for one in _family(model)]
        found = next((dict(self._instead[name]) for name in names if name in self._instead), None)
        found = self.form(raw) if found is None else found
        meaning = next((meanings.KEYS[name] for name in names if name in meanings.KEYS), None)
        if meaning is not None:
            found["description"] = meaning[0]
            if meaning[1:]:
                found["examples"] = list(meaning[1:])
        default = _default(raw.get("default"), found)
        if default is not None:
            found["default"] = default
        first = ("description", "examples", "type")
        return {**{name: found[name] for name in first if name in found}, **found}


def _folded(options: list[dict[str, Any]]) -> dict[str, Any]:
    """One form for all; their types differ, so that no keyword of one speaks of another."""
    found: dict[str, Any] = {}
    types: list[str] = []
    for one in options:
        own = one.get("type", [])
        types += [name for name in ([own] if isinstance(own, str) else own) if name not in types]
        found = {**one, **found}
    return {**found, "type": types[0] if len(types) == 1 else types}


def _is_text(form: Mapping[str, Any]) -> bool:
    """Text, or such text as may stand for a list of one."""
    return "string" in form.get("type", ()) and not form.keys() & {"pattern", "enum", "const", "properties"}


def _family(model: str) -> list[str]:
    """The names of the model and of those that it extends."""
    found = getattr(schema, model, None)
    return [one.__name__ for one in found.__mro__] if isinstance(found, type) else [model]


def _default(value: Any, form: Mapping[str, Any]) -> Any:
    """As a plan would write it; None when it has no such words."""
    types = form.get("type", ())
    if isinstance(value, bool | str):
        return value
    if isinstance(value, int | float):
        if "s)?$" in str(form.get("pattern", "")):
            return spoken(value)
        if 0 < value < 1 and str(form.get("pattern", "")).endswith("%$"):
            return f"{100 * value:g}%"
        return value if "integer" in types or types == "number" else None
    return None
