"""What people decide about hosts that have not begun, or that wait: approvals, cut soaks, hosts left out, pauses."""

from dataclasses import replace
from typing import Any

import pytest

from rollout.model.event import Kind
from rollout.model.graph import Graph, Need
from rollout.model.people import approvals_before
from rollout.model.plan import Amount, GateRule, Moment, Soak
from rollout.model.seams import Answer
from rollout.model.state import Status
from tests.fleet import a_graph, a_plan
from tests.scheduler.given import CHAIN, Given


def climbed(**changes: Any) -> Graph:
    """a/1 to a/3 are the rungs one, pairs and ramp; a person is asked after the first two. b/1 waits for all of a."""
    graph = a_graph(
        {"a": 3, "b": 1}, replace(a_plan(waves=(Amount(1), Amount(2), Amount(3))), combos=_combos())
    )
    needs = {
        "a/2": (Need(rung="one"), Need(approved="one")),
        "a/3": (Need(rung="pairs"), Need(approved="pairs")),
        "b/1": (Need(combo="a"),),
    }
    rungs = {"a/1": "one", "a/2": "pairs", "a/3": "ramp", "b/1": "ramp"}
    waves = {
        name: replace(wave, needs=needs.get(name, ()), rung=rungs[name]) for name, wave in graph.waves.items()
    }
    return replace(graph, waves=waves, **changes)


def _combos() -> Any:
    from tests.fleet import a_combo

    return (a_combo("a"), a_combo("b"))


@pytest.mark.parametrize(
    ("through", "approved"), [("one", ["one"]), ("pairs", ["one", "pairs"]), ("ramp", []), (None, [])]
)
def test_an_approval_holds_for_its_rung_and_those_before(through: str | None, approved: list[str]) -> None:
    graph = climbed()
    given = Given(graph).tell(
        Kind.APPROVED, because="looks well (ada@x)", through=through, digest=graph.digest
    )
    assert given.state.run.approved == dict.fromkeys(approved, "looks well (ada@x)")


def test_an_approval_of_another_plan_is_none() -> None:
    given = Given(climbed()).tell(Kind.APPROVED, through="pairs", digest="another")
    assert given.state.run.approved == {}


def test_who_approved_first_stays() -> None:
    graph = climbed()
    given = Given(graph)
    for rung, who in (("one", "ada"), ("pairs", "bob")):
        given.tell(Kind.APPROVED, because=who, through=rung, digest=graph.digest)
    assert given.state.run.approved == {"one": "ada", "pairs": "bob"}


@pytest.mark.parametrize(
    ("wave", "before"), [("a/1", ()), ("a/2", ("one",)), ("a/3", ("one", "pairs")), ("b/1", ("one", "pairs"))]
)
def test_the_approvals_that_a_wave_waits_for(wave: str, before: tuple[str, ...]) -> None:
    assert approvals_before(climbed(), wave) == before


def soaking() -> Given:
    """a1 and a2 soak for a day, a3 waits."""
    graph = a_graph({"a": 3}, a_plan(waves=(Amount(2), Amount(3)), soak=Soak(86400, 86400)))
    given = Given(graph).opened("a/1")
    for host in ("a1", "a2"):
        given.did(host, *CHAIN).tell(Kind.SOAKING, host, until=given.now + 86400)
    return given


@pytest.mark.parametrize(
    ("of", "data", "cut"),
    [
        (None, {}, {"a1", "a2"}),
        (None, {"wave": "a/1"}, {"a1", "a2"}),
        (None, {"wave": "a/2"}, set()),
        (None, {"wave": "gone"}, set()),
        ("a2", {}, {"a2"}),
        ("a3", {}, set()),
    ],
)
def test_a_soak_that_is_cut_short_is_over(of: str | None, data: dict[str, Any], cut: set[str]) -> None:
    given = soaking().tell(Kind.PROMOTED, of, **data)
    assert {name for name, host in given.state.hosts.items() if host.promoted} == cut
    assert given.decides() == [f"write host-verified {name}" for name in sorted(cut)] or not cut


def test_whoever_is_let_through_is_verified_with_the_truth() -> None:
    given = soaking().tell(Kind.PROMOTED, "a1")
    assert given.why() == "its gates have passed; a person cut its soak short"
    given.tell(Kind.VERIFIED, "a1")
    assert given.host("a1").status is Status.VERIFIED


def test_a_cut_soak_is_no_pass_its_gates_are_asked() -> None:
    gate = GateRule("ssh", "ssh", Moment("after", "verify"))
    graph = a_graph({"a": 1}, a_plan(gates=(gate,), soak=Soak(60, 60)))
    given = Given(graph).opened("a/1").did("a1", *CHAIN).answered("a1", "ssh", "after verify")
    given.carry_on().tell(Kind.PROMOTED, "a1")
    assert given.decides() == ["ask a1 ssh soak"]
    given.asked("a1", "ssh", "soak").answered("a1", "ssh", "soak", Answer.FAIL)
    assert given.decides() == ["write host-held a1"]


