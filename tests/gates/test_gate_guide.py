"""The guide's own example, run."""

import re
from pathlib import Path
from typing import Any

from rollout.model.seams import Answer, Ran
from rollout.ssh import options
from tests.gates.any_connection import subject

GUIDE = (Path(__file__).parents[2] / "docs/guides/gates.md").read_text()


def test_the_example_gate_does_what_its_test_says() -> None:
    names: dict[str, Any] = {}
    for block in re.findall(r"```python\n(.*?)```", GUIDE, re.DOTALL):
        exec(block, names)
    names["test_a_full_disk_fails"]()
    for out, expected in (("5000\n", Answer.PASS), ("df: nothing\n", Answer.INCONCLUSIVE)):
        assert names["Kind"]().check(subject(Ran(0, out, ""))).value is expected


def test_every_honoured_option_is_listed() -> None:
    listed = re.search(r"and `-o` with (.*?)\.\n", GUIDE, re.DOTALL)
    assert listed
    assert set(re.split(r",\s+", listed[1].lower())) == options.HONOURED
    assert set(options.WITH_VALUE) | {"F"} | options.SWITCHES_HONOURED == set(
        re.findall(r"-(\w)\b", re.search(r"`(-F [^`]*)`", GUIDE)[1])  # type: ignore[index]
    )
