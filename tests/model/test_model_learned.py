"""How long things take: the plan's word, then an earlier run's, then this run's own."""

import json

import pytest

from rollout.model.event import Kind
from rollout.model.graph import Graph
from rollout.model.learned import ENOUGH, LATE, USUAL, Learned, Lesson
from rollout.model.plan import Amount, Limits
from rollout.model.state import State
from tests.fleet import CHAIN, a_graph, a_plan
from tests.scheduler.given import Given


def a_graph_of(hosts: int) -> Graph:
    return a_graph({"a": hosts}, a_plan(waves=[Amount(100, percent=True)], limits=Limits(Amount(50))))


def of_precheck(state: State, quantile: float) -> float:
    return state.learned.of_step(state.graph.combos["a"], CHAIN[0], quantile)


def with_durations(*seconds: float, graph: Graph | None = None) -> Given:
    """So many hosts did their precheck, each in so many seconds."""
    given = Given(graph or a_graph_of(len(seconds))).opened("a/1")
    for number, each in enumerate(seconds, 1):
        given.began(f"a{number}", "precheck")
        given.tell(Kind.DONE, f"a{number}", "precheck", at=given.now + each)
    return given


def test_the_plan_is_believed_until_enough_hosts_have_shown_better() -> None:
    assert of_precheck(with_durations(*[99.0] * (ENOUGH - 1)).state, LATE) == CHAIN[0].expect
    assert of_precheck(with_durations(*[99.0] * ENOUGH).state, LATE) == 99.0


def test_half_and_nine_tenths() -> None:
    state = with_durations(*(float(number) for number in range(1, 21))).state
    assert (of_precheck(state, USUAL), of_precheck(state, LATE)) == (11.0, 19.0)


def test_what_was_learned_is_what_the_hosts_say() -> None:
    given = with_durations(*[7.0] * 9).began("a1", "precheck")
    given.tell(Kind.DONE, "a1", "precheck", at=given.now + 70)
    rebuilt = State(given.graph, given.state.run, given.state.hosts)
    assert of_precheck(rebuilt, 1.0) == of_precheck(given.state, 1.0) == 70.0
    assert rebuilt.learned.count("a", "precheck") == given.state.learned.count("a", "precheck") == 9


def test_an_earlier_run_teaches_the_next_one() -> None:
    state = with_durations(*(float(number) for number in range(1, 21))).state
    lesson = Lesson(state.learned.of_earlier_runs(), {"a2": 1234.0})
    graph = lesson.taught(a_graph_of(3))
    assert of_precheck(State(graph), USUAL) == 11.0
    assert of_precheck(State(graph), LATE) == 19.0
    usual = 11.0 + sum(step.expect for step in CHAIN[1:])
    assert [node.expect for node in graph.nodes.values()] == [usual, 1234.0, usual]
    assert State(graph).waiting.kins() == []
    assert Given(graph).opened("a/1").decides() == ["start a2 precheck #1"]


def test_estimates_are_kept_with_the_graph() -> None:
    graph = Lesson({"a": {"precheck": (1.0, 2.0)}}).taught(a_graph_of(2))
    assert Graph.from_json(json.loads(json.dumps(graph.to_json()))) == graph


def test_what_is_taken_away_was_there() -> None:
    learned = Learned()
    learned.add("a", "precheck", 3.0)
    learned.remove("a", "precheck", 3.0)
    assert learned.count("a", "precheck") == 0
    with pytest.raises(KeyError):
        learned.remove("b", "precheck", 3.0)
