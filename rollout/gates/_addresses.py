"""`{{ host }}` and the like in settings: what is put in for a host."""

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema

from rollout.model.seams import Subject
from rollout.ssh.inventory import ADDRESS
from rollout.ssh.printable import printable

FIELD = re.compile(r"\{\{\s*([A-Za-z_][\w.-]*)\s*\}\}")
SECRET = re.compile(r"pass|secret|token|private|credential|vault", re.IGNORECASE)
"""Names of variables that no address or URL is made of, for both are shown."""

MOST = 16
"""Values that one placeholder may stand for."""


class Unfilled(ValueError):
    """A placeholder for which the host has no plain value."""


def well_formed(text: str) -> str:
    """The text itself. Raises ValueError when it holds more of Jinja than names."""
    if re.search(r"\{\{|\}\}|\{%", FIELD.sub("", text)):
        raise ValueError("may hold names in double braces, such as {{ host }}, and no other template")
    for name in FIELD.findall(text):
        if SECRET.search(name):
            raise ValueError(f"{{{{ {name} }}}} may be a secret, and this text is shown")
    return text


Template = Annotated[str, AfterValidator(well_formed)]
"""Text with placeholders: `host`, `address`, `combo`, a factor or a variable of the host."""


def _listed(value: Any) -> Any:
    """One text is a list of one."""
    if not isinstance(value, str | list):
        raise ValueError("must be text or a list of texts")  # noqa: TRY004  pydantic reports it as a mistake of the plan
    return [value] if isinstance(value, str) else value


Templates = Annotated[
    list[Template],
    Field(min_length=1),
    BeforeValidator(_listed),
    WithJsonSchema(
        {
            "type": ["string", "array"],
            "minLength": 1,
            "minItems": 1,
            "items": {"type": "string", "minLength": 1},
        }
    ),
]
"""One such text, or several."""


def address_of(subject: Subject) -> str:
    """What Ansible connects to: `ansible_host`, else the host's name."""
    said = [subject.variables.get(name) for name in ADDRESS]
    text = next((str(value) for value in reversed(said) if value), subject.host)
    alone = FIELD.fullmatch(text.strip())
    if alone and alone[1] not in ADDRESS:
        text = "".join(_values(alone[1], subject.variables.get(alone[1]), subject)[:1])
    if "{{" in text or not text or text.startswith("-") or not text.isprintable() or " " in text:
        raise Unfilled(f"the address of {printable(subject.host)} is not plain: {printable(text, 80)!r}")
    return text


def filled(text: str, subject: Subject, shape: Callable[[str], str] = str) -> list[str]:
    """The texts that it stands for: one, or one for each value of a variable that is a list. Raises Unfilled.

    `shape`: how a value is written there.
    """
    texts = [text]
    for name in dict.fromkeys(FIELD.findall(text)):
        values = [shape(value) for value in _of(name, subject)]
        texts = [_put(one, name, value) for one in texts for value in values]
    if len(texts) > MOST:
        raise Unfilled(f"{printable(text, 80)!r} stands for {len(texts)} values, and {MOST} is the most")
    return texts


def all_filled(templates: Iterable[str], subject: Subject) -> list[str]:
    """Of several texts, each value once."""
    found = list(dict.fromkeys(value for text in templates for value in filled(text, subject)))
    if len(found) > MOST:
        raise Unfilled(f"{len(found)} values are too many: {MOST} is the most")
    return found


def _put(text: str, name: str, value: str) -> str:
    return re.sub(rf"\{{\{{\s*{re.escape(name)}\s*\}}\}}", lambda _: value, text)


def _of(name: str, subject: Subject) -> list[str]:
    known: Mapping[str, str] = {"host": subject.host, "combo": subject.combo}
    if name in known:
        return [known[name]]
    if name == "address":
        return [address_of(subject)]
    if name in subject.factors:
        return [subject.factors[name]]
    return _values(name, subject.variables.get(name), subject)


def _values(name: str, value: Any, subject: Subject) -> list[str]:
    if value is None:
        raise Unfilled(f"{printable(subject.host)} has neither a factor nor a variable {name}")
    listed = value if isinstance(value, list | tuple) else [value]
    if not all(isinstance(one, str | int | float) and "{{" not in str(one) for one in listed):
        raise Unfilled(f"{name} of {printable(subject.host)} is not plain text, nor a list of it")
    return [printable(str(one)) for one in listed]