def test_the_next_soak_is_a_whole_one_again() -> None:
    given = soaking().tell(Kind.PROMOTED, "a1").tell(Kind.HELD, "a1").tell(Kind.RETRIED, "a1")
    given.tell(Kind.SOAKING, "a1", until=given.now + 86400)
    assert not given.host("a1").promoted


def test_a_host_that_is_left_out_is_excluded_and_may_be_put_back() -> None:
    given = Given(a_graph({"a": 3}, a_plan(waves=(Amount(3),)))).opened("a/1")
    given.tell(Kind.SKIPPED, "a1", because="its owner is away")
    assert (given.host("a1").status, given.host("a1").because) == (Status.EXCLUDED, "its owner is away")
    assert given.state.left["a"] == 1
    assert "start a1 precheck #1" not in given.decides()
    given.tell(Kind.RETRIED, "a1")
    assert given.host("a1").status is Status.WAITING
    assert given.state.left["a"] == 0
    assert given.decides() == ["start a1 precheck #1"]


@pytest.mark.parametrize("status", ["running", "held", "verified"])
def test_a_host_that_has_begun_is_not_left_out(status: str) -> None:
    given = Given(a_graph({"a": 3})).opened("a/1")
    match status:
        case "running":
            given.began("a1", "precheck")
        case "held":
            given.held("a1")
        case _:
            given.verified("a1")
    assert given.tell(Kind.SKIPPED, "a1").host("a1").status == status


def test_a_host_that_was_taken_back_has_begun() -> None:
    given = Given(a_graph({"a": 3})).opened("a/1").did("a1", "precheck")
    given.tell(Kind.ROLLED_BACK, "a1").tell(Kind.RETRIED, "a1").tell(Kind.SKIPPED, "a1")
    assert given.host("a1").status is Status.WAITING


def test_without_its_canary_nothing_of_a_combo_is_proven() -> None:
    given = Given(a_graph({"a": 3})).opened("a/1").tell(Kind.SKIPPED, "a1").carry_on()
    assert given.decides() == ["stop 3"]
    assert "a/1" not in given.state.run.passed


ASKED = (
    GateRule("first", "ssh", Moment("before", "run")),
    GateRule("second", "ssh", Moment("before", "wave")),
)


def test_a_host_that_is_put_back_answers_what_the_others_were_asked() -> None:
    given = Given(a_graph({"a": 2}, a_plan(waves=(Amount(2),), gates=ASKED)))
    given.carry_on().tell(Kind.SKIPPED, "a1")
    given.answered("a2", "first", "before run").carry_on()
    given.answered("a2", "second", "before wave").carry_on()
    assert given.decides() == ["start a2 precheck #1"]
    given.tell(Kind.RETRIED, "a1")
    assert given.decides() == ["ask a1 first before run"]
    given.answered("a1", "first", "before run")
    assert given.decides() == ["ask a1 second before wave"]
    given.answered("a1", "second", "before wave")
    assert sorted(given.decides()) == ["start a1 precheck #1"]


def test_the_answer_to_a_question_in_flight_changes_nothing_for_a_host_that_was_left_out() -> None:
    given = Given(a_graph({"a": 2}, a_plan(gates=ASKED))).carry_on()
    given.asked("a1", "first", "before run").tell(Kind.SKIPPED, "a1")
    given.answered("a1", "first", "before run", Answer.FAIL)
    assert given.host("a1").status is Status.EXCLUDED
    assert sorted(given.tell(Kind.RETRIED, "a1").decides()) == [
        "ask a1 first before run",
        "ask a2 first before run",
    ]


def test_a_pause_stands_since_it_began() -> None:
    given = Given(a_graph({"a": 1}))
    assert given.state.run.paused_at == 0
    given.tell(Kind.PAUSED, because="lunch", at=100.0).tell(Kind.PAUSED, because="dinner", at=200.0)
    assert (given.state.run.paused, given.state.run.paused_at) == ("dinner", 100.0)
    given.tell(Kind.CONTINUED)
    assert (given.state.run.paused, given.state.run.paused_at) == (None, 0.0)


def test_so_does_the_pause_for_a_suspected_path() -> None:
    given = Given(a_graph({"a": 1})).tell(Kind.SUSPECTED, because="the bastion", path="b", at=100.0)
    given.tell(Kind.SUSPECTED, because="the other", path="c", at=200.0).tell(
        Kind.RESTORED, path="b", at=300.0
    )
    assert (given.state.run.paused, given.state.run.paused_at) == ("the other", 100.0)
    given.tell(Kind.RESTORED, path="c", at=400.0)
    assert (given.state.run.paused, given.state.run.paused_at) == (None, 0.0)
