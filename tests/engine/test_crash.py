"""Design, invariants I1 and I4 to I7: whenever the controller dies, the run ends as if it had not."""

from collections import Counter
from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from rollout.engine.inbox import Message, VirtualInbox
from rollout.executors.rehearsal import Fault, World
from rollout.journal.memory import MemoryJournal
from rollout.model.decision import Stop
from rollout.model.event import Event, Kind
from rollout.model.fold import apply
from rollout.model.graph import Graph
from rollout.model.plan import After, Amount, Edge, Failures, GateRule, Limits, Moment, Plan, Soak
from rollout.model.seams import Ending
from rollout.model.state import State, Status
from tests.engine.dying import Died, DyingJournal
from tests.fleet import CHAIN, a_combo, a_graph, a_plan, an_engine

COMBOS = ("a", "b", "c")
ENDINGS = (Ending.FAILED, Ending.UNREACHABLE, Ending.LATE, Ending.UNKNOWN, Ending.REFUSED)


@dataclass(frozen=True)
class Case:
    """A graph, and what is planted in its hosts."""

    graph: Graph
    faults: dict[tuple[str, str], Fault]
    unhealthy: frozenset[str]
    mute: frozenset[str]


@dataclass(frozen=True)
class Death:
    """Die at that write of that controller, before or after it is committed."""

    write: int
    committed: bool


@st.composite
def plans(draw: st.DrawFn) -> tuple[Plan, dict[str, int]]:
    counts = {name: draw(st.integers(1, 6)) for name in COMBOS[: draw(st.integers(1, 3))]}
    after = {
        name: [After(earlier, draw(st.sampled_from(["canaries", 0.5, 1.0])))]
        for earlier, name in zip(counts, list(counts)[1:], strict=False)
        if draw(st.booleans())
    }
    moments: list[tuple[Edge, str]] = draw(
        st.lists(
            st.sampled_from(
                [
                    ("after", "verify"),
                    ("before", "upgrade"),
                    ("before", "run"),
                    ("after", "wave"),
                    ("before", "wave"),
                ]
            ),
            max_size=3,
            unique=True,
        )
    )
    gates = [
        GateRule(
            f"gate-{number}",
            "command",
            Moment(*moment),
            remembers=draw(st.booleans()),
            retries=draw(st.integers(0, 1)),
        )
        for number, moment in enumerate(moments)
    ]
    plan = a_plan(
        *(a_combo(name, after=after.get(name, ())) for name in counts),
        waves=draw(
            st.sampled_from(
                [
                    (Amount(1), Amount(100, percent=True)),
                    (Amount(2), Amount(50, percent=True), Amount(100, percent=True)),
                    (Amount(100, percent=True),),
                ]
            )
        ),
        limits=Limits(
            at_once=Amount(draw(st.integers(1, 4))),
            per=draw(st.sampled_from([{}, {"rack": Amount(1)}, {"rack": Amount(50, percent=True)}])),
            controller=draw(st.sampled_from([1, 2, 100])),
        ),
        failures=Failures(
            draw(st.integers(0, 1)), draw(st.integers(0, 2)), draw(st.sampled_from([None, 0, 2]))
        ),
        soak=Soak(draw(st.sampled_from([0.0, 30.0])), draw(st.sampled_from([0.0, 10.0]))),
        gates=gates,
    )
    return plan, counts


@st.composite
def cases(draw: st.DrawFn) -> Case:
    plan, counts = draw(plans())
    graph = a_graph(counts, plan, racks=draw(st.integers(1, 3)))
    hosts = sorted(graph.nodes)
    places = st.tuples(st.sampled_from(hosts), st.sampled_from([step.name for step in CHAIN]))
    faults = draw(
        st.dictionaries(places, st.builds(Fault, st.sampled_from(ENDINGS), st.integers(1, 4)), max_size=3)
    )
    some = st.frozensets(st.sampled_from(hosts), max_size=1)
    return Case(graph, faults, draw(some), draw(some) if draw(st.integers(0, 4)) == 0 else frozenset())


@dataclass
class Told:
    """What a run left behind."""

    stop: Stop
    events: list[Event]
    world: World
    state: State


class Patience(VirtualInbox):
    """Fails a run that goes round in circles; outlives its controllers, as time does."""

    def __init__(self, start: float) -> None:
        super().__init__(start)
        self._left = 5000

    def forget(self) -> None:
        """What was posted to a controller that died reaches nobody."""
        self._heap.clear()

    def get(self, until: float | None) -> Message | None:
        self._left -= 1
        assert self._left, "the run goes round in circles"
        return super().get(until)


