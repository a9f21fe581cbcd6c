"""The guide to writing a plan says what the commands do."""

import re
from pathlib import Path

import click

from rollout.cli import COMMANDS, doctor, validate
from rollout.plan import published
from rollout.plan.text import parse

GUIDE = (Path(__file__).parents[2] / "docs" / "guides" / "writing-a-plan.md").read_text()


def test_every_format_of_validate_is_told() -> None:
    form = next(option for option in validate.command.params if option.name == "form")
    assert isinstance(form.type, click.Choice)
    assert set(re.findall(r"^\| `(\w+)` \|", GUIDE, re.MULTILINE)) == set(form.type.choices)


def test_every_part_that_the_doctor_looks_at_is_told() -> None:
    parts = {"plan", *doctor._checks(reach=False)}
    assert parts <= set(re.findall(r"^\| (\w+) \|", GUIDE, re.MULTILINE))


def test_the_commands_of_the_guide_exist() -> None:
    assert set(re.findall(r"(?:^|`)rollout ([a-z]+)", GUIDE, re.MULTILINE)) <= {*COMMANDS}
    assert set(re.findall(r"rollout schema (\w+)", GUIDE)) <= {*published.WHAT}


def test_what_the_guide_puts_in_quotes_is_text() -> None:
    block = next(text for text in GUIDE.split("```yaml\n") if text.startswith("require:")).split("```")[0]
    root, problems = parse(block, "plan.yml")
    assert root is not None
    assert not problems
    assert root.value == {
        "require": {"bios": ">=1.9.2,<2", "nic_driver": "!=5.0*"},
        "pilots": ["*-lab", "lab1"],
    }
