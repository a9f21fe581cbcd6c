"""The same property on the databases: dying anywhere, also between an intent and its act, and between an act and its outcome."""

import os
from collections.abc import Iterator

import pytest
from hypothesis import given, settings

from rollout.executors.rehearsal import Fault
from rollout.model.event import Kind
from rollout.model.plan import Amount, Failures, GateRule, Limits, Moment, Soak
from rollout.model.seams import Ending
from rollout.model.state import Status
from tests.engine import shelves
from tests.engine.torn import carry_out, check_rules, ends
from tests.engine.worlds import Case, Death, Told, all_deaths, cases
from tests.fleet import CHAIN, a_combo, a_graph, a_plan
from tests.journal import postgres_server

pytestmark = pytest.mark.timeout(7200)  # the search for counter-examples may be a long one

FULL = bool(os.environ.get("ROLLOUT_FULL"))
EXAMPLES = {"sqlite": 1000 if FULL else 40, "postgresql": 300 if FULL else 12}
"""A server answers ten times for each write: on a busy machine that takes its time."""


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def kind(request: pytest.FixtureRequest) -> Iterator[shelves.Kind]:
    if request.param == "postgresql":
        postgres_server.shared().emptied()
    yield request.param
    if request.param == "postgresql":
        postgres_server.shared().emptied()


def test_a_run_that_dies_ends_as_one_that_does_not(kind: shelves.Kind) -> None:
    """As one that lives to its end, and is kept in memory."""

    @given(cases(), all_deaths)
    @settings(max_examples=EXAMPLES[kind])
    def holds(case: Case, deaths: list[Death]) -> None:
        whole = carry_out(case, [])
        torn = carry_out(case, deaths, kind=kind)
        check_rules(case, torn)
        assert torn.stop.exit_code == whole.stop.exit_code
        assert ends(torn, among=whole) == ends(whole, among=torn)

    holds()


def test_a_lost_machine_costs_only_the_hosts_whose_outcome_cannot_be_known(kind: shelves.Kind) -> None:
    @given(cases(lasting=True), all_deaths)
    @settings(max_examples=EXAMPLES[kind] // 2)
    def holds(case: Case, deaths: list[Death]) -> None:
        whole = carry_out(case, [])
        torn = carry_out(case, deaths, power=False, kind=kind)
        check_rules(case, torn)
        uncertain = {name for name, host in torn.state.hosts.items() if host.uncertain}
        for name in uncertain - {name for name, host in whole.state.hosts.items() if host.uncertain}:
            step = torn.state.hosts[name].step or ""
            planted = (name, step) in case.faults  # the whole run may have been stopped before it came there
            assert step == "upgrade" or planted, "only a `once` step leaves a doubt"

    holds()


def a_case() -> Case:
    """Two hosts to a wave, a gate, a soak, and a step that fails once and is tried again."""
    gate = GateRule("gate", "command", Moment("after", "verify"))
    plan = a_plan(
        a_combo("a"),
        waves=(Amount(1), Amount(100, percent=True)),
        limits=Limits(at_once=Amount(2)),
        failures=Failures(0, 1, None),
        soak=Soak(30.0, 10.0),
        gates=[gate],
    )
    faults = {("a2", "verify"): Fault(Ending.FAILED, 1)}
    return Case(a_graph({"a": 2}, plan), faults, frozenset(), frozenset())


def moments(whole: Told) -> Iterator[Death]:
    """Each moment at which a controller can die: around each write, and after each act."""
    for write in range(1, len(whole.events) + 1):
        yield Death(write, committed=False)
        yield Death(write, committed=True)
    for act in range(1, sum(event.kind is Kind.INTENDED for event in whole.events) + 1):
        yield Death(act, committed=True, acted=True)


def test_there_is_no_moment_at_which_a_death_repeats_or_loses_anything(kind: shelves.Kind) -> None:
    case = a_case()
    whole = carry_out(case, [])
    assert whole.stop.exit_code == 0
    sample = 1 if FULL or kind == "sqlite" else 4
    for death in list(moments(whole))[::sample]:
        torn = carry_out(case, [death], kind=kind)
        check_rules(case, torn)
        assert torn.stop.exit_code == 0, death
        assert {host.status for host in torn.state.hosts.values()} == {Status.VERIFIED}, death
        for host in case.graph.nodes:
            for step in CHAIN:
                began = 2 if (host, step.name) in case.faults else 1
                assert torn.world.began[host, step.name] == began, (death, host, step.name)
                assert torn.world.done[host, step.name] == 1, (death, host, step.name)
