"""What a plan says of its factors: where each is read from, what a probe calls it, how its versions are ordered."""

from collections.abc import Mapping
from typing import Any

from rollout.plan import schema


def meaning(written: Mapping[str, str | schema.Factor]) -> dict[str, Any]:
    """`factors`, `probes` and `orders` of a plan. What is read from nowhere is read under the name that a probe has for it."""
    forms = {
        name: one if isinstance(one, schema.Factor) else schema.Factor.model_validate({"from": one})
        for name, one in written.items()
    }
    return {
        "factors": {name: form.from_ or form.probe or name for name, form in forms.items()},
        "probes": {name: form.probe for name, form in forms.items() if form.probe},
        "orders": {name: form.versions for name, form in forms.items() if form.versions},
    }
