"""Random runs for the properties of the engine, and what must be true of every one of them, event by event."""

from collections import Counter
from dataclasses import dataclass

from hypothesis import strategies as st

from rollout.engine.inbox import Message, VirtualInbox
from rollout.executors.rehearsal import Fault, World
from rollout.journal import Journal
from rollout.journal.memory import MemoryJournal
from rollout.model.decision import Stop
from rollout.model.event import Event, Kind
from rollout.model.fold import apply
from rollout.model.graph import Graph
from rollout.model.plan import After, Amount, Edge, Failures, GateRule, Limits, Moment, Plan, Soak
from rollout.model.queues import Queues
from rollout.model.seams import Ending
from rollout.model.state import State, Status
from tests.fleet import CHAIN, a_combo, a_graph, a_plan

COMBOS = ("a", "b", "c")
ENDINGS = (Ending.FAILED, Ending.UNREACHABLE, Ending.LATE, Ending.UNKNOWN, Ending.REFUSED, Ending.MISFIT)
MOMENTS: tuple[tuple[Edge, str], ...] = (
    ("after", "verify"),
    ("before", "upgrade"),
    ("before", "run"),
    ("after", "wave"),
    ("before", "wave"),
)
FLEET_MOMENTS: tuple[tuple[Edge, str, str], ...] = (
    ("during", "", "run"),
    ("during", "", "rack"),
    ("before", "run", "run"),
    ("before", "wave", "wave"),
    ("after", "wave", "wave"),
)
WAVES = (
    (Amount(1), Amount(100, percent=True)),
    (Amount(2), Amount(50, percent=True), Amount(100, percent=True)),
    (Amount(100, percent=True),),
)


@dataclass(frozen=True)
class Case:
    """A graph, and what is planted in its hosts."""

    graph: Graph
    faults: dict[tuple[str, str], Fault]
    unhealthy: frozenset[str]
    mute: frozenset[str]


@dataclass(frozen=True)
class Death:
    """Die at that write of that controller, before or after it is committed; or just after it has begun, or taken up, so many steps."""

    write: int
    committed: bool
    acted: bool = False


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

    def later(self, seconds: float) -> None:
        """Nobody looks for so long."""
        self._now += seconds

    def forget(self) -> None:
        """What was posted to a controller that died reaches nobody."""
        self._heap.clear()

    def get(self, until: float | None) -> Message | None:
        self._left -= 1
        assert self._left, "the run goes round in circles"
        return super().get(until)


@st.composite
def plans(draw: st.DrawFn) -> tuple[Plan, dict[str, int]]:
    counts = {name: draw(st.integers(1, 6)) for name in COMBOS[: draw(st.integers(1, 3))]}
    after = {
        name: [After(earlier, draw(st.sampled_from(["canaries", 0.5, 1.0])))]
        for earlier, name in zip(counts, list(counts)[1:], strict=False)
        if draw(st.booleans())
    }
    moments = draw(st.lists(st.sampled_from(MOMENTS), max_size=3, unique=True))
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
    fleet = draw(st.lists(st.sampled_from(FLEET_MOMENTS), max_size=2, unique=True))
    gates += [
        GateRule(f"fleet-{number}", "prometheus", Moment(edge, what), per=per_, fleet=True, retries=1)
        for number, (edge, what, per_) in enumerate(fleet)
    ]
    per = draw(st.sampled_from([{}, {"rack": Amount(1)}, {"rack": Amount(50, percent=True)}]))
    plan = a_plan(
        *(a_combo(name, after=after.get(name, ())) for name in counts),
        waves=draw(st.sampled_from(WAVES)),
        limits=Limits(
            at_once=Amount(draw(st.integers(1, 4))), per=per, controller=draw(st.sampled_from([1, 2, 100]))
        ),
        failures=Failures(
            draw(st.integers(0, 1)), draw(st.integers(0, 2)), draw(st.sampled_from([None, 0, 2]))
        ),
        soak=Soak(draw(st.sampled_from([0.0, 30.0])), draw(st.sampled_from([0.0, 10.0]))),
        gates=gates,
    )
    return plan, counts


