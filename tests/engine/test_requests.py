"""Whatever people ask for, and whenever: the rules hold, the journal and the state agree, and the run comes to an end."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rollout.model.event import Event, Kind
from rollout.model.state import Status
from tests.engine.pestered import Asked, carry_out
from tests.engine.worlds import (
    Case,
    Death,
    Patience,
    a_journal,
    a_world,
    cases,
    check_end,
    check_events,
    check_kept,
    deaths,
)
from tests.fleet import CHAIN, an_engine

pytestmark = pytest.mark.timeout(7200)  # the search for counter-examples may be a long one


OF_HOST = [Kind.RETRIED, Kind.RETIRED, Kind.SKIPPED, Kind.PROMOTED]
OF_RUN = [Kind.PAUSED, Kind.CONTINUED, Kind.ABORTED, Kind.PROMOTED]


@st.composite
def requests(draw: st.DrawFn, case: Case) -> list[Asked]:
    hosts = st.sampled_from(sorted(case.graph.nodes))
    of_host = st.one_of(
        st.builds(Event, st.sampled_from(OF_HOST), st.just("why"), hosts),
        st.builds(
            lambda host, word: Event(Kind.RESOLVED, "why", host, data={"as": word}),
            hosts,
            st.sampled_from(["done", "failed"]),
        ),
    )
    of_run = st.builds(Event, st.sampled_from(OF_RUN), st.just("why"))
    asked = st.tuples(st.integers(1, 80), st.one_of(of_host, of_host, of_run))
    return sorted(draw(st.lists(asked, max_size=8)), key=lambda pair: pair[0])


@st.composite
def pestered(draw: st.DrawFn) -> tuple[Case, list[Asked]]:
    case = draw(cases())
    return case, draw(requests(case))


@given(pestered(), deaths)
def test_requests_at_any_moment(given: tuple[Case, list[Asked]], deaths: list[Death]) -> None:
    case, asked = given
    told = carry_out(case, asked, deaths)
    check_end(case, told)
    check_events(case, told.events)
    assert told.world.overlaps == []
    pardons = Counter(
        event.host for event in told.events if event.kind in {Kind.RETRIED, Kind.RESOLVED} and event.host
    )
    for name in case.graph.nodes:
        for step in CHAIN:
            assert told.world.done[name, step.name] <= 1 + pardons[name], "a finished step was repeated"
            if step.once:
                assert told.world.began[name, step.name] <= 1 + pardons[name], "a `once` step was begun twice"


@given(cases())
def test_a_person_who_answers_for_every_held_host_gets_the_run_to_its_end(case: Case) -> None:
    inbox = Patience(start=1000.0)
    world, journal = a_world(case, inbox), a_journal(case, inbox)
    for _ in range(40):
        engine = an_engine(case.graph, journal, world, inbox)
        stop = engine.run()
        held = [host for host in engine.state.hosts.values() if host.status is Status.HELD or host.harmed]
        if stop.exit_code == 0 or not (held or engine.state.run.paused):
            break
        world.unhealthy = world.mute = frozenset()
        journal.request("run", Event(Kind.CONTINUED, "all is repaired"))
        for host in held:
            journal.request("run", Event(Kind.RETRIED, "all is repaired", host.name))
    check_kept(case, journal, engine.state)
    assert stop.exit_code == 0, stop
    assert {host.status for host in engine.state.hosts.values()} == {Status.VERIFIED}
