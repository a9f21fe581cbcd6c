"""Whatever is rolled back or aborted, and whenever the controller dies: what was opened on a host is closed, the last first, or told."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rollout.executors.rehearsal import Fault
from rollout.model.chain import COMMIT, REMEDY, UNDO, Step
from rollout.model.event import Event, Kind
from rollout.model.fold import apply
from rollout.model.graph import Graph
from rollout.model.ledger import irreversible, is_untouched
from rollout.model.plan import Amount, Failures, Limits, Risk, Soak
from rollout.model.state import State, Status
from tests.engine.pestered import Asked, carry_out
from tests.engine.worlds import ENDINGS, Case, Death, deaths
from tests.fleet import a_combo, a_graph, a_plan

pytestmark = pytest.mark.timeout(7200)  # the search for counter-examples may be a long one

NAMES = ("stage", "drain", "snapshot", "upgrade", "verify", "restore")


@st.composite
def chains(draw: st.DrawFn) -> tuple[Step, ...]:
    """The usual chain, some of whose steps leave something open."""
    undoable = draw(st.frozensets(st.sampled_from(NAMES[:4])))
    steps = {
        "stage": Step("stage", playbook="p", expect=10),
        "drain": Step("drain", drain="playbook", playbook="p", expect=30),
        "snapshot": Step("snapshot", playbook="p", disruptive=True, expect=5),
        "upgrade": Step("upgrade", playbook="p", once=True, expect=100),
        "verify": Step("verify", playbook="p", retries=1, backoff=5, expect=10),
    }
    for name in undoable:
        undo = Step(UNDO + name, playbook="p", of=name, once=name in {"snapshot", "upgrade"}, expect=20)
        steps[name] = replace(steps[name], undo=undo)
    if "snapshot" in undoable:
        commit = Step(f"{COMMIT}snapshot", playbook="p", of="snapshot", expect=5)
        steps["snapshot"] = replace(steps["snapshot"], commit=commit)
    if "drain" in undoable:
        undo = Step(f"{UNDO}restore", drain="playbook", playbook="p", of="restore", expect=20)
        steps["restore"] = Step("restore", playbook="p", expect=5, closes=("drain",), undo=undo)
    return tuple(steps.values())


REMEDIED = Risk(
    "known", "known error", "remedy", remedy=Step(f"{REMEDY}known", playbook="p", expect=5), repeatable=True
)


@st.composite
def cases(draw: st.DrawFn) -> Case:
    plan = a_plan(
        a_combo("a", steps=draw(chains())),
        waves=draw(st.sampled_from([(Amount(1), Amount(100, percent=True)), (Amount(100, percent=True),)])),
        limits=Limits(at_once=Amount(draw(st.integers(1, 3)))),
        failures=Failures(1, draw(st.integers(0, 2)), None),
        soak=Soak(draw(st.sampled_from([0.0, 30.0])), 0.0),
    )
    graph = a_graph({"a": draw(st.integers(1, 4))}, replace(plan, risks=(REMEDIED,)))
    orders = [*NAMES, *(UNDO + name for name in NAMES), f"{COMMIT}snapshot"]
    places = st.tuples(st.sampled_from(sorted(graph.nodes)), st.sampled_from(orders))
    fault = st.builds(
        Fault, st.sampled_from(ENDINGS), st.integers(1, 2), st.sampled_from(["a known error", "no disk"])
    )
    return Case(graph, draw(st.dictionaries(places, fault, max_size=3)), frozenset(), frozenset())


@st.composite
def requests(draw: st.DrawFn, graph: Graph) -> list[Asked]:
    hosts = st.sampled_from(sorted(graph.nodes))
    kinds = [Kind.ROLLBACK, Kind.ROLLBACK, Kind.RETRIED, Kind.RETIRED]
    of_host = st.builds(Event, st.sampled_from(kinds), st.just("why"), hosts)
    done = st.builds(lambda host: Event(Kind.RESOLVED, "why", host, data={"as": "done"}), hosts)
    of_run = st.builds(Event, st.sampled_from([Kind.ABORTED, Kind.PAUSED, Kind.CONTINUED]), st.just("why"))
    asked = st.tuples(st.integers(1, 90), st.one_of(of_host, of_host, of_host, done, of_run))
    return sorted(draw(st.lists(asked, max_size=6)), key=lambda pair: pair[0])


@st.composite
def pestered(draw: st.DrawFn) -> tuple[Case, list[Asked]]:
    case = draw(cases())
    return case, draw(requests(case.graph))


def check_ledger(case: Case, events: list[Event]) -> None:
    """Replayed, each intent fits what was open then."""
    state = State(case.graph)
    for event in events:
        if event.kind is Kind.INTENDED:
            check_intent(state, event)
        if event.kind is Kind.ROLLED_BACK:
            assert not state.hosts[event.host or ""].effects, "rolled back, and something is open"
        apply(state, event)
        for host in state.hosts.values():
            order = [NAMES.index(name) for name in host.effects]
            assert order == sorted(order)
            if host.status is Status.VERIFIED:
                combo = state.combo_of(host.name)
                steps = [combo.step(name) for name in host.effects]
                assert not [one for one in steps if one is not None and (one.commit or one.drain)], (
                    "left open"
                )


def check_intent(state: State, event: Event) -> None:
    host = state.hosts[event.host or ""]
    combo, step = state.combo_of(host.name), state.graph.step_of(host.name, event.step or "")
    assert step is not None
    assert not host.open, "two steps at once"
    if step.of is not None and step.name.startswith(UNDO):
        assert host.back is not None, "undone although nobody asked"
        assert host.effects[-1] == step.of, "undone out of order"
        assert irreversible(combo, host) is None, "a host was reopened that cannot walk back"
    elif step.of is not None:
        assert step.of in host.effects, "made final twice"
    elif not step.name.startswith(REMEDY):
        following = combo.following(host.passed)
        assert host.back is None, "it went on although it was to walk back"
        assert following is not None
        assert following.name == step.name, "I4: a finished step was run again, or one was left out"


@given(pestered(), deaths)
def test_what_is_opened_is_closed(given: tuple[Case, list[Asked]], deaths: list[Death]) -> None:
    case, asked = given
    told = carry_out(case, asked, deaths)
    check_ledger(case, told.events)
    assert told.world.overlaps == []
    for host in told.state.hosts.values():
        if host.status in {Status.VERIFIED, Status.ROLLED_BACK, Status.WAITING}:
            assert not host.slot, "it keeps a slot that nobody will free"
        if host.status is Status.RUNNING and told.state.run.aborted and not told.state.run.paused:
            untouched = is_untouched(told.state.combo_of(host.name), host)
            assert host.slot or not untouched, "an abort left something open on an untouched host"


@given(cases(), deaths)
def test_a_rollback_of_every_host_leaves_none_half_way(case: Case, deaths: list[Death]) -> None:
    """Hosts that cannot walk back are held and closed; all others are as they were found."""
    faultless = replace(case, faults={})
    everybody = [(25, Event(Kind.ROLLBACK, "why", name)) for name in sorted(case.graph.nodes)]
    told = carry_out(faultless, everybody, deaths)
    check_ledger(faultless, told.events)
    for host in told.state.hosts.values():
        assert host.back is None, host
        if host.status is Status.ROLLED_BACK:
            begun = told.world.done[host.name, "upgrade"]
            undone = told.world.done[host.name, "undo-upgrade"] + told.world.done[host.name, "undo-snapshot"]
            assert begun <= undone, "it is called rolled back with the upgrade still on it"
