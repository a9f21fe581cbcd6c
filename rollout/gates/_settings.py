"""Types that settings of several kinds share: lengths of time, shares, names of hosts and addresses with placeholders."""

import re
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, PlainSerializer, WithJsonSchema

_TIME = re.compile(r"(?:(\d{1,6})d)?(?:(\d{1,6})h)?(?:(\d{1,6})m)?(?:(\d{1,9}(?:\.\d{1,3})?)s)?", re.ASCII)
_UNITS = (86400.0, 3600.0, 60.0, 1.0)
_SHARE = re.compile(r"(\d{1,3}(?:\.\d{1,6})?)\s?%", re.ASCII)


def seconds(value: Any) -> float:
    """Of `30s`, `0.2s`, `20m`, `1h30m`, as elsewhere in a plan; 0 needs no unit."""
    if value == 0 and not isinstance(value, bool):
        return 0.0
    found = _TIME.fullmatch(value) if isinstance(value, str) and value else None
    if found is None:
        raise ValueError("must be a duration such as 30s, 20m, 2h or 1h30m")
    return sum(float(part) * unit for part, unit in zip(found.groups(), _UNITS, strict=True) if part)


def share(value: Any) -> float:
    """0..1 of `5%` or `0.1%`; 0 needs no sign."""
    if value == 0 and not isinstance(value, bool):
        return 0.0
    found = _SHARE.fullmatch(value) if isinstance(value, str) else None
    if found is None or float(found[1]) > 100:
        raise ValueError("must be a percentage such as 1% or 0.1%")
    return float(found[1]) / 100


def _time_written(value: float) -> str:
    return f"{value:.3f}".rstrip("0").rstrip(".") + "s"


def _share_written(value: float) -> str:
    return f"{value * 100:.6f}".rstrip("0").rstrip(".") + "%"


Seconds = Annotated[
    float,
    BeforeValidator(seconds),
    PlainSerializer(_time_written),
    WithJsonSchema(
        {
            "type": ["string", "integer"],
            "pattern": r"^(?=.)([0-9]{1,6}d)?([0-9]{1,6}h)?([0-9]{1,6}m)?([0-9]{1,9}(\.[0-9]{1,3})?s)?$",
            "minimum": 0,
            "maximum": 0,
        }
    ),
]
"""A length of time, in seconds; written into a saved plan as it is read from one."""

Positive = Annotated[Seconds, Field(gt=0)]

Share = Annotated[
    float,
    BeforeValidator(share),
    PlainSerializer(_share_written),
    WithJsonSchema(
        {
            "type": ["string", "integer"],
            "pattern": r"^[0-9]{1,3}(\.[0-9]{1,6})?\s?%$",
            "minimum": 0,
            "maximum": 0,
        }
    ),
]
"""A share between 0 and 1, written as a percentage."""
