"""What one host does next."""

from rollout.model.asked import asked_of
from rollout.model.chain import Step
from rollout.model.decision import Ask, Decision, Record, Start
from rollout.model.event import Event, Kind
from rollout.model.fold import REMEMBER, SOAK
from rollout.model.graph import Combo, Graph
from rollout.model.ledger import endangered
from rollout.model.plan import NO_GUESTS, GateRule
from rollout.model.state import HostState, State, Status
from rollout.scheduler.back import walk_back, walks_back
from rollout.scheduler.failures import after_failure, hold
from rollout.scheduler.questions import FRESH, ask
from rollout.scheduler.room import in_its_way, yielded
from rollout.scheduler.standing import keeps
from rollout.scheduler.stops import host_stopped
from rollout.scheduler.windows import spoken


def go_on(graph: Graph, state: State, name: str, now: float, until: float | None = None) -> Decision | None:
    """The host's next decision; None if it has to wait for something that is not its own. `until`: as of `decide`."""
    host = state.hosts[name]
    if walks_back(state, host):
        return walk_back(graph, state, host, now)
    if host.ending is not None:
        return after_failure(graph, state, host, now)
    if host.round is not None:
        return _ask_round(graph, host)
    return _forwards(graph, state, host, now, until)


def _forwards(
    graph: Graph, state: State, host: HostState, now: float, until: float | None
) -> Decision | None:
    if host.status is Status.SOAKING:
        return _after_soak(graph, state, host)
    name = host.name
    combo = state.combo_of(name)
    after = graph.gates_at.get(("after", host.passed or ""), ())
    asked = ask(host, f"after {host.passed}", asked_of(graph, name, after))
    if asked is not None:
        return asked
    step = combo.following(host.passed)
    if step is None:
        return _healthy(graph, state, host, now)
    return _next_step(graph, state, host, step, now, until)


def _next_step(
    graph: Graph, state: State, host: HostState, step: Step, now: float, until: float | None
) -> Decision | None:
    node, combo = graph.nodes[host.name], state.combo_of(host.name)
    takes = combo.holds_slot(step.name) and not host.slot
    dangerous = step.endangers_guests or step.changes_host
    if not host.slot and (because := host_stopped(state, host.name) or keeps(graph, state, host.name, now)):
        return yielded(host, because)
    if state.run.aborted and dangerous and not endangered(combo, host):
        because = (
            f"the run was aborted before {step.name}, and what was done to it names no undo: it stays closed"
        )
        return hold(host, because)
    if not host.slot and (because := in_its_way(graph, state, host, takes=takes, now=now, until=until)):
        return yielded(host, because)
    asked = None
    if takes or combo.begins_leg(
        step.name
    ):  # what it was before this reboot, not before the one of an earlier hop
        remembering = asked_of(graph, host.name, graph.remembering)
        asked = ask(host, REMEMBER, remembering, reserves=takes, stale=now - FRESH)
    gates = asked_of(graph, host.name, _gates_before(graph, combo, step))
    asked = asked or ask(host, f"before {step.name}", gates, reserves=takes, stale=now - FRESH)
    if asked is not None:
        return asked
    return Start(
        host.name, step.name, host.attempt + 1, node.slots if takes else (), _because_start(host, step, takes)
    )


def _gates_before(graph: Graph, combo: Combo, step: Step) -> tuple[GateRule, ...]:
    """The gates before a step. A combo that ignores guests, with a reason, is not asked for them; nor is one whose own step is harmless."""
    gates = graph.gates_at.get(("before", step.name), ())
    if combo.guests_ignored is not None:
        gates = tuple(gate for gate in gates if gate.kind != "guests")
    if not step.endangers_guests:
        gates = tuple(gate for gate in gates if gate.name != NO_GUESTS)
    return gates


def _because_start(host: HostState, step: Step, takes: bool) -> str:
    if host.step == step.name and host.lost:
        return f"{step.name} was under way when its path vanished; what it did is found out first"
    if host.step == step.name and host.deaths:
        return f"{step.name} goes on where its guard kept it: its process died ({host.deaths} times so far)"
    if host.step == step.name and host.tries:
        return f"{step.name} failed {host.tries} of {step.retries + 1} times; it is tried again"
    if host.passed is None:
        return f"its wave is open; {step.name} is its first step"
    return f"{host.passed} is done; its slot is free" if takes else f"{host.passed} is done"


def _ask_round(graph: Graph, host: HostState) -> Ask | None:
    edge, what = (host.round or "").split(" ", 1)
    return ask(host, host.round or "", graph.gates_at[edge, what])


def _healthy(graph: Graph, state: State, host: HostState, now: float) -> Decision:
    """Proven healthy on the target: the slot is free again; health has yet to hold for the soak.

    A host that had come this far before has regressed since: a person let it try again, and it has to prove its health anew.
    """
    if host.step is None and ("after", host.passed) not in graph.gates_at:
        asked = ask(host, SOAK, last_gates(graph, host.name))
        if asked is not None:
            return asked
    soak = state.wave_of(host.name).soak
    if soak <= 0 and _to_commit(state, host) is None:
        return Record(Event(Kind.VERIFIED, "every step is done and every gate has passed", host.name))
    because = f"healthy on the target; its health has to hold for {spoken(soak)}"
    return Record(Event(Kind.SOAKING, because, host.name, data={"until": now + soak}))


def _after_soak(graph: Graph, state: State, host: HostState) -> Decision | None:
    """The gates of the last step that has any are asked again: a soak without a look is a mere sleep.

    What was kept for a way back, a snapshot say, is let go only then, and not while anything gives reason to stop.
    """
    asked = ask(host, SOAK, last_gates(graph, host.name))
    if asked is not None:
        return asked
    because = (
        "its gates have passed; a person cut its soak short"
        if host.promoted
        else "its health has held for the whole soak"
    )
    step = _to_commit(state, host)
    if step is None:
        return Record(Event(Kind.VERIFIED, because, host.name))
    if host_stopped(state, host.name):
        return None
    return Start(host.name, step.name, host.attempt + 1, (), f"{because}: {step.of} is made final")


def _to_commit(state: State, host: HostState) -> Step | None:
    steps = (state.combo_of(host.name).step(name) for name in host.effects)
    return next((step.commit for step in steps if step is not None and step.commit is not None), None)


def last_gates(graph: Graph, host: str) -> tuple[GateRule, ...]:
    """The gates after the last step of the host's chain that has any. What disturbs a host is not done to one with guests on it again."""
    for step in reversed(graph.chain_of(host).chain):
        after = asked_of(graph, host, graph.gates_at.get(("after", step.name), ()))
        gates = tuple(gate for gate in after if not gate.acts)
        if gates:
            return gates
    return ()
