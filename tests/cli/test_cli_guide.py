"""The operating guide names every command and every exit code."""

import re
from pathlib import Path

from rollout import errors
from rollout.cli import COMMANDS

GUIDE = (Path(__file__).parents[2] / "docs" / "guides" / "operating.md").read_text()


def test_every_command_is_in_the_guide() -> None:
    assert {name for name in COMMANDS if not re.search(rf"`{name}\b|rollout {name}\b", GUIDE)} == {"lab"}, (
        "the lab has a guide of its own"
    )


def test_the_guide_names_no_command_that_does_not_exist() -> None:
    assert set(re.findall(r"rollout ([a-z]+)", GUIDE)) <= {*COMMANDS}


def test_every_exit_code_is_in_the_guide() -> None:
    listed = {
        int(code) for row in re.findall(r"^\| ([\d, ]+) \|", GUIDE, re.MULTILINE) for code in row.split(", ")
    }
    kinds = [
        kind
        for kind in vars(errors).values()
        if isinstance(kind, type) and issubclass(kind, errors.RolloutError)
    ]
    named = {value for name, value in vars(errors).items() if name.isupper() and isinstance(value, int)}
    assert listed == {kind.exit_code for kind in kinds} | named
