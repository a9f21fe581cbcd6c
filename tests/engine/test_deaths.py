"""A step whose process dies while the controller lives: it goes on where the host's guard kept it, a few times, then a person is asked."""

import pytest

from rollout.engine.loop import DEATHS
from rollout.executors.rehearsal import Fault, World
from rollout.journal.memory import MemoryJournal
from rollout.model.event import Event, Kind
from rollout.model.fold import apply
from rollout.model.seams import Ending
from rollout.model.state import State, Status
from tests.engine.dying import Died, DyingJournal
from tests.engine.worlds import Patience
from tests.fleet import a_combo, a_graph, a_plan, an_engine


def carry_out(
    times: int, ending: Ending = Ending.RESUMABLE, *, deaths: int = 0
) -> tuple[State, World, MemoryJournal]:
    """One host whose upgrade comes to that ending so often. The controller dies too, after each of its first writes."""
    graph, inbox = a_graph({"a": 1}, a_plan(a_combo("a"))), Patience(1000.0)
    world = World(inbox.now, faults={("a1", "upgrade"): Fault(ending, times)})
    journal = MemoryJournal(inbox.now)
    journal.create("run", graph, plan_file="plan.yml", created_by="test")
    for write in range(1, deaths + 1):
        inbox.forget()
        with pytest.raises(Died):
            an_engine(graph, DyingJournal(journal, write, committed=True), world, inbox).run()
    inbox.forget()
    engine = an_engine(graph, journal, world, inbox)
    engine.run()
    return engine.state, world, journal


@pytest.mark.parametrize("times", [1, DEATHS])
def test_a_guarded_step_goes_on_where_it_was_and_counts_no_failure(times: int) -> None:
    state, world, journal = carry_out(times)
    host = state.hosts["a1"]
    assert (host.status, host.harmed, host.deaths) == (Status.VERIFIED, False, 0)
    assert world.began["a1", "upgrade"] == times + 1
    assert world.done["a1", "upgrade"] == 1
    begun = [
        event.because
        for event in journal.events("run")
        if event.kind is Kind.INTENDED and event.step == "upgrade"
    ]
    assert begun[1:] == [
        f"upgrade goes on where its guard kept it: its process died ({count} times so far)"
        for count in range(1, times + 1)
    ]


def test_what_kills_it_again_and_again_is_for_a_person() -> None:
    state, world, _ = carry_out(DEATHS + 5)
    host = state.hosts["a1"]
    assert (host.status, host.uncertain, host.slot) == (Status.HELD, True, True)
    assert world.began["a1", "upgrade"] == DEATHS + 1


@pytest.mark.parametrize("deaths", range(1, 7))
def test_the_count_outlives_its_controller(deaths: int) -> None:
    state, world, _ = carry_out(99, deaths=deaths)
    assert state.hosts["a1"].status is Status.HELD
    assert world.began["a1", "upgrade"] <= DEATHS + 2


@pytest.mark.parametrize("ending", [Ending.INTERRUPTED, Ending.UNKNOWN])
def test_a_once_step_that_no_guard_keeps_is_held_at_once(ending: Ending) -> None:
    state, world, _ = carry_out(1, ending)
    assert (state.hosts["a1"].status, state.hosts["a1"].uncertain) == (Status.HELD, True)
    assert world.began["a1", "upgrade"] == 1


def test_what_died_with_its_controller_is_not_counted() -> None:
    state = State(a_graph({"a": 1}))
    for taken_up, counted in ((True, 0), (False, 1)):
        apply(state, Event(Kind.INTENDED, "", "a1", "upgrade", 1, {"slots": []}))
        data = {"ending": str(Ending.RESUMABLE), "taken_up": taken_up}
        apply(state, Event(Kind.VOID, "", "a1", "upgrade", 1, data))
        assert state.hosts["a1"].deaths == counted
