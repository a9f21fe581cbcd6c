"""What one host does next."""

from rollout.model.decision import Ask, Decision, Record, Start
from rollout.model.event import Event, Kind
from rollout.model.fold import REMEMBER, SOAK
from rollout.model.graph import Combo, Graph
from rollout.model.plan import NO_GUESTS, GateRule, Step
from rollout.model.seams import Answer, Ending
from rollout.model.state import HostState, State, Status
from rollout.scheduler.back import GATE_ENDINGS, is_uncertain, walk_back, walks_back
from rollout.scheduler.known import Known, known
from rollout.scheduler.questions import FRESH, ask
from rollout.scheduler.stops import stopped

LONGEST_PAUSE = 3600.0
"""Seconds beyond which the pause between two tries does not grow, unless the plan's first one is longer."""


def go_on(graph: Graph, state: State, name: str, now: float) -> Decision | None:
    """The host's next decision; None if it has to wait for something that is not its own."""
    host = state.hosts[name]
    if walks_back(state, host):
        return walk_back(graph, state, host, now)
    if host.ending is not None:
        return _after_failure(graph, host, now)
    if host.round is not None:
        return _ask_round(graph, host)
    return _forwards(graph, state, host, now)


def _forwards(graph: Graph, state: State, host: HostState, now: float) -> Decision | None:
    if host.status is Status.SOAKING:
        return _after_soak(graph, state, host)
    name = host.name
    combo = state.combo_of(name)
    asked = ask(host, f"after {host.passed}", graph.gates_at.get(("after", host.passed or ""), ()))
    if asked is not None:
        return asked
    step = combo.following(host.passed)
    if step is None:
        return _healthy(graph, state, host, now)
    return _next_step(graph, state, host, combo, step, now)


def _next_step(
    graph: Graph, state: State, host: HostState, combo: Combo, step: Step, now: float
) -> Decision | None:
    node = graph.nodes[host.name]
    takes = combo.holds_slot(step.name) and not host.slot
    if not host.slot and stopped(state, node.combo):
        return Record(Event(Kind.YIELDED, "nothing may begin now", host.name)) if host.reserved else None
    if takes and not host.reserved and state.slots.full(node.slots):
        return None
    if host.reserved and state.slots.over(node.slots):
        because = "a host that regressed has taken its slot back, and none is left"
        return Record(Event(Kind.YIELDED, because, host.name))
    if takes:
        asked = ask(host, REMEMBER, graph.remembering, reserves=True, stale=now - FRESH)
        if asked is not None:
            return asked
    gates = _gates_before(graph, combo, step)
    asked = ask(host, f"before {step.name}", gates, reserves=takes, stale=now - FRESH)
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
        asked = ask(host, SOAK, last_gates(graph, state.combo_of(host.name)))
        if asked is not None:
            return asked
    soak = state.wave_of(host.name).soak
    if soak <= 0:
        return _commit_or_verify(state, host, "every step is done and every gate has passed")
    because = f"healthy on the target; its health has to hold for {soak:g} s"
    return Record(Event(Kind.SOAKING, because, host.name, data={"until": now + soak}))


def _after_soak(graph: Graph, state: State, host: HostState) -> Decision:
    """The gates of the last step that has any are asked again: a soak without a look is a mere sleep."""
    asked = ask(host, SOAK, last_gates(graph, state.combo_of(host.name)))
    return asked or _commit_or_verify(state, host, "its health has held for the whole soak")


def _commit_or_verify(state: State, host: HostState, because: str) -> Decision:
    """What was kept for a way back, a snapshot say, is let go once health is proven."""
    combo = state.combo_of(host.name)
    for name in host.effects:
        step = combo.step(name)
        if step is not None and step.commit is not None:
            return Start(
                host.name, step.commit.name, host.attempt + 1, (), f"{because}: {name} is made final"
            )
    return Record(Event(Kind.VERIFIED, because, host.name))


def last_gates(graph: Graph, combo: Combo) -> tuple[GateRule, ...]:
    """The gates after the last step of the chain that has any."""
    for step in reversed(combo.chain):
        gates = graph.gates_at.get(("after", step.name), ())
        if gates:
            return gates
    return ()


def _after_failure(graph: Graph, host: HostState, now: float) -> Decision:
    if host.ending in GATE_ENDINGS:
        return _after_gate(graph, host, now)
    step = graph.step_of(host.name, host.step or "")
    name = host.step
    if is_uncertain(host, step):
        return _hold(host, f"what {name} did cannot be known: {host.because}", uncertain=True)
    answer = known(graph, host, step)
    if answer is not None:
        return _after_known(host, answer, now)
    if (
        step is None
        or step.once
        or host.ending in {Ending.REFUSED, Ending.MISFIT}
        or host.tries > step.retries
    ):
        times = f" ({host.tries} times)" if host.tries > 1 else ""
        return _hold(host, f"{name} {_word(host.ending)}{times}: {host.because}")
    pause = min(step.backoff * 2 ** (host.tries - 1), max(step.backoff, LONGEST_PAUSE))
    because = f"{name} {_word(host.ending)}: {host.because}; tried again in {pause:g} s (try {host.tries + 1} of {step.retries + 1})"
    return _try_again(host, because, now + pause)


def _try_again(host: HostState, because: str, not_before: float) -> Record:
    return Record(
        Event(Kind.RETRYING, because, host.name, host.step, host.attempt, {"not_before": not_before})
    )


def _after_known(host: HostState, answer: Known, now: float) -> Decision:
    said = f"{host.step} {_word(host.ending)} with the known error {answer.risk.name}: {host.because}"
    if answer.then == "hold":
        return _hold(host, f"{said}; {answer.because}")
    if answer.then == "retry":
        pause = answer.risk.backoff
        return _try_again(host, f"{said}; tried again in {pause:g} s, {answer.because}", now + pause)
    remedy = answer.risk.remedy
    return Start(host.name, remedy.name if remedy else "", host.attempt + 1, (), f"{said}; {answer.because}")


def _after_gate(graph: Graph, host: HostState, now: float) -> Record:
    key = next(reversed(host.gate_tries))
    moment, gate_name = key.rsplit("/", 1)
    rule = next(gate for gate in graph.gates if gate.name == gate_name)
    tries = host.gate_tries[key]
    if tries <= rule.retries:
        because = f"gate {gate_name} {moment}: {host.because}; asked again in {rule.interval:g} s"
        return Record(Event(Kind.ASK_AGAIN, because, host.name, data={"not_before": now + rule.interval}))
    if host.ending == Answer.FAIL:
        return _hold(host, f"gate {gate_name} {moment} failed: {host.because}")
    because = f"gate {gate_name} {moment} on {host.name} could not find out: {host.because}"
    return Record(Event(Kind.STUCK, because, host.name, data={"gate": gate_name}))


def _hold(host: HostState, because: str, *, uncertain: bool = False) -> Record:
    return Record(Event(Kind.HELD, because, host.name, host.step, host.attempt, {"uncertain": uncertain}))


def _word(ending: str | None) -> str:
    return {
        Ending.LATE: "took longer than its time-out",
        Ending.UNREACHABLE: "lost the host",
        Ending.REFUSED: "was refused",
        Ending.MISFIT: "failed, and another try would change nothing",
        Ending.INTERRUPTED: "was cut short",
    }.get(Ending(ending or "failed"), "failed")