@st.composite
def cases(draw: st.DrawFn, *, lasting: bool = False) -> Case:
    """`lasting`: a fault strikes however often its step is begun."""
    plan, counts = draw(plans())
    graph = a_graph(counts, plan, racks=draw(st.integers(1, 3)))
    hosts = sorted(graph.nodes)
    places = st.tuples(st.sampled_from(hosts), st.sampled_from([step.name for step in CHAIN]))
    times = st.just(99) if lasting else st.integers(1, 4)
    faults = draw(st.dictionaries(places, st.builds(Fault, st.sampled_from(ENDINGS), times), max_size=3))
    some = st.frozensets(st.sampled_from(hosts), max_size=1)
    return Case(graph, faults, draw(some), draw(some) if draw(st.integers(0, 4)) == 0 else frozenset())


deaths = st.lists(st.builds(Death, st.integers(1, 40), st.booleans()), max_size=4)
all_deaths = st.lists(
    st.one_of(
        st.builds(Death, st.integers(1, 40), st.booleans()),
        st.builds(Death, st.integers(1, 12), st.just(value=True), st.just(value=True)),
    ),
    min_size=1,
    max_size=4,
)
"""Of every kind, and at least one."""


def a_world(case: Case, inbox: VirtualInbox) -> World:
    return World(inbox.now, faults=case.faults, unhealthy=case.unhealthy, mute=case.mute)


def a_journal(case: Case, inbox: VirtualInbox) -> MemoryJournal:
    journal = MemoryJournal(inbox.now)
    journal.create("run", case.graph, plan_file="plan.yml", created_by="test")
    return journal


def check_kept(case: Case, journal: Journal, state: State, name: str = "run") -> None:
    """What the journal keeps of each host is the fold of all events; so are the indexes of the engine's state."""
    folded = State(case.graph)
    for event in journal.events(name):
        apply(folded, event)
    run, hosts, tail = journal.load(name, case.graph)
    assert tail == []
    kept = State(case.graph, run, hosts)
    for host in case.graph.nodes:
        assert kept.hosts[host].to_json() == folded.hosts[host].to_json() == state.hosts[host].to_json()
    rebuilt = State(case.graph, state.run, state.hosts)
    assert rebuilt.slots.taken == +state.slots.taken
    for index in ("idle", "open", "asking", "stuck"):
        assert set(getattr(rebuilt, index)) == set(getattr(state, index))
    for count in ("verified", "left", "harmed_canaries", "harmed_others", "rounds_left"):
        assert +getattr(rebuilt, count) == +getattr(state, count)
    for count in ("late", "exposed"):
        assert +getattr(rebuilt.credit, count) == +getattr(state.credit, count)
    assert [rebuilt.credit.left(combo) for combo in case.graph.combos] == [
        state.credit.left(combo) for combo in case.graph.combos
    ]
    assert rebuilt.timers == state.timers
    assert set(rebuilt.ready.hosts()) == set(state.ready.hosts())
    assert set(rebuilt.waiting.hosts()) == set(state.waiting.hosts())
    assert turns(rebuilt.ready) == turns(state.ready)
    assert turns(rebuilt.waiting) == turns(state.waiting)
    holders = {slot: len(names) for slot, names in journal.slots(name).items()}
    assert holders == {slot: count for slot, count in Counter(_held_slots(case, state)).items() if count}


def turns(queues: Queues) -> list[str]:
    """Whose turn it is, in order."""
    return list(queues.candidates(dict.fromkeys(sorted(queues.kins()), 0.0)))


def _held_slots(case: Case, state: State) -> list[str]:
    return [slot for host in state.hosts.values() if host.slot for slot in case.graph.nodes[host.name].slots]


