"""The fold: what each fact makes of a host and of the run, and that nothing else is needed to know where it stands."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rollout.model.chain import Step
from rollout.model.event import REQUESTS, UNWRITTEN, Event, Kind
from rollout.model.fold import apply
from rollout.model.graph import Combo
from rollout.model.state import HostState, State, Status
from tests.fleet import CHAIN, a_graph
from tests.scheduler.given import Given

values = st.builds(
    HostState,
    name=st.text(),
    status=st.sampled_from(Status),
    passed=st.none() | st.text(),
    attempt=st.integers(0, 99),
    tries=st.integers(0, 9),
    open=st.booleans(),
    slot=st.booleans(),
    fresh=st.booleans(),
    harmed=st.booleans(),
    uncertain=st.booleans(),
    ending=st.none() | st.text(min_size=1),
    not_before=st.floats(0, 2e9),
    because=st.text(),
    answered=st.dictionaries(st.text(), st.floats(0, 2e9)),
    remembered=st.dictionaries(st.text(), st.integers(min_value=1)),
)


@given(values)
def test_a_host_comes_back_from_json_as_it_was(host: HostState) -> None:
    if host.passed == "":
        host.passed = None
    assert HostState.from_json(json.loads(json.dumps(host.to_json()))) == host


def test_what_only_the_asking_controller_knows_is_not_written() -> None:
    host = HostState("h1", asking=True, reserved=True)
    assert host.to_json() == {"name": "h1", "status": "waiting"}


def test_every_kind_of_event_is_folded() -> None:
    for kind in Kind:
        graph = a_graph({"a": 1})
        data = {
            "wave": "a/1",
            "moment": "after wave",
            "gate": "g",
            "value": "pass",
            "ending": "failed",
            "not_before": 1.0,
            "until": 1.0,
            "path": "as root",
            "as": "done",
            "found": {"state": "open"},
        }
        of_run = {Kind.TAKEN_UP, Kind.ROUND, Kind.OPENED, Kind.PASSED, Kind.TRIPPED, Kind.RESET, Kind.ENDED}
        of_run |= {Kind.SUSPECTED, Kind.RESTORED, Kind.PAUSED, Kind.CONTINUED, Kind.ABORTED, Kind.APPROVED}
        of_run |= {Kind.AMENDED, Kind.WAIVED, Kind.STILL}
        state = State(graph)
        apply(state, Event(kind, "why", None if kind in of_run else "a1", "precheck", 1, data, 7, 5.0))
        assert (state.run.seq, state.run.at) == (7, 5.0)


def test_requests_and_what_is_never_written_are_apart() -> None:
    assert not REQUESTS & UNWRITTEN


def test_an_event_about_a_host_that_the_graph_does_not_have_changes_nothing() -> None:
    state = State(a_graph({"a": 1}))
    assert apply(state, Event(Kind.HELD, host="elsewhere")) == ()


def test_attempts_never_go_back_so_no_two_orders_share_a_name() -> None:
    given = Given(a_graph({"a": 1})).opened("a/1")
    seen = []
    for step in ("precheck", "upgrade"):
        given.failed("a1", step)
        seen.append(given.host("a1").attempt)
        given.tell(Kind.HELD, "a1").tell(Kind.RETRIED, "a1").did("a1", step)
        seen.append(given.host("a1").attempt)
    assert seen == [1, 2, 3, 4]


@pytest.mark.parametrize(
    ("passed", "following"),
    [(None, "precheck"), ("precheck", "upgrade"), ("reboot", "verify"), ("verify", None)],
)
def test_the_step_that_follows(passed: str | None, following: str | None) -> None:
    step = Combo("a", CHAIN, {}, 1).following(passed)
    assert (step.name if step else None) == following


@pytest.mark.parametrize(
    ("step", "holds"), [("precheck", False), ("upgrade", True), ("reboot", True), ("verify", True)]
)
def test_the_slot_is_held_from_the_first_disruptive_step_to_the_end(step: str, holds: bool) -> None:
    assert Combo("a", CHAIN, {}, 1).holds_slot(step) is holds
    assert Combo("a", CHAIN, {}, 1).first_disruptive == "upgrade"


@pytest.mark.parametrize(
    ("step", "needs"),
    [
        (Step("s"), False),
        (Step("s", drain="nova"), True),
        (Step("s", once=True), True),
        (Step("s", disruptive=True), True),
        (Step("s", reopen="nova"), False),
    ],
)
def test_which_steps_need_a_slot(step: Step, needs: bool) -> None:
    assert step.needs_slot is needs
