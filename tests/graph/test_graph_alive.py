"""No plan waits for itself: whatever is waited for, and however the fleet is cut, a run without a failure comes to its end."""

import networkx as nx
from hypothesis import given

from rollout.errors import DONE
from rollout.executors.rehearsal import World
from rollout.journal.memory import MemoryJournal
from rollout.model.fleet import Host
from rollout.model.graph import Graph
from rollout.model.plan import Plan
from tests.engine.worlds import Patience
from tests.fleet import an_engine
from tests.graph.ladders import any_plans, compiled, fleets, waits


def _ends(graph: Graph) -> tuple[int, str]:
    inbox = Patience(1000.0)
    journal = MemoryJournal(inbox.now)
    journal.create("run", graph, plan_file="plan.yml", created_by="test")
    stop = an_engine(graph, journal, World(inbox.now), inbox).run()
    return stop.exit_code, stop.because


@given(any_plans(), fleets())
def test_no_wave_waits_for_itself(plan: Plan, fleet: list[Host]) -> None:
    graph = compiled(plan, fleet)
    assert nx.is_directed_acyclic_graph(waits(graph))
    order = list(graph.waves)
    for later, earlier in waits(graph).edges:
        assert order.index(earlier) < order.index(later), "waves stand in the order of what they wait for"


@given(any_plans(), fleets())
def test_a_healthy_run_of_any_plan_ends(plan: Plan, fleet: list[Host]) -> None:
    graph = compiled(plan, fleet)
    assert _ends(graph) == (DONE, f"finished: {len(fleet)} verified, 0 held, 0 not started")
