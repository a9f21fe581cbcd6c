"""What to do next. Read it top to bottom: each rule speaks only if the ones above had nothing to say.

1. A breaker trips when more hosts failed than are tolerated, or than chance explains, and resets when a person has answered for them;
   so it does when a gate about the fleet fails. While one that is asked `during` the run does not pass, nothing begins.
2. A wave passes when all its hosts are settled and its gates are answered; the next opens when its needs are met.
3. A host that has begun goes on: a failure is retried or held, a gate asked, the next step started.
4. A slot that is free, and for which there is credit, goes to a host that is ready for it, the domain with the least slack first.
5. A host that waits begins the steps that need no slot, as far ahead as its domain can take hosts.
6. Otherwise wait for what is in flight, or stop and say why.

Decisions of one call do not depend on each other; the engine carries them out and asks again until it is told to wait.
"""

from bisect import bisect_right
from itertools import islice

from rollout.model.decision import Ask, Decision, Record, Start, Wait
from rollout.model.graph import Graph
from rollout.model.state import State
from rollout.scheduler import standing
from rollout.scheduler.breakers import breakers
from rollout.scheduler.ending import ending
from rollout.scheduler.hosts import go_on
from rollout.scheduler.out_of_time import used_up
from rollout.scheduler.room import beginners, opening, slot_takers, timely
from rollout.scheduler.waves import waves


def decide(graph: Graph, state: State, now: float, until: float | None = None) -> list[Decision]:
    """The decisions that are due at `now` (seconds since the epoch); the last is Wait or Stop when nothing else is due.

    `until`: when this controller has to end; it begins no host that would take longer.
    """
    records = breakers(graph, state, now) or standing.verdicts(graph, state) or waves(graph, state)
    if records:
        return list(records)
    questions = standing.due(graph, state, now)
    if questions:
        return list(questions)
    room = graph.controller - len(state.open)
    going_on = _go_on(graph, state, now, until, room)
    if going_on:
        return going_on
    beginning: list[Decision] = []
    if not standing.keep_all(state, now):
        beginning = _take_slot(graph, state, now, until, room) or _begin(graph, state, now, until, room)
    return beginning or [_rest(graph, state, now, until)]


def _due(state: State, now: float) -> list[str]:
    """Hosts that want a decision now: those that are idle, and those whose time has come."""
    ripe = state.timers[: bisect_right(state.timers, (now, "\U0010ffff"))]
    return [*state.idle, *(name for _, name in ripe)]


def _go_on(graph: Graph, state: State, now: float, until: float | None, room: int) -> list[Decision]:
    """At most one of them takes a slot: the next is judged when that one is counted.

    What is only to be written down comes alone: it may be the failure for which nothing more may begin.
    """
    records: list[Decision] = []
    decisions: list[Decision] = []
    takers = 0
    for name in _due(state, now):
        decision = go_on(graph, state, name, now, until)
        if decision is None:
            continue
        if isinstance(decision, Record):
            records.append(decision)
            continue
        if isinstance(decision, Start):
            if room <= 0:
                continue
            room -= 1
        if not state.hosts[name].reserved and _takes(decision):
            if takers:
                continue
            takers += 1
        decisions.append(decision)
    return records or decisions


def _takes(decision: Decision) -> bool:
    return (isinstance(decision, Start) and bool(decision.slots)) or (
        isinstance(decision, Ask) and decision.reserves
    )


def _take_slot(graph: Graph, state: State, now: float, until: float | None, room: int) -> list[Decision]:
    for name in timely(graph, state, slot_takers(state), now, until):
        decision = go_on(graph, state, name, now, until)
        if isinstance(decision, Ask) or (isinstance(decision, Start) and room > 0):
            return [decision]
    return []


def _begin(graph: Graph, state: State, now: float, until: float | None, room: int) -> list[Decision]:
    for name in timely(graph, state, beginners(state), now, until) if room > 0 else ():
        decision = go_on(graph, state, name, now, until)
        if decision is not None:
            return [decision]
    return []


def _rest(graph: Graph, state: State, now: float, until: float | None) -> Decision:
    known = (_next_time(state, now), opening(graph, state, now, until))
    first = min((at for at in known if at is not None), default=None)
    in_flight = state.open or state.asking or state.asked_fleet
    soon = first is not None and (until is None or first <= until)
    if in_flight or soon or standing.awaited(graph, state, now):
        asking = len(state.asking) + len(state.asked_fleet)
        because = f"{len(state.open)} steps and {asking} gate questions in flight"
        times = (first, standing.next_time(graph, state))
        return Wait(min((at for at in times if at is not None), default=None), because)
    return ending(graph, state, now, until) if first is None else used_up(state, now, first)


def _next_time(state: State, now: float) -> float | None:
    """When the next host wants a decision. A run that is to stop waits for disrupted hosts alone: a soaking one is safe."""
    later = bisect_right(state.timers, (now, "\U0010ffff"))
    stopping = state.run.aborted or state.run.paused
    for at, name in islice(state.timers, later, None):
        host = state.hosts[name]
        if not stopping or host.slot or (host.back is not None and not state.run.paused):
            return at
    return None
