"""The published schema fits every plan that is valid, refuses much of what is not, and tells of every key what it means."""

import json
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from pydantic import BaseModel

from rollout import kinds
from rollout.errors import PlanInvalid, RolloutError
from rollout.plan import meanings, published, read, scalars, schema
from rollout.plan.text import parse

ROOT = Path(__file__).parents[2]
MISTAKES = ROOT / "tests" / "golden" / "mistakes"
VALID = sorted([
    MISTAKES / "00-valid.yml",
    *ROOT.glob("tests/golden/plans/*/plan.yml"),
    *ROOT.glob("inventories/*/*plan.yml"),
    *ROOT.glob("rollout/cli/templates/*plan.yml"),
])  # fmt: skip
HALF = 0.5


@cache
def checker(what: published.What, kind: str | None = None) -> Any:
    found = published.schema_of(what, kind)
    jsonschema.Draft7Validator.check_schema(found)
    return jsonschema.Draft7Validator(found)


def value_of(text: str) -> Any:
    root, problems = parse(text, "plan.yml")
    assert root is not None
    assert not problems
    return root.value


def said_of(what: published.What, text: str) -> list[str]:
    return [error.message for error in checker(what).iter_errors(value_of(text))]


def with_keys(form: Any, path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Every key that a person can write, with its form."""
    if not isinstance(form, dict):
        return
    for key, below in form.get("properties", {}).items():
        if below is not True:
            yield f"{path}.{key}", below
            yield from with_keys(below, f"{path}.{key}")
    for part in ("items", "additionalProperties", "then", "else"):
        yield from with_keys(form.get(part), path)
    for one in form.get("allOf", ()):
        yield from with_keys(one, path)


@pytest.mark.parametrize("plan", VALID, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_valid_plan_fits(plan: Path) -> None:
    assert said_of("plan", plan.read_text()) == []


def test_whatever_plan_of_the_golden_worlds_can_be_read_fits() -> None:
    looked_at = 0
    for path in sorted(ROOT.glob("tests/golden/worlds/*/*.yml")):
        text = path.read_text()
        if not re.search("^rollout:", text, re.MULTILINE):
            continue
        try:
            read(path)
        except PlanInvalid:
            continue
        looked_at += 1
        assert (path.name, said_of("plan", text)) == (path.name, [])
    assert looked_at >= 5


@pytest.mark.parametrize("what", ["risks", "compat"])
def test_files_beside_the_plans_of_golden_worlds_fit(what: published.What) -> None:
    files = [path for path in ROOT.glob(f"tests/golden/*/*/{what}.yml") if "mistakes" not in path.parts]
    assert files
    assert {path.parent.name: said_of(what, path.read_text()) for path in files} == {
        path.parent.name: [] for path in files
    }


def test_known_errors_and_compatibility_data_of_the_guides_fit() -> None:
    texts = [guide.read_text().split("```yaml\n")[1:] for guide in (ROOT / "docs").rglob("*.md")]
    blocks = [block.split("```")[0] for text in texts for block in text]
    risks = [block for block in blocks if re.match(r"(# .*\n)*- name: [\w-]+\n +(symptom|applies)", block)]
    rows = [block for block in blocks if re.match(r"(# .*\n)*- \{?match:", block)]
    assert risks
    assert [said_of("risks", block) for block in risks] == [[]] * len(risks)
    assert [said_of("compat", block) for block in rows] == [[]] * len(rows)


def test_the_plans_of_the_guides_fit() -> None:
    texts = [guide.read_text().split("```yaml\n")[1:] for guide in (ROOT / "docs").rglob("*.md")]
    blocks = [block.split("```")[0] for text in texts for block in text]
    plans = [block for block in blocks if block.startswith("rollout:") and "\nsteps:" in block]
    assert plans
    assert [said_of("plan", plan) for plan in plans] == [[]] * len(plans)


def test_much_of_what_is_wrong_is_seen_in_the_editor() -> None:
    """The rest are names, files and texts that no schema can look into."""
    readable = [
        root.value
        for path in MISTAKES.glob("[0-9]*.yml")
        if path.stem != "00-valid"
        for root, problems in [parse(path.read_bytes().decode(errors="replace"), path.name)]
        if root is not None and not problems
    ]
    refused = [value for value in readable if not checker("plan").is_valid(value)]
    assert len(readable) > 80
    assert len(refused) / len(readable) >= HALF


@pytest.mark.parametrize("what", published.WHAT)
def test_every_key_says_what_it_means(what: published.What) -> None:
    keys = list(with_keys(published.schema_of(what)))
    assert [key for key, form in keys if not form.get("description")] == []
    assert len(keys) > 3


def test_every_meaning_is_of_a_key() -> None:
    models = [one for one in vars(schema).values() if isinstance(one, type) and issubclass(one, BaseModel)]
    keys = {
        f"{model.__name__}.{field.alias or name}"
        for model in models
        for name, field in model.model_fields.items()
    }
    assert set(meanings.KEYS) <= keys


@pytest.mark.parametrize("what", published.WHAT)
def test_examples_and_defaults_are_valid_themselves(what: published.What) -> None:
    for key, form in with_keys(published.schema_of(what)):
        for value in [*form.get("examples", ()), *([form["default"]] if "default" in form else [])]:
            assert list(jsonschema.Draft7Validator(form).iter_errors(value)) == [], (key, value)


@pytest.mark.parametrize("what", published.WHAT)
def test_nothing_is_left_of_pydantics_own_words(what: published.What) -> None:
    """No reference that a server may not follow, no `null`, and no key whose value may be one of several forms: an editor could only say that none fits."""
    found = published.schema_of(what)
    text = json.dumps(found)
    assert '"$ref"' not in text
    assert '"null"' not in text
    assert [key for key, form in with_keys(found) if form.keys() & {"anyOf", "oneOf"}] == []


@pytest.mark.parametrize("kind", kinds.names("gates"))
def test_a_gate_has_the_settings_of_its_kind(kind: str) -> None:
    own = set(kinds.load("gates", kind).model_json_schema().get("properties", {}))  # type: ignore[attr-defined]
    assert not own & set(schema.GATE_KEYS), "a setting of that name would never be given"
    form = published.schema_of("gate", kind)["properties"]
    assert set(form) == {*schema.GATE_KEYS, *own}
    assert form["timeout"]["default"] == scalars.spoken(
        getattr(kinds.load("gates", kind), "patience", None) or 60
    )
    gate = {"name": "a", "kind": kind, "when": "after reboot", "run": "true"}
    fits = checker("gate").is_valid(gate)
    assert fits == checker("gate", kind).is_valid(gate) == ("run" in own)
    assert not checker("gate").is_valid({**gate, "wrong": 1})


def test_an_unknown_kind_of_gate_is_named() -> None:
    with pytest.raises(RolloutError, match="no kind 'magic'"):
        published.schema_of("gate", "magic")


def test_versions_without_quotes_and_booleans_are_text() -> None:
    plan = (MISTAKES / "00-valid.yml").read_text()
    assert said_of("plan", plan.replace("os: debian-12", "os: [24.10, 24.04]")) == []
    assert said_of("plan", plan.replace("os: debian-12", "os: true")) == []


RISK = "{name: apt-lock, symptom: lock, steps: upgrade, retry: 3}"


def test_a_file_of_risks_holds_one_or_several() -> None:
    assert said_of("risks", RISK) == []
    assert said_of("risks", f"- {RISK}\n- {RISK}") == []
    assert said_of("risks", RISK.replace("retry: 3", "retries: 3"))
    assert said_of("risks", RISK.replace("retry: 3", "retry: 3, hold: see OPS-7"))


def test_a_compatibility_file_holds_one_row_or_several() -> None:
    row = "{match: {pci: '15b3:1003'}, to: {os: debian-13}, verdict: blocked, reason: gone}"
    assert said_of("compat", row) == said_of("compat", f"- {row}") == []
    assert said_of("compat", row.replace("blocked", "bad"))
