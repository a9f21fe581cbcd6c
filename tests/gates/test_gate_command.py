from typing import Any

import pytest
from pydantic import ValidationError

from rollout.gates.command import Kind
from rollout.model.seams import Ran
from rollout.ssh.output import CUT
from tests.gates.any_connection import subject

LONG = "x" * 100 + CUT
CASES: list[tuple[dict[str, Any], Ran, str, str]] = [
    ({}, Ran(0, "fine\n", ""), "pass", "exit code 0: fine"),
    ({}, Ran(0, "", ""), "pass", "exit code 0: it printed nothing"),
    ({}, Ran(3, "", "first\nno such unit\n"), "fail", "exit code 3 instead of 0: no such unit"),
    ({}, Ran(1, "", ""), "fail", "exit code 1 instead of 0: exit code 1, and it said nothing"),
    ({}, Ran(-1, "", ""), "fail", "a signal ended the command"),
    ({"code": 3}, Ran(3, "", ""), "pass", "exit code 3: it printed nothing"),
    ({"code": 3}, Ran(0, "", ""), "fail", "exit code 0 instead of 3: exit code 0, and it said nothing"),
    ({"expect": "^active$"}, Ran(0, "one\nactive\n", ""), "pass", "exit code 0: one active"),
    (
        {"expect": "^active$"},
        Ran(0, "inactive\n", "active"),
        "fail",
        "the output does not hold `^active$`: inactive",
    ),
    ({"expect": "x"}, Ran(0, LONG, ""), "pass", "exit code 0: " + "x" * 79 + "…"),
    (
        {"expect": "y"},
        Ran(0, LONG, ""),
        "inconclusive",
        "the output is too long to know whether `expect` is in it",
    ),
    ({"reject": "degraded"}, Ran(0, "ok\n", ""), "pass", "exit code 0: ok"),
    (
        {"reject": "degr.*"},
        Ran(0, "", "degraded\x07\n"),
        "fail",
        "the output holds 'degraded', which `reject` forbids",
    ),
    ({"reject": "x{3}"}, Ran(0, LONG, ""), "fail", "the output holds 'xxx', which `reject` forbids"),
    (
        {"reject": "y"},
        Ran(0, "", LONG),
        "inconclusive",
        "the output is too long to know that `reject` is not in it",
    ),
    (
        {"expect": "a", "reject": "b"},
        Ran(0, "a b", ""),
        "fail",
        "the output holds 'b', which `reject` forbids",
    ),
]


@pytest.mark.parametrize(("settings", "ran", "value", "because"), CASES)
def test_a_command_is_judged_by_its_code_and_its_words(
    settings: dict[str, Any], ran: Ran, value: str, because: str
) -> None:
    gate = Kind(run="check", **settings)
    for verdict in (gate.check(subject(ran)), gate.remember(subject(ran))):
        assert (verdict.value, verdict.because) == (value, because)
        assert verdict.samples["code"] == ran.code


def test_what_is_kept_of_the_output_is_short_and_harmless() -> None:
    verdict = Kind(run="check").check(subject(Ran(0, "\x1b]0;owned\x07" * 1000, "a\nb")))
    assert verdict.samples["out"].isprintable()
    assert len(verdict.samples["out"]) == 300
    assert verdict.samples["err"] == "a b"


@pytest.mark.parametrize(
    "settings",
    [{}, {"run": ""}, {"run": "x", "expect": "("}, {"run": "x", "code": 256}, {"run": "x", "runs": 1}],
)
def test_a_wrong_setting_is_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Kind(**settings)


def test_the_settings_survive_the_journal() -> None:
    settings = Kind.model_validate({"run": "x", "expect": "^a"}).model_dump(mode="json", exclude_unset=True)
    assert settings == {"run": "x", "expect": "^a"}
    assert Kind(**settings).check(subject(Ran(0, "b", ""))).value == "fail"
