"""What becomes of a host whose step failed, or of which a gate says no good."""

from rollout.model.again import UNFIT
from rollout.model.decision import Decision, Record, Start
from rollout.model.event import Event, Kind
from rollout.model.graph import Graph
from rollout.model.known import called
from rollout.model.people import BEFORE_RUN
from rollout.model.seams import Answer, Ending
from rollout.model.state import HostState, State, Status
from rollout.scheduler.back import is_uncertain, refused
from rollout.scheduler.known import Known, known
from rollout.scheduler.stops import host_stopped

LONGEST_PAUSE = 3600.0
"""Seconds beyond which the pause between two tries does not grow, unless the plan's first one is longer."""

FINAL = frozenset({Ending.REFUSED, Ending.MISFIT})
"""What another try cannot change, or must not: a security stop."""


def after_failure(graph: Graph, state: State, host: HostState, now: float) -> Decision | None:
    """Hold it, try again, remedy it, ask again, or say that nobody knows; None: a remedy has to wait."""
    if host.ending in UNFIT:
        return _after_gate(graph, state, host, now)
    step = graph.step_of(host.name, host.step or "")
    name = host.step
    if is_uncertain(host, step):
        return hold(host, f"what {name} did cannot be known: {host.because}", uncertain=True)
    answer = known(graph, host, step)
    if answer is not None and (answer.then == "hold" or host.ending not in FINAL):
        if answer.then == "remedy" and not host.slot and host_stopped(state, host.name):
            return None
        return _after_known(host, answer, now)
    if step is None or step.once or host.ending in FINAL or host.tries > step.retries:
        times = f" ({host.tries} times)" if host.tries > 1 else ""
        because = f"{name} {_word(host.ending)}{times}: {host.because}"
        return hold(host, because, away=is_away(state, host))
    pause = min(step.backoff * 2 ** (host.tries - 1), max(step.backoff, LONGEST_PAUSE))
    because = f"{name} {_word(host.ending)}: {host.because}; tried again in {pause:g} s (try {host.tries + 1} of {step.retries + 1})"
    return _try_again(host, because, now + pause)


def _try_again(host: HostState, because: str, not_before: float, risk: str = "") -> Record:
    data = {"not_before": not_before, **({"risk": risk} if risk else {})}
    return Record(Event(Kind.RETRYING, because, host.name, host.step, host.attempt, data))


def _after_known(host: HostState, answer: Known, now: float) -> Decision:
    said = f"{host.step} {_word(host.ending)} with the known error {called(answer.risk)}: {host.because}"
    if answer.then == "hold":
        return hold(host, f"{said}; {answer.because}" if answer.because else said, risk=answer.risk.name)
    if answer.then == "retry":
        pause = answer.risk.backoff
        because = f"{said}; tried again in {pause:g} s, {answer.because}"
        return _try_again(host, because, now + pause, answer.risk.name)
    remedy = answer.risk.remedy
    return Start(host.name, remedy.name if remedy else "", host.attempt + 1, (), f"{said}; {answer.because}")


def _after_gate(graph: Graph, state: State, host: HostState, now: float) -> Record:
    key = next(reversed(host.gate_tries))
    moment, gate_name = key.rsplit("/", 1)
    rule = next(gate for gate in graph.gates if gate.name == gate_name)
    tries = host.gate_tries[key]
    if tries <= rule.retries:
        because = f"gate {gate_name} {moment}: {host.because}; asked again in {rule.interval:g} s"
        return Record(Event(Kind.ASK_AGAIN, because, host.name, data={"not_before": now + rule.interval}))
    if host.ending == Answer.FAIL or rule.on_inconclusive == "fail":
        found = "failed" if host.ending == Answer.FAIL else "could not find out, which counts as a failure"
        because = f"gate {gate_name} {moment} {found}: {host.because}"
        return refused(host, gate_name) or hold(host, because, away=is_away(state, host))
    because = f"gate {gate_name} {moment} on {host.name} could not find out: {host.because}"
    return Record(Event(Kind.STUCK, because, host.name, data={"gate": gate_name}))


def is_away(state: State, host: HostState) -> bool:
    """Whether others have broken a host that we have not touched: it was well in this run, and nobody answers there any more.

    What was dead before the run is the baseline: it has answered no gate `before run`, or without such gates not even its first step.
    """
    was_well = host.passed is not None or (BEFORE_RUN in state.run.rounds and host.round != BEFORE_RUN)
    untouched = host.status in {Status.WAITING, Status.RUNNING} and not host.slot and host.back is None
    return host.silent and untouched and was_well


def hold(
    host: HostState, because: str, *, uncertain: bool = False, away: bool = False, risk: str = ""
) -> Record:
    told = {"away": away, "risk": risk}
    data = {"uncertain": uncertain, **{key: value for key, value in told.items() if value}}
    return Record(Event(Kind.HELD, because, host.name, host.step, host.attempt, data))


def _word(ending: str | None) -> str:
    return {
        Ending.LATE: "took longer than its time-out",
        Ending.UNREACHABLE: "lost the host",
        Ending.REFUSED: "was refused",
        Ending.MISFIT: "failed, and another try would change nothing",
        Ending.INTERRUPTED: "was cut short",
    }.get(Ending(ending or "failed"), "failed")
