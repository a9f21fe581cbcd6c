"""Whatever a file holds, reading it gives a plan or a list of mistakes with their places."""

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from rollout.errors import PlanInvalid, Problem
from rollout.plan import read

FOLDER = Path(__file__).parents[1] / "golden" / "mistakes"
VALID = (FOLDER / "00-valid.yml").read_text()
LINES = VALID.splitlines()
BITS = st.sampled_from(
    [
        *(
            "{",
            "}",
            "[",
            "]",
            ": ",
            "- ",
            "#",
            "&a ",
            "*a",
            "!x ",
            "<<: ",
            "'",
            '"',
            "|",
            ">",
            "%",
            "---\n",
            "...\n",
        ),
        *(
            "\n",
            "\t",
            "  ",
            "~",
            "null",
            "true",
            "NO",
            "0",
            "-1",
            "1e999",
            "0x1f",
            "24.10",
            "💥",
            "\x1b",
            "\u202e",
        ),
        *(
            "\\ud800",
            '"\\ud800"',
            "[]",
            "{}",
            "[[]]",
            "{a: {b: [1, {c: 2}]}}",
            "after",
            "name",
            "100%",
            "101%",
            "1h",
        ),
        *(
            "../../../..",
            "\x00",
            "a" * 300,
            "📦\u2028x",
            "steps",
            "? x",
            "0" * 50,
            "{(list): 1}",
            "{'[key]': x}",
        ),
    ]
)


def _mistakes(path: Path) -> tuple[Problem, ...] | None:
    try:
        read(path)
    except PlanInvalid as error:
        return error.problems
    return None


def _read(folder: Path, text: str) -> None:
    path = folder / "plan.yml"
    path.write_text(text, encoding="utf-8", newline="")
    problems = _mistakes(path)
    assert problems is None or problems
    for problem in problems or ():
        assert problem.place.file == str(path)
        assert 1 <= problem.place.line <= text.count("\n") + text.count("\r") + text.count("\u2028") + 2
        assert problem.place.column >= 1
        assert problem.message.isprintable()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("fuzz")


quiet = settings(
    max_examples=1000 if os.environ.get("ROLLOUT_FULL") else 40,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
    derandomize=True,
)


@quiet
@given(
    edits=st.lists(st.tuples(st.integers(0, len(VALID)), st.integers(0, 12), BITS), min_size=1, max_size=4)
)
@example([(VALID.index("os: debian-13"), 2, "\u202e")])
def test_any_edit_of_a_plan(folder: Path, edits: list[tuple[int, int, str]]) -> None:
    text = VALID
    for at, cut, bit in edits:
        text = text[:at] + bit + text[at + cut :]
    _read(folder, text)


@quiet
@given(order=st.lists(st.integers(0, len(LINES) - 1), max_size=40))
def test_any_order_of_its_lines(folder: Path, order: list[int]) -> None:
    _read(folder, "\n".join(LINES[index] for index in order))


values = st.recursive(
    st.sampled_from(["x", "5", "-1", "5%", "true", "~", "''", "1h", "2e5", "'5'", ".5"]),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3).map(lambda items: f"[{', '.join(items)}]"),
        st.lists(
            st.tuples(st.sampled_from(["name", "os", "sizes", "canary", "combo", "per"]), inner), max_size=3
        ).map(lambda pairs: "{" + ", ".join(f"{key}: {value}" for key, value in pairs) + "}"),
    ),
    max_leaves=6,
)
keys = [
    "rollout",
    "inventory",
    "hosts",
    "factors",
    "combos",
    "steps",
    "waves",
    "limits",
    "otherwise",
    "failures",
    "gates",
]


@quiet
@given(written=st.dictionaries(st.sampled_from(keys), values))
def test_any_value_under_any_key(folder: Path, written: dict[str, str]) -> None:
    _read(folder, "".join(f"{key}: {value}\n" for key, value in written.items()))
