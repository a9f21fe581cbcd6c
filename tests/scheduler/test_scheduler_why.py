"""The sentence for each place where a host can be."""

from dataclasses import replace
from typing import Any

import pytest

from rollout.model.decision import Stop
from rollout.model.event import Kind
from rollout.model.graph import Graph, Untouched
from rollout.model.plan import After, Amount, Limits
from rollout.model.state import HostState, RunState, State, Status
from rollout.scheduler.why import explain
from tests.fleet import a_combo, a_graph, a_plan
from tests.model.test_model_people import climbed
from tests.scheduler.given import Given

RUNNING, WAITING, SOAKING, HELD = Status.RUNNING, Status.WAITING, Status.SOAKING, Status.HELD


NOW = 60.0


def a_world() -> Graph:
    """a/1 = a1, a/2 = a2 a3; b waits for a's canary. One rack, one host at a time in it."""
    plan = a_plan(
        a_combo("a"),
        a_combo("b", after=[After("a", "canaries")]),
        limits=Limits(Amount(4), {"rack": Amount(1)}),
    )
    graph = a_graph({"a": 3, "b": 1}, plan, racks=1)
    return replace(graph, untouched=(Untouched("x", "excluded", "no combo matches it"),))


def said(host: str, *hosts: HostState, **run: Any) -> str:
    graph = a_world()
    state = State(graph, RunState(**run), {at.name: at for at in hosts})
    return explain(graph, state, host, NOW)


OPENED = {"a/1": 1.0}
HOLDER = HostState(
    "a1",
    RUNNING,
    passed="precheck",
    step="upgrade",
    attempt=2,
    open=True,
    slot=True,
    because="its slot is free",
)


@pytest.mark.parametrize(
    ("sentence", "text"),
    [
        (said("x"), "x is excluded and not touched by this run: no combo matches it"),
        (said("a2"), "a2 (wave a/2) waits: its wave opens later: wave a/1 has not passed"),
        (said("b1"), "b1 (wave b/1) waits: its wave opens later: wave a/1 has not passed"),
        (
            said("a1"),
            "a1 (wave a/1) waits: its wave opens later: the gates before it are to be answered, or a controller is to look",
        ),
        (said("a1", opened=OPENED), "a1 (wave a/1) waits: it is its turn as soon as the controller looks"),
        (
            said("a1", opened=OPENED, paused="lunch"),
            "a1 (wave a/1) waits: nothing may begin: the run is paused: lunch; `rollout resume` goes on",
        ),
        (said("a1", tripped={"a": "a: 1 failed"}), "waits: nothing may begin: a: 1 failed"),
        (said("a1", tripped={"b": "b: 1 failed"}, opened=OPENED), "it is its turn"),
        (
            said("a1", HostState("a1", stuck=True, because="no answer")),
            "a gate could not find out: no answer",
        ),
        (said("a1", HostState("a1", asking=True)), "a gate is asked about it"),
        (
            said("a2", HOLDER, opened={"a/1": 1.0, "a/2": 1.0}, passed={"a/1": 1.0}),
            "a2 (wave a/2) waits: limit rack=r0 is full (1 of 1: a1 running)",
        ),
        (
            said("a1", HOLDER),
            "a1 (wave a/1) is under way: upgrade is running (attempt 2), because its slot is free",
        ),
        (
            said(
                "a1",
                HostState(
                    "a1",
                    RUNNING,
                    passed="reboot",
                    step="verify",
                    slot=True,
                    not_before=86_399.0,
                    because="verify failed",
                ),
            ),
            "a1 (wave a/1) is under way: verify failed (not before 23:59 UTC, in 23 h 58 min)",
        ),
        (
            said("a2", HOLDER, HostState("a2", RUNNING, passed="precheck"), opened={"a/1": 1.0, "a/2": 1.0}),
            "precheck is done; upgrade waits: limit rack=r0 is full (1 of 1: a1 running)",
        ),
        (
            said("a1", HostState("a1", RUNNING, passed="upgrade", slot=True)),
            "upgrade is done; reboot is next",
        ),
        (
            said("a1", HostState("a1", RUNNING, passed="verify", slot=True)),
            "verify is done; its gates are asked",
        ),
        (
            said("a1", HostState("a1", SOAKING, not_before=3_600.0, because="healthy")),
            "a1 (wave a/1) soaks until 01:00 UTC, in 59 min: healthy; then its gates are asked again; ",
        ),
        (
            said("a1", HostState("a1", HELD, slot=True, because="dead")),
            "a1 (wave a/1) is held: dead; it keeps its place in fleet, rack=r0 until a person releases it",
        ),
        (
            said("a1", HostState("a1", HELD, because="dead")),
            "a1 (wave a/1) is held: dead; it takes no place in the limits; ",
        ),
        (said("a1", HostState("a1", Status.VERIFIED, because="well")), "a1 (wave a/1) is verified: well"),
    ],
)
def test_why(sentence: str, text: str) -> None:
    assert text in sentence


def test_a_host_that_nobody_knows() -> None:
    with pytest.raises(KeyError):
        said("zz")


def test_a_run_that_waits_for_nothing_but_an_approval_ends_with_7() -> None:
    graph = climbed()
    given = Given(graph).opened("a/1").verified("a1").passed("a/1")
    (stop,) = given.decide()
    assert isinstance(stop, Stop)
    assert stop.exit_code == 7
    assert stop.because == (
        "approval missing: what comes after one waits for an approval: 1 of 1 hosts up to there are verified, 3 come after; look at them, "
        "then `rollout approve --through one --reason WHY`, then `rollout resume` (1 verified, 0 held, 3 not started)"
    )
    assert explain(graph, given.state, "a2", given.now).startswith(
        "a2 (wave a/2) waits: its wave opens later: what comes after one waits for an approval: "
    )
    given.tell(Kind.APPROVED, through="one", digest=graph.digest)
    assert given.decides() == ["write wave-opened a/2"]


def test_a_breaker_is_more_than_a_missing_approval() -> None:
    given = Given(climbed()).opened("a/1", "b/1").verified("a1").passed("a/1").held("b1").carry_on()
    (stop,) = given.decide()
    assert isinstance(stop, Stop)
    assert stop.exit_code == 3


def test_credit_is_told_with_its_numbers_and_when_the_next_is_verified() -> None:
    graph = replace(a_graph({"a": 4}, a_plan(waves=(Amount(4),), limits=Limits(Amount(9)))), harm=3.0)
    given = Given(graph).opened("a/1").verified("a1").did("a2", "precheck").did("a3", "precheck")
    given.began("a2", "upgrade")
    assert explain(graph, given.state, "a3", given.now) == (
        "a3 (wave a/1) is under way: precheck is done; upgrade waits: credit: 1 host is verified in all, so 1 may be in flight beyond proof; "
        "1 is; the next begins when one of them is verified (expected: a2, at 00:19 UTC, in 2 min)"
    )
    assert explain(graph, given.state, "a2", given.now).endswith(
        "; expected to be verified at 00:19 UTC, in 2 min"
    )
