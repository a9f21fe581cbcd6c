"""YAML 1.2: what a scalar is, and where it stands."""

import pytest

from rollout.plan.text import Node, Scalar, parse


def _one(text: str) -> Node:
    root, problems = parse(f"key: {text}\n", "plan.yml")
    assert root is not None
    assert problems == []
    return root.entries["key"]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("NO", "NO"),
        ("no", "no"),
        ("yes", "yes"),
        ("on", "on"),
        ("Off", "Off"),
        ("y", "y"),
        ("true", True),
        ("True", True),
        ("FALSE", False),
        ("tRUE", "tRUE"),
        ("null", None),
        ("~", None),
        ("", None),
        ("nULL", "nULL"),
        ("5", 5),
        ("+5", 5),
        ("-5", -5),
        ("007", 7),
        ("017", 17),
        ("0o17", 15),
        ("0x1F", 31),
        ("0b11", "0b11"),
        ("1_000", "1_000"),
        ("1,000", "1,000"),
        ("22:00", "22:00"),
        ("22:00:30", "22:00:30"),
        ("190:20:30", "190:20:30"),
        ("24.10", 24.10),
        ("24.10.1", "24.10.1"),
        ("1e3", 1000.0),
        ("1.5e-1", 0.15),
        (".5", 0.5),
        ("5.", 5.0),
        (".inf", ".inf"),
        (".nan", ".nan"),
        ("1e999", "1e999"),
        ("9" * 30, "9" * 30),
        ("2026-11-22", "2026-11-22"),
        ("2026-11-22 16:00:00", "2026-11-22 16:00:00"),
        ("00:11:22:33:44:55", "00:11:22:33:44:55"),
        ("5e:00:00:00:00:01", "5e:00:00:00:00:01"),
        ("12e03", 12000.0),
        ("=", "="),
        ("'5'", "5"),
        ('"true"', "true"),
        ("'24.10'", "24.10"),
        ("a # b", "a"),
    ],
)
def test_a_scalar_is_what_it_looks_like(text: str, value: Scalar) -> None:
    found = _one(text).scalar
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize("text", ["24.10", "0o17", "007", "1e3", "True"])
def test_a_scalar_keeps_the_text_that_was_written(text: str) -> None:
    assert _one(text).text == text


def test_keys_are_always_text() -> None:
    root, _ = parse("NO: 1\n24.10: 2\ntrue: 3\n", "plan.yml")
    assert root is not None
    assert list(root.entries) == ["NO", "24.10", "true"]


def test_columns_count_characters_from_one() -> None:
    root, _ = parse('\ufeff# ü\nä: {"日本": x}\n', "plan.yml")
    assert root is not None
    node = root.entries["ä"].entries["日本"]
    assert str(node.key) == "plan.yml:2:5"
    assert str(node.place) == "plan.yml:2:11"


def test_an_alias_is_a_copy_that_points_at_what_was_written() -> None:
    root, problems = parse("a: &x {b: 1}\nc: *x\n", "plan.yml")
    assert root is not None
    assert problems == []
    assert root.value == {"a": {"b": 1}, "c": {"b": 1}}
    assert root.entries["c"].entries["b"] is not root.entries["a"].entries["b"]
    assert str(root.entries["c"].key) == "plan.yml:2:1"
    assert str(root.entries["c"].entries["b"].place) == "plan.yml:1:11"


@pytest.mark.parametrize("bracket", ["[", "{a: ", "- "])
def test_no_depth_breaks_the_reader(bracket: str) -> None:
    root, problems = parse(bracket * 100_000, "plan.yml")
    assert root is None
    assert len(problems) == 1
