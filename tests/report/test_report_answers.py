"""A gate's samples in words: whatever a kind puts there, it is short, harmless and true."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rollout.model.event import Event, Kind
from rollout.report import answers

SCALARS = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), st.text(max_size=20))
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=5), st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=8,
)
NAMES = st.sampled_from(
    ["value", "query", "from", "to", "series", "upgraded", "controls", "limit", "\x1b[2J"]
)


@pytest.mark.parametrize(
    ("series", "drawn"),
    [
        ([0, 1, 2, 3, 4, 5, 6, 7], "▁▂▃▄▅▆▇█"),
        ([3, 3, 3], "▁▁▁"),
        ([-1, 1], "▁█"),
        ([0] * 400 + [9] + [0] * 399, "▁" * 20 + "█" + "▁" * 19),
        ([1e308, -1e308], "█▁"),
    ],
)
def test_a_line_of_bars(series: list[float], drawn: str) -> None:
    assert answers.sparkline(series) == drawn


def test_without_block_characters_it_is_ascii() -> None:
    assert answers.sparkline([0, 1, 2, 3, 4, 5, 6, 7], bars=answers.ASCII_BARS) == "_.-~=+*#"
    (line,) = answers.lines({"series": [1, 2]}, drawn=False)
    assert line == "_# 1 .. 2"


@pytest.mark.parametrize(
    ("encoding", "terminal", "can"),
    [("utf-8", "xterm", True), ("ascii", "xterm", False), (None, "xterm", False), ("utf-8", "dumb", False)],
)
def test_what_a_terminal_can_show(encoding: str | None, terminal: str, can: bool) -> None:
    assert answers.can_draw(encoding, {"TERM": terminal}) is can


@pytest.mark.parametrize(
    ("samples", "line"),
    [
        ({"value": 2.5, "limit": 1}, "value 2.5, limit 1"),
        ({"limit": 1, "value": 1234567.0}, "value 1234567, limit 1"),
        ({"from": 0, "to": 60}, "at 1970-01-01 00:01:00Z"),
        ({"from": 86340, "to": 86460}, "from 1970-01-01 23:59:00Z to 1970-01-02 00:01:00Z"),
        ({"from": 10, "to": 20, "controls": 3}, "from 1970-01-01 00:00:10Z to 00:00:20Z, 3 to compare with"),
        ({"from": "x", "to": 1e300}, None),
        ({"series": "abc"}, None),
        ({"series": [True, "x", None]}, None),
        ({"things": 7, "packed": "c-oy-U2m"}, "things 7"),
    ],
)
def test_samples_in_words(samples: dict[str, Any], line: str | None) -> None:
    assert answers.lines(samples) == ([] if line is None else [line])


@given(st.dictionaries(NAMES, VALUES, max_size=8), st.text(max_size=30))
def test_whatever_a_gate_saw_is_a_few_harmless_short_lines(samples: dict[str, Any], link: str) -> None:
    data = {
        "gate": "g",
        "moment": "during",
        "about": "rack=r\x1b",
        "value": "fail",
        "samples": samples,
        "link": link,
    }
    event = Event(Kind.ANSWERED, "because \x07", None, data=data, seq=3, at=5.0)
    found = [*answers.told(event), *answers.told(event, drawn=False), *answers.lines(samples, link)]
    assert all(line.isprintable() for line in found)
    assert all(len(line) < 3000 for line in found)
    assert len(found) <= 18
    assert all(cell.isprintable() for row in answers.rows(samples, link) for cell in row)
    assert json.loads(json.dumps(answers.as_json(event)))["about"] == "rack=r\x1b"