def carry_out(case: Case, deaths: list[Death]) -> Told:
    """One run, its controller dying as told, a new one taking it up each time."""
    inbox = Patience(start=1000.0)
    world = World(inbox.now, faults=case.faults, unhealthy=case.unhealthy, mute=case.mute)
    journal = MemoryJournal(inbox.now)
    journal.create("run", case.graph, plan_file="plan.yml", created_by="test")
    for death in deaths:
        mortal = DyingJournal(journal, death.write, committed=death.committed)
        inbox.forget()
        try:
            engine = an_engine(case.graph, mortal, world, inbox, force=True)
            return Told(engine.run(), list(journal.events("run")), world, engine.state)
        except Died:
            continue
    inbox.forget()
    engine = an_engine(case.graph, journal, world, inbox, force=True)
    stop = engine.run()
    check_kept(case, journal, engine.state)
    return Told(stop, list(journal.events("run")), world, engine.state)


def check_kept(case: Case, journal: MemoryJournal, state: State) -> None:
    """What the journal keeps of each host is the fold of all events; so are the indexes of the engine's state."""
    folded = State(case.graph)
    for event in journal.events("run"):
        apply(folded, event)
    run, hosts, tail = journal.load("run", case.graph)
    assert tail == []
    kept = State(case.graph, run, hosts)
    for name in case.graph.nodes:
        assert kept.hosts[name].to_json() == folded.hosts[name].to_json() == state.hosts[name].to_json()
    rebuilt = State(case.graph, state.run, state.hosts)
    assert rebuilt.slots.taken == +state.slots.taken
    for index in ("idle", "open", "asking", "stuck"):
        assert set(getattr(rebuilt, index)) == set(getattr(state, index))
    assert rebuilt.timers == state.timers
    assert set(rebuilt.ready.hosts()) == set(state.ready.hosts())
    assert set(rebuilt.waiting.hosts()) == set(state.waiting.hosts())


def check_rules(case: Case, told: Told) -> None:
    """What must be true of every run, event by event."""
    state = State(case.graph)
    tripped: set[str] = set()
    for event in told.events:
        if event.kind is Kind.INTENDED:
            host = state.hosts[event.host or ""]
            combo = case.graph.nodes[host.name].combo
            names = [step.name for step in case.graph.combos[combo].chain]
            assert host.passed is None or names.index(event.step or "") > names.index(host.passed), (
                "I4: a finished step was run again"
            )
            if host.status is Status.WAITING:
                assert combo not in tripped, "a host began after its combo was stopped"
                assert "" not in tripped, "a host began after the run was stopped"
                assert state.run.paused is None, "I6: a host began in a pause"
        if event.kind is Kind.TRIPPED:
            tripped.add(event.data.get("combo", ""))
        apply(state, event)
        if event.kind is Kind.INTENDED and event.data["slots"]:
            held = Counter(
                slot
                for host in state.hosts.values()
                if host.slot
                for slot in case.graph.nodes[host.name].slots
            )
            for slot in event.data["slots"]:
                assert held[slot] <= case.graph.caps[slot], "I5: a limit was exceeded"
    assert told.world.overlaps == []
    for step in CHAIN:
        for name in case.graph.nodes:
            assert told.world.done[name, step.name] <= 1, "a finished step was repeated"
            if step.once:
                assert told.world.began[name, step.name] <= 1, "I7: a `once` step was begun twice"


@given(cases(), st.lists(st.builds(Death, st.integers(1, 40), st.booleans()), max_size=4))
def test_a_run_that_dies_ends_as_one_that_does_not(case: Case, deaths: list[Death]) -> None:
    whole = carry_out(case, [])
    check_rules(case, whole)
    torn = carry_out(case, deaths)
    check_rules(case, torn)
    assert torn.stop.exit_code == whole.stop.exit_code
    assert ends(torn, among=whole) == ends(whole, among=torn)


def ends(told: Told, among: Told) -> dict[str, Status]:
    """How each host ended. Once something was stopped, only hosts that took their slot in both runs can be compared.

    Which of two things that happen in the same instant comes first may change with a death, and so may who still began.
    """
    stopped = any(event.kind in {Kind.TRIPPED, Kind.STUCK} for event in [*told.events, *among.events])
    aside = {Status.WAITING, Status.RUNNING}
    begun = {name for name, host in among.state.hosts.items() if host.status not in aside}
    return {
        name: host.status
        for name, host in told.state.hosts.items()
        if not stopped or (name in begun and host.status not in aside)
    }
