"""pydantic's findings -> Problems in the words of the plan language, each at the place of the value or key it is about."""

import json
import re
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from rollout.errors import Problem
from rollout.plan.text import Node
from rollout.plan.words import COMMA, expected, shown

Model = TypeVar("Model", bound=BaseModel)
_YAML_1_1 = {"yes", "no", "on", "off", "y", "n"}
_WRONG_TYPE = {
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "bool_type": "true or false",
    "string_type": "text",
    "list_type": "a list",
    "tuple_type": "a list",
    "set_type": "a list",
    "frozen_set_type": "a list",
    "dict_type": "a mapping",
    "model_type": "a mapping",
    "model_attributes_type": "a mapping",
    "dataclass_type": "a mapping",
}
_BOUNDS = {
    "greater_than_equal": "at least",
    "less_than_equal": "at most",
    "greater_than": "more than",
    "less_than": "less than",
}


URL = r"^https?://[^\s/?#@]+[^\s?#]*$"
PROJECT = r"^[^\s/]+(/[^\s/]+)+$"
_FORMS = {
    URL: "the URL of a server, such as https://gitlab.example.com",
    PROJECT: "a project is named with its groups, such as infra/fleet",
}
"""What a text has to look like, where it is no variable's name."""


def validate(
    model: type[Model], node: Node, also: tuple[str, ...] = (), called: str = "the plan"
) -> tuple[Model | None, list[Problem]]:
    """The model that the tree describes, or what keeps it from being one.

    A plain number or bool where text is wanted counts as the text that was written. `also`: further keys that are named
    when an unknown one is found; `called`: the tree as a whole.
    """
    found, errors = _tried(model, node)
    if _reread(node, errors):
        found, errors = _tried(model, node)
    problems = {_problem(model, node, error, also, called) for error in errors}
    return found, sorted(problems)


def _tried(model: type[Model], node: Node) -> tuple[Model | None, list[Any]]:
    try:
        return model.model_validate_json(json.dumps(node.value), strict=True), []
    except ValidationError as error:
        return None, error.errors(include_url=False)


def _reread(node: Node, errors: list[Any]) -> bool:
    changed = False
    for error in errors:
        found, _ = _walk(node, error["loc"])
        if (
            error["type"] == "string_type"
            and found.kind == "scalar"
            and isinstance(found.scalar, bool | int | float)
        ):
            found.scalar = found.text
            changed = True
    return changed


def _walk(node: Node, loc: tuple[str | int, ...]) -> tuple[Node, tuple[str | int, ...]]:
    """The value that a location means. pydantic mixes tags of unions and "[key]" into it: they are passed over."""
    path: tuple[str | int, ...] = ()
    for part in loc:
        below = node.get(part)
        if below is not None:
            node, path = below, (*path, part)
    return node, path


def _problem(model: type[BaseModel], root: Node, error: Any, also: tuple[str, ...], called: str) -> Problem:
    node, path = _walk(root, error["loc"])
    kind, context, last = error["type"], error.get("ctx", {}), error["loc"][-1] if error["loc"] else ""
    if kind == "extra_forbidden":
        known = (*also, *_keys(model, error["loc"][:-1]))
        return Problem(node.key or node.place, f"unknown key {shown(last)}{expected(str(last), known)}")
    if kind == "missing":
        holder = node.key or node.place
        return Problem(holder, f"{_label(path) or called} has no key {shown(last)}, which is required")
    if last == "[key]":
        said = str(context.get("error", error["msg"]))
        return Problem(node.key or node.place, said + (COMMA if node.gap else ""))
    said = f"{_label(path)}{_sentence(kind, context, node, error['msg'])}".lstrip(": ")
    return Problem(node.at, said + (COMMA if node.gap else ""))


def _sentence(kind: str, context: dict[str, Any], node: Node, message: str) -> str:
    """What follows the name of the value."""
    said = f": {message[:1].lower()}{message[1:]}"
    if kind in _WRONG_TYPE:
        hint = (
            " (in YAML 1.2 this word is text)"
            if kind == "bool_type" and node.text.lower() in _YAML_1_1
            else ""
        )
        said = f" must be {_WRONG_TYPE[kind]}, not {_described(node)}{hint}"
    elif kind == "literal_error":
        words = re.findall(r"'([^']*)'", context["expected"])
        said = f" cannot be {_described(node)}{expected(node.text, words)}"
    elif kind in {"too_short", "string_too_short"}:
        said = " must not be empty"
    elif kind in _BOUNDS:
        (bound,) = context.values()
        said = f" must be {_BOUNDS[kind]} {bound}, not {node.text}"
    elif kind == "string_pattern_mismatch":
        what = _FORMS.get(context["pattern"], "a variable's name is letters, digits and underscores")
        said = f" cannot be {shown(node.text)}: {what}"
    elif kind == "union_tag_invalid":
        forms = re.findall(r"\((\w+)\)", context["expected_tags"])
        said = f" must be a {' or a '.join(forms)}, not {_described(node)}"
    elif kind in {"value_error", "assertion_error"}:
        said = f": {context['error']}"
    return said


def _described(node: Node) -> str:
    if node.kind != "scalar":
        return "a mapping" if node.kind == "map" else "a list"
    if node.scalar is None:
        return "nothing"
    return shown(node.text) if isinstance(node.scalar, str) else node.text


def _label(path: tuple[str | int, ...]) -> str:
    if not path:
        return ""
    if isinstance(path[-1], str):
        return path[-1]
    above = _label(path[:-1])
    return f"item {path[-1] + 1} of {above}" if above else "this item"


def _keys(model: type[BaseModel], loc: tuple[str | int, ...]) -> tuple[str, ...]:
    """The keys that may stand at a location, by the model's JSON schema: pydantic's one description of itself."""
    schema = model.model_json_schema()
    forms = _forms(schema, schema)
    for part in loc:
        below = [form for one in forms for form in _below(one, part)]
        forms = [form for one in below for form in _forms(one, schema)] or forms
    return tuple(dict.fromkeys(key for form in forms for key in form.get("properties", ())))


def _below(form: dict[str, Any], part: str | int) -> list[dict[str, Any]]:
    values = [form.get("additionalProperties"), *form.get("patternProperties", {}).values()]
    any_key = next((value for value in values if isinstance(value, dict)), None)
    found = form.get("items") if isinstance(part, int) else form.get("properties", {}).get(part, any_key)
    return [found] if isinstance(found, dict) else []


def _forms(form: dict[str, Any], whole: dict[str, Any]) -> list[dict[str, Any]]:
    """The form itself, or each of those that it is one of."""
    if "$ref" in form:
        return _forms(whole["$defs"][form["$ref"].rsplit("/", 1)[1]], whole)
    options = [*form.get("oneOf", ()), *form.get("anyOf", ())]
    return [found for option in options for found in _forms(option, whole)] or [form]
