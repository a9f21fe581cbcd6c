"""What is wrong with plans as SARIF 2.1.0, the OASIS format that code hosts and editors read."""

import json
from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

from rollout.report.mistakes import ASPECTS, LONGEST, Checked, Mistake, all_of, fingerprints, path_of
from rollout.report.plain import plain

SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
_SENTENCES = {
    "plan": "A file that a person wrote has a mistake.",
    "inventory": "The inventory does not fit the plan.",
    "hosts": "A host has no place in the plan, or cannot be upgraded as it says.",
}


def as_sarif(checked: Sequence[Checked], version: str) -> str:
    """One run of the tool, of this version. Columns count characters."""
    mistakes = all_of(checked)
    rules = [
        *(f"rollout-{aspect}" for aspect in ASPECTS),
        *(f"rollout-{aspect}-unreadable" for aspect in ASPECTS),
    ]
    marks = fingerprints(mistakes)
    run: dict[str, Any] = {
        "tool": {"driver": {"name": "rollout", "version": version, "rules": [_rule(rule) for rule in rules]}},
        "columnKind": "unicodeCodePoints",
        "results": [
            _result(one, mark, rules.index(one.rule)) for one, mark in zip(mistakes, marks, strict=True)
        ],
    }
    return json.dumps({"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}, indent=2) + "\n"


def _rule(rule: str) -> dict[str, Any]:
    aspect = rule.split("-")[1]
    unreadable = rule.endswith("-unreadable")
    sentence = f"It could not be found out {ASPECTS[aspect]}." if unreadable else _SENTENCES[aspect]
    return {"id": rule, "shortDescription": {"text": sentence}, "defaultConfiguration": {"level": "error"}}


def _result(one: Mistake, mark: str, index: int) -> dict[str, Any]:
    place = {
        "artifactLocation": {"uri": quote(path_of(one.place.file))},
        "region": {"startLine": one.place.line, "startColumn": one.place.column},
    }
    return {
        "ruleId": one.rule,
        "ruleIndex": index,
        "level": "error",
        "message": {"text": plain(one.message, LONGEST)},
        "locations": [{"physicalLocation": place}],
        "partialFingerprints": {"rollout/v1": mark},
    }
