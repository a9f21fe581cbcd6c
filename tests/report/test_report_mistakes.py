"""Each format is what its readers expect: SARIF by its published schema, the others by the rules of those who read them."""

import json
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import Element, fromstring

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rollout.errors import Place
from rollout.report.junit import as_junit
from rollout.report.mistakes import ASPECTS, Checked, Mistake, as_codeclimate, as_json, fingerprints
from rollout.report.sarif import as_sarif

SCHEMAS = (
    Path(__file__).parents[1] / "editors" / "node_modules" / "@microsoft" / "jest-sarif" / "lib" / "schemas"
)
SARIF = jsonschema.Draft4Validator(json.loads((SCHEMAS / "sarif-2.1.0-rtm.5.json").read_text()))
SEVERITIES = {"info", "minor", "major", "critical", "blocker"}

Format = Callable[[Sequence[Checked]], str]
FORMATS: dict[str, Format] = {
    "json": as_json,
    "codeclimate": as_codeclimate,
    "junit": as_junit,
    "sarif": partial(as_sarif, version="1.2.3"),
}

WRONG = Mistake("plan", Place("plans/a b.yml", 3, 7), 'unknown key "<hosts> & ]]>"')
IN_RISKS = Mistake("plan", Place("plans/risks/apt.yml", 2, 1), "risk apt-lock is there twice")
UNREADABLE = Mistake("inventory", Place("c.yml", 2, 1), "ansible-inventory failed (exit 1):\n  no such file", broken=True)  # fmt: skip
GOOD = Checked("b.yml", counts=(3, 2, 1))
SOME = [
    Checked("plans/a b.yml", (WRONG, IN_RISKS), "plan"),
    GOOD,
    Checked("c.yml", (UNREADABLE,), "inventory"),
]


def is_sarif(text: str) -> dict[str, Any]:
    found = json.loads(text)
    SARIF.validate(found)
    (run,) = found["runs"]
    rules = run["tool"]["driver"]["rules"]
    for result in run["results"]:
        assert rules[result["ruleIndex"]]["id"] == result["ruleId"]
    return dict(run)


def is_codeclimate(text: str) -> list[dict[str, Any]]:
    """By what GitLab requires of a code quality report."""
    found: list[dict[str, Any]] = json.loads(text)
    assert isinstance(found, list)
    for issue in found:
        assert {"description", "check_name", "fingerprint", "severity", "location"} <= issue.keys()
        assert issue["severity"] in SEVERITIES
        assert not issue["location"]["path"].startswith(("./", "/"))
        assert issue["location"]["lines"]["begin"] >= 1
    assert len({issue["fingerprint"] for issue in found}) == len(found)
    return found


def is_junit(text: str) -> Element:
    root = fromstring(text)
    assert root.tag == "testsuites"
    for holder in (root, *root):
        cases = list(holder.iter("testcase"))
        assert int(holder.get("tests", "")) == len(cases)
        for key, tag in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
            assert int(holder.get(key, "")) == sum(1 for case in cases if case.find(tag) is not None)
    assert all(case.get("name") and case.get("classname") for case in root.iter("testcase"))
    names = [(case.get("classname"), case.get("name")) for case in root.iter("testcase")]
    assert len(set(names)) == len(names)
    return root


CHECKS: dict[str, Callable[[str], Any]] = {
    "json": json.loads,
    "codeclimate": is_codeclimate,
    "junit": is_junit,
    "sarif": is_sarif,
}


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize(
    "checked", [[], [GOOD], SOME, [*SOME, *SOME[:1]]], ids=["none", "good", "some", "twice"]
)
def test_each_format_is_valid_with_mistakes_and_without(form: str, checked: list[Checked]) -> None:
    if form == "junit":
        checked = list({one.plan: one for one in checked}.values())
    CHECKS[form](FORMATS[form](checked))


PLACES = st.builds(
    Place, st.text(min_size=1).filter(lambda text: "\0" not in text), st.integers(1, 9), st.integers(1, 9)
)
MISTAKES = st.builds(Mistake, st.sampled_from(list(ASPECTS)), PLACES, st.text(), st.booleans())


@settings(max_examples=30)
@given(st.lists(MISTAKES, max_size=5))
def test_no_text_breaks_a_format(found: list[Mistake]) -> None:
    checked = [Checked("plan.yml", tuple(dict.fromkeys(found)), "hosts")]
    is_sarif(FORMATS["sarif"](checked))
    fromstring(FORMATS["junit"](checked))
    assert len(json.loads(FORMATS["codeclimate"](checked))) == len(set(found))
    json.loads(FORMATS["json"](checked))


def test_a_file_that_two_plans_share_is_told_of_once() -> None:
    both = [Checked("a.yml", (IN_RISKS,), "plan"), Checked("b.yml", (IN_RISKS,), "plan")]
    assert len(is_codeclimate(as_codeclimate(both))) == 1
    assert len(is_sarif(FORMATS["sarif"](both))["results"]) == 1


def test_a_fingerprint_stays_when_lines_move() -> None:
    moved = Mistake("plan", Place(WRONG.place.file, 30, 70), WRONG.message)
    assert fingerprints([WRONG]) == fingerprints([moved])
    assert len(set(fingerprints([WRONG, moved]))) == 2
    assert fingerprints([WRONG, moved])[0] == fingerprints([WRONG])[0]


def test_paths_are_relative_to_where_the_report_is_made() -> None:
    wrong = Mistake("plan", Place(str(Path.cwd() / "plans" / "a.yml"), 1, 1), "wrong")
    (issue,) = is_codeclimate(as_codeclimate([Checked("plans/a.yml", (wrong,), "plan")]))
    assert issue["location"]["path"] == "plans/a.yml"


def test_junit_tells_failed_from_broken_from_not_looked_at() -> None:
    root = is_junit(as_junit(SOME))
    told = {
        suite.get("name"): [next((below.tag for below in case), "passed") for case in suite] for suite in root
    }
    assert told == {
        "plans/a b.yml": ["failure", "failure", "skipped", "skipped"],
        "b.yml": ["passed", "passed", "passed"],
        "c.yml": ["passed", "error", "skipped"],
    }


def test_sarif_encodes_paths_and_counts_from_one() -> None:
    first = is_sarif(FORMATS["sarif"](SOME))["results"][0]["locations"][0]["physicalLocation"]
    assert first["artifactLocation"]["uri"] == "plans/a%20b.yml"
    assert first["region"] == {"startLine": 3, "startColumn": 7}
