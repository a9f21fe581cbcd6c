"""Known errors in whole rehearsed runs: what halts one part, goes on when a person has answered, and who may be begun."""

from collections.abc import Mapping
from dataclasses import replace

import pytest

from rollout.engine.inbox import VirtualInbox
from rollout.errors import DONE, HALTED
from rollout.executors.rehearsal import Fault, World
from rollout.graph import compile_graph
from rollout.journal.memory import MemoryJournal
from rollout.model.event import Event, Kind
from rollout.model.fleet import Fleet
from rollout.model.graph import Graph
from rollout.model.plan import Amount, Failures, Limits, Risk
from rollout.model.seams import Ending
from rollout.model.verdict import Given, Waiver
from tests.fleet import a_combo, a_fleet, a_plan, an_engine

HALTS = Risk("nic", "mlx5_core", "halt", halts="rack", link="OPS-7")
CONCERNED = ("a2", "a5", "a8")
BROKEN = Fault(Ending.FAILED, 1, "mlx5_core: firmware timeout")


def a_world(*risks: Risk, waivers: tuple[Waiver, ...] = (), today: str = "2026-11-23") -> Graph:
    """Nine hosts in three racks; those of rack r2 have the card. Failures are tolerated."""
    plan = a_plan(
        a_combo("a"),
        waves=[Amount(100, percent=True)],
        limits=Limits(at_once=Amount(2)),
        failures=Failures(canary=9, combo=9, run=9),
    )
    hosts = (
        replace(host, facts={"nic": ("mlx5" if host.name in CONCERNED else "e1000",)})
        for host in a_fleet({"a": 9}, racks=3).hosts
    )
    fleet = Fleet(tuple(hosts))
    return compile_graph(
        replace(plan, risks=risks, waivers=waivers), fleet, {"plan": "p"}, given=Given(today=today)
    )


class Run:
    """A run of a graph, carried on as often as is asked."""

    def __init__(self, graph: Graph, faults: Mapping[tuple[str, str], Fault]) -> None:
        self.graph, self.faults, self.inbox = graph, faults, VirtualInbox(1_700_000_000)
        self.journal = MemoryJournal(self.inbox.now)
        self.journal.create("run", graph, plan_file="plan.yml", created_by="me@here")

    def carried(self) -> int:
        world = World(self.inbox.now, faults=self.faults)
        return an_engine(self.graph, self.journal, world, self.inbox).run().exit_code

    def asked(self, kind: Kind, host: str) -> None:
        self.journal.request("run", Event(kind, "looked at it", host))

    @property
    def statuses(self) -> dict[str, str]:
        return {row.name: str(row.status) for row in self.journal.hosts("run")}

    def of(self, kind: Kind) -> list[Event]:
        return [event for event in self.journal.events("run") if event.kind is kind]


@pytest.mark.parametrize("answer", [Kind.RETRIED, Kind.RETIRED])
def test_what_shares_the_factor_waits_for_a_person_and_the_others_finish(answer: Kind) -> None:
    run = Run(a_world(HALTS), {("a5", "upgrade"): BROKEN})
    assert run.carried() == HALTED
    (trip,) = run.of(Kind.TRIPPED)
    assert (trip.data["factors"], trip.data["by"], trip.data["risk"]) == ({"rack": "r2"}, "risk", "nic")
    begun = {event.host for event in run.of(Kind.INTENDED)}
    held_back = {name for name, status in run.statuses.items() if status == "waiting"}
    assert run.statuses["a5"] == "held"
    assert held_back <= set(CONCERNED)
    assert begun | held_back == set(run.statuses)
    run.asked(answer, "a5")
    run.faults = {}
    assert run.carried() == DONE
    assert set(run.statuses.values()) <= {"verified", "retired"}
    assert len(run.of(Kind.RESET)) == 1


def test_a_risk_that_needs_a_person_keeps_its_hosts_from_being_begun_unless_somebody_answers_for_it() -> None:
    risk = replace(HALTS, applies={"nic": ("mlx5",)})
    graph = a_world(risk)
    assert {untouched.host for untouched in graph.untouched} == set(CONCERNED)
    assert all("OPS-7" in untouched.because for untouched in graph.untouched)
    waiver = Waiver("cards", ("nic",), "they were flashed", "ada", "2026-11-23")
    late = a_world(risk, waivers=(waiver,), today="2026-11-24")
    assert {untouched.host for untouched in late.untouched} == set(CONCERNED)
    accepted = a_world(risk, waivers=(waiver,))
    assert accepted.untouched == ()
    run = Run(accepted, {("a5", "upgrade"): BROKEN, ("a1", "upgrade"): BROKEN})
    run.carried()
    (trip,) = run.of(Kind.TRIPPED)
    assert trip.data["factors"] == {"rack": "r2"}, "of a1, whom it does not concern, it says nothing"
    assert [event.data.get("risk") for event in run.of(Kind.HELD) if event.host == "a1"] == [None]


def test_a_risk_that_needs_nobody_keeps_no_host_and_answers_when_it_shows() -> None:
    risk = Risk("nic", "mlx5_core", "retry", applies={"nic": ("mlx5",)}, repeatable=True, times=2, backoff=5)
    graph = a_world(risk)
    assert graph.untouched == ()
    run = Run(graph, {("a5", "upgrade"): BROKEN})
    assert run.carried() == DONE
    assert [(event.host, event.data["risk"]) for event in run.of(Kind.RETRYING)] == [("a5", "nic")]
    assert set(run.statuses.values()) == {"verified"}