def check_events(case: Case, events: list[Event]) -> None:
    """The rules that each intention, and each wave, has to keep."""
    state = State(case.graph)
    for event in events:
        if event.kind is Kind.INTENDED:
            _check_intent(case, state, event)
        elif event.kind is Kind.OPENED:
            _check_opening(case, state, event.data["wave"])
        elif event.kind is Kind.PASSED:
            _check_passing(case, state, event.data["wave"])
        apply(state, event)
        if event.kind is Kind.INTENDED and event.data["slots"]:
            held = Counter(_held_slots(case, state))
            for slot in event.data["slots"]:
                assert held[slot] <= case.graph.caps[slot], "I5: a limit was exceeded"


def _check_intent(case: Case, state: State, event: Event) -> None:
    host = state.hosts[event.host or ""]
    graph, combo = case.graph, case.graph.nodes[host.name].combo
    names = [step.name for step in graph.combos[combo].chain]
    passed = names.index(host.passed) + 1 if host.passed else 0
    assert names.index(event.step or "") == passed, "I4: a finished step was run again, or one was left out"
    assert not host.open, "two steps at once"
    assert host.round is None, "a host went on that had a gate to answer"
    assert state.wave_of(host.name).id in state.run.opened, "a host began before its wave"
    if host.slot:
        return
    assert not state.run.paused, "I6: a host began in a pause"
    assert not state.run.aborted, "I6: a host began after an abort"
    assert not {combo, ""} & set(state.run.tripped), "a host began after its combo, or the run, was stopped"
    assert state.harmed_canaries[combo] <= graph.tolerated_canary, (
        "a host began when its canary was known lost"
    )
    assert state.harmed_others[combo] <= graph.tolerated_combo[combo], "a host began over its combo's budget"
    assert state.harmed <= graph.tolerated_run, "a host began over the run's budget"


def _check_opening(case: Case, state: State, wave: str) -> None:
    for need in case.graph.waves[wave].needs:
        if need.wave is not None:
            assert need.wave in state.run.passed, "a wave opened before the one it waits for had passed"
        else:
            left = [host for host in state.hosts.values() if state.combo_of(host.name).name == need.combo]
            left = [
                host for host in left if host.status not in {Status.RETIRED, Status.GONE, Status.EXCLUDED}
            ]
            verified = sum(1 for host in left if host.status is Status.VERIFIED)
            assert verified, "zero samples passed"
            assert verified >= need.share * len(left) - 1e-9, "a wave opened before its combo's turn"


def _check_passing(case: Case, state: State, wave: str) -> None:
    statuses = [state.hosts[name].status for name in case.graph.waves[wave].hosts]
    assert not {Status.WAITING, Status.RUNNING, Status.SOAKING} & set(statuses), (
        "a wave passed with work left"
    )
    assert not case.graph.waves[wave].canary or Status.VERIFIED in statuses, "zero samples passed"


def check_end(case: Case, told: Told) -> None:
    """The exit code says what is true."""
    statuses = Counter(host.status for host in told.state.hosts.values())
    unfinished = statuses[Status.WAITING] + statuses[Status.RUNNING] + statuses[Status.SOAKING]
    code = told.stop.exit_code
    assert code in {0, 3, 4, 8}
    if code in {0, 4}:
        assert not unfinished
        assert not told.state.stuck
        assert not told.state.rounds_left.total()
        assert bool(statuses[Status.HELD]) == (code == 4)
    if code == 8:
        assert told.state.run.paused
    for wave in case.graph.waves.values():
        if (
            code == 0
            and wave.combo not in told.state.run.tripped
            and any(told.state.hosts[name].status is Status.VERIFIED for name in wave.hosts)
        ):
            assert wave.id in told.state.run.passed
    gates = {(gate.when.edge, gate.when.what) for gate in case.graph.gates if gate.per == "host"}
    for name in case.unhealthy | case.mute:
        began = any(event.kind is Kind.INTENDED and event.host == name for event in told.events)
        assert not (began and ("before", "run") in gates), "a host began that no gate had passed"
        if gates & {("after", "verify"), ("before", "upgrade"), ("before", "wave")}:
            assert told.state.hosts[name].status is not Status.VERIFIED
