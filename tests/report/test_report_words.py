"""Words for people: whatever comes from outside, what is printed is one harmless line."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rollout.cli import resolve
from rollout.model.event import Event, Kind
from rollout.report import changes, events, standing
from rollout.report.plain import clock, counted, listed, plain, spoken, stamp, table
from tests.fleet import a_fleet, a_graph

anything = st.text(st.characters(exclude_categories=()), max_size=30)


@given(anything)
def test_plain_text_is_printable_whatever_it_was(text: str) -> None:
    assert plain(text).isprintable()


@given(st.text(st.characters(categories=["L", "N", "P"])))
def test_harmless_text_stays_as_it_is(text: str) -> None:
    assert plain(text, 10**6) == text


def test_long_text_is_cut() -> None:
    assert plain("x" * 500, 10) == "xxxxxxx..."
    assert len(plain("\x00" * 10**6)) < 2000


@given(
    st.sampled_from(Kind),
    anything,
    anything,
    st.dictionaries(st.sampled_from(["gate", "moment", "value", "as", "ending"]), anything),
)
def test_every_event_has_words_and_is_one_line(
    kind: Kind, because: str, host: str, data: dict[str, str]
) -> None:
    event = Event(kind, because, host or None, "verify", 1, data, 7, 1_700_000_000.25)
    line = events.line(event, 5)
    assert line.isprintable()
    assert line.startswith("22:13:20Z  ")
    assert events.what(event)
    assert json.loads(events.as_json(event))["event"] == str(kind)
    assert events.as_json(event).isascii()


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0, "0s"), (-3, "0s"), (59.6, "1m"), (90, "1m30s"), (3600, "1h"), (5400, "1h30m"), (90061, "1d1h")],
)
def test_durations(seconds: float, words: str) -> None:
    assert spoken(seconds) == words


def test_times_are_utc_and_say_so() -> None:
    assert (stamp(1_700_000_000), clock(1_700_000_000)) == ("2023-11-14 22:13:20Z", "22:13:20Z")


def test_lists_and_numbers() -> None:
    assert listed(["a", "b"]) == "a, b"
    assert listed("abcdefg", 2) == "a, b and 5 more"
    assert (counted(1, "host"), counted(0, "host"), counted(2, "canary", "canaries")) == (
        "1 host",
        "0 hosts",
        "2 canaries",
    )
    assert table([["a", "bb", "c"], ["aaa", "b", ""]]) == ["  a    bb  c", "  aaa  b"]
    assert table([]) == []


def test_what_has_changed_is_named_file_by_file() -> None:
    before = {"plan": "1", "a.yml": "1", "b.yml": "1", "hosts": "1"}
    now = {"plan": "2", "a.yml": "1", "c.yml": "1", "hosts": "2"}
    assert changes.parts(before, now) == ["b.yml is gone", "c.yml is new", "the plan file has changed"]


def test_a_held_host_is_released_in_each_way_that_resolve_knows() -> None:
    assert sorted(standing.others().split("--as ")[1].split()[0].split("|")) == sorted(resolve.THEN)


def test_a_host_that_was_not_to_be_touched_is_not_new() -> None:
    graph = a_graph({"a": 2})
    assert changes.hosts(graph, a_fleet({"a": 3})).new == ("a3",)
    there = changes.hosts(graph, a_fleet({"a": 2}, os="new"))
    assert set(there.gone) == {"a1", "a2"}
    assert there.gone["a1"].endswith("os was old, is new")


def test_two_compilations_that_differ_in_order_alone_still_say_something() -> None:
    graph = a_graph({"a": 2})
    from dataclasses import replace

    assert changes.graphs(graph, graph) == []
    assert changes.graphs(graph, replace(graph, digest="other")) == [
        "hosts that are not touched, or their order in the inventory, have changed"
    ]
