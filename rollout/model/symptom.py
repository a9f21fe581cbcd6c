"""Patterns of known errors: regular expressions whose search takes time in proportion to the text, whoever wrote them (RE2)."""

from functools import cache
from typing import Any

import re2


class SymptomInvalid(ValueError):
    """It is no regular expression; the message says why."""


@cache
def _pattern(symptom: str) -> Any:
    options = re2.Options()
    options.log_errors = False
    try:
        return re2.compile(symptom, options)
    except re2.error as error:
        said = error.args[0] if error.args else ""
        raise SymptomInvalid(
            said.decode(errors="replace") if isinstance(said, bytes) else str(said)
        ) from None


def shows(symptom: str, text: str) -> bool:
    """Whether the symptom is in the text. Raises SymptomInvalid."""
    return _pattern(symptom).search(text) is not None
