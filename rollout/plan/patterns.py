"""What JSON Schema can say of a plan's small languages; what they mean is in `rollout.plan.scalars`.

Each pattern is read alike by Python and by ECMAScript, and fits every value that is valid. `patternErrorMessage` is a keyword of the
YAML servers of editors: what they say in place of the pattern.
"""

from typing import Any

from pydantic import WithJsonSchema

_NAME = "[A-Za-z0-9][A-Za-z0-9._-]{0,62}$"
_TIME = "(?=.)([0-9]{1,6}d)?([0-9]{1,6}h)?([0-9]{1,6}m)?([0-9]{1,9}s)?$"
_PERCENT = r"0*(100(\.0{1,6})?|[0-9]{1,2}(\.[0-9]{1,6})?)\s?%"


def _text(pattern: str, instead: str, *also: str, **more: Any) -> WithJsonSchema:
    """Text of that pattern, or a plain value of the types `also`; `instead`: what is said when it does not fit."""
    kinds = ["string", *also] if also else "string"
    return WithJsonSchema({"type": kinds, "pattern": f"^{pattern}", "patternErrorMessage": instead, **more})


_NO_NAME = "no name: letters, digits, dot, dash and underscore, at most 63, a letter or digit first"
NAME = _text(_NAME, _NO_NAME, "number")
STEP_NAME = _text(rf"(?!(run|wave|rollback)$|undo-|commit-|remedy-){_NAME}", _NO_NAME, "number")

_NO_TIME = "no duration such as 30s, 20m, 2h, 1d or 1h30m"
_TIMES = {"examples": ["30s", "20m", "2h", "1h30m"]}
DURATION = _text(_TIME, _NO_TIME, "integer", minimum=0, maximum=0, **_TIMES)
LASTING = _text(f"(?=.*[1-9]){_TIME}", _NO_TIME, **_TIMES)

_NO_AMOUNT = "no number such as 5, and no percentage such as 5%"
_HOSTS = {"description": "a number of hosts, or 5% of them"}
HOSTS = _text(f"{_PERCENT}$", _NO_AMOUNT, "integer", minimum=1, **_HOSTS)
FAILED = _text(f"{_PERCENT}$", _NO_AMOUNT, "integer", minimum=0, **_HOSTS)
JUDGED = _text(f"(evidence|{_PERCENT})$", f"{_NO_AMOUNT}, nor evidence", "integer", minimum=0, **_HOSTS)

SHARE = _text(
    f"(canaries|all|{_PERCENT})$", "none of canaries, all, 95%", examples=["canaries", "95%", "all"]
)
MOMENT = _text(
    r"\s*((before\s+(?!rollback\s*$)|after\s+(?!run\s*$))\S+|during)\s*$",
    "none of before run, before STEP, after STEP, before wave, after wave, after rollback, during",
)
