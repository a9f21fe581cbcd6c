"""Design, invariants I1 and I4 to I7: whenever the controller dies, the run ends as if it had not."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rollout.errors import HALTED
from rollout.executors.rehearsal import World
from rollout.model.event import Kind
from rollout.model.seams import Ending, Outcome
from rollout.model.state import Status
from tests.engine.dying import Died, DyingJournal
from tests.engine.worlds import (
    Case,
    Death,
    Patience,
    Told,
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


def carry_out(case: Case, deaths: list[Death], *, power: bool = True) -> Told:
    """One run, its controller dying as told, a new one taking it up each time. Without `power` the machine dies with it."""
    inbox = Patience(start=1000.0)
    world, journal = a_world(case, inbox), a_journal(case, inbox)
    for death in deaths:
        mortal = DyingJournal(journal, death.write, committed=death.committed)
        inbox.forget()
        try:
            engine = an_engine(case.graph, mortal, world, inbox)
            return Told(engine.run(), list(journal.events("run")), world, engine.state)
        except Died:
            if not power:
                lose_power(world)
    inbox.forget()
    engine = an_engine(case.graph, journal, world, inbox)
    stop = engine.run()
    check_kept(case, journal, engine.state)
    return Told(stop, list(journal.events("run")), world, engine.state)


def lose_power(world: World) -> None:
    """What was running here is cut short; the hosts live on, and nothing of it runs there any more."""
    for job in world.jobs.values():
        if job.until > world.now():
            order, job.until = job.order, world.now()
            world.done[order.host, order.step.name] -= job.outcome.ending is Ending.DONE
            world.busy_until.pop(order.host)
            job.outcome = Outcome(
                order.host, order.step.name, order.attempt, Ending.INTERRUPTED, "the power was cut"
            )


def check_rules(case: Case, told: Told) -> None:
    """What must be true of every run."""
    check_events(case, told.events)
    check_end(case, told)
    assert told.world.overlaps == []
    for step in CHAIN:
        for name in case.graph.nodes:
            assert told.world.done[name, step.name] <= 1, "a finished step was repeated"
            if step.once:
                assert told.world.began[name, step.name] <= 1, "I7: a `once` step was begun twice"


@given(cases(), deaths)
def test_a_run_that_dies_ends_as_one_that_does_not(case: Case, deaths: list[Death]) -> None:
    whole = carry_out(case, [])
    check_rules(case, whole)
    torn = carry_out(case, deaths)
    check_rules(case, torn)
    assert torn.stop.exit_code == whole.stop.exit_code
    assert ends(torn, among=whole) == ends(whole, among=torn)


def ends(told: Told, among: Told) -> dict[str, Status]:
    """How each host ended. Once something was stopped, or stalled, only hosts that are settled in both runs can be compared.

    Which of two things that happen in the same instant comes first may change with a death, and so may who still began.
    """
    stopped = any(event.kind in {Kind.TRIPPED, Kind.STUCK} for event in [*told.events, *among.events])
    stopped = stopped or HALTED in {told.stop.exit_code, among.stop.exit_code}
    aside = {Status.WAITING, Status.RUNNING, Status.SOAKING}
    begun = {name for name, host in among.state.hosts.items() if host.status not in aside}
    return {
        name: host.status
        for name, host in told.state.hosts.items()
        if not stopped or (name in begun and host.status not in aside)
    }


@given(
    cases(lasting=True), st.lists(st.builds(Death, st.integers(1, 40), st.booleans()), min_size=1, max_size=4)
)
def test_a_lost_machine_costs_only_the_hosts_whose_outcome_cannot_be_known(
    case: Case, deaths: list[Death]
) -> None:
    whole = carry_out(case, [])
    torn = carry_out(case, deaths, power=False)
    check_rules(case, torn)
    uncertain = {name for name, host in torn.state.hosts.items() if host.uncertain}
    known = {name for name, host in whole.state.hosts.items() if host.uncertain}
    for name in uncertain - known:
        assert torn.state.hosts[name].step == "upgrade", "only a `once` step leaves a doubt"
    if uncertain == known:
        assert torn.stop.exit_code == whole.stop.exit_code
        assert ends(torn, among=whole) == ends(whole, among=torn)
