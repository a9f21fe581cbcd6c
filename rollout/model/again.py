"""What people decide about hosts that have begun: to let them go on, to give them up, to take back what was done."""

from rollout.model.event import Event
from rollout.model.graph import Combo
from rollout.model.ledger import close_effect, irreversible, is_untouched
from rollout.model.people import put_back
from rollout.model.seams import Answer
from rollout.model.state import OUT, HostState, State, Status

UNFIT = frozenset({Answer.FAIL, Answer.ERROR, Answer.INCONCLUSIVE})
"""Values of `HostState.ending` that are a gate's answer."""


def enter(host: HostState, status: Status, event: Event) -> None:
    """Enter a status: since when, and why."""
    host.status, host.since, host.because = status, event.at, event.because


def back_to_work(state: State, host: HostState, event: Event) -> None:
    """A host for which no step was ever begun waits for its wave, as before. After an abort an untouched one is given back."""
    enter(host, Status.RUNNING if host.attempt else Status.WAITING, event)
    host.ending, host.not_before, host.tries, host.deaths, host.uncertain = None, 0.0, 0, 0, False
    host.answered, host.gate_tries, host.stuck, host.lost = {}, {}, False, False
    host.slot, host.away, host.silent = host.slot and not host.away, False, False
    if state.run.aborted and is_untouched(state.combo_of(host.name), host):
        host.back = host.back or f"the run was aborted: {state.run.aborted}"


def aborted(state: State, event: Event) -> tuple[str, ...]:
    """A host on which nothing dangerous was begun walks back; one where it was finishes its chain."""
    state.run.aborted = event.because
    touched = tuple(
        host.name
        for host in state.hosts.values()
        if host.status is Status.RUNNING
        and host.back is None
        and is_untouched(state.combo_of(host.name), host)
    )
    for name in touched:
        with state.changing(name) as host:
            host.back = f"the run was aborted: {event.because}"
            _turn(host)
    return touched


def retried(state: State, host: HostState, event: Event) -> None:
    """A person answers for it: the failure no longer counts, until it fails again; also of a host that has healed since."""
    if host.status is Status.HELD:
        back_to_work(state, host, event)
    elif host.status is Status.ROLLED_BACK:
        enter(host, Status.WAITING, event)
    elif host.status is Status.EXCLUDED:
        put_back(state, host, event)
    if host.status not in OUT:
        host.harmed, host.late = False, False


def resolved(state: State, host: HostState, event: Event) -> None:
    """`done`: the step counts as done, `verify` and its gates are run again; the failure still counts (design, section 12)."""
    if host.status is not Status.HELD:
        return
    if event.data["as"] != "done":
        host.because, host.uncertain = event.because, False
        return
    combo = state.combo_of(host.name)
    side = combo.step(host.step or "")
    if side is not None and side.of is not None:
        close_effect(combo, host, side)
    else:
        names = [step.name for step in combo.chain]
        reached = names.index(host.step) if host.step in names else -1
        if host.passed in names:
            reached = max(reached, names.index(host.passed))
        reached = _before_proof(combo, reached)
        host.passed = names[reached] if reached >= 0 else None
    back_to_work(state, host, event)


def _before_proof(combo: Combo, reached: int) -> int:
    """The step before the `verify` that is to prove what was done last, if the host had come that far; steps by their index."""
    proof = None
    for index, step in enumerate(combo.chain[: reached + 1]):
        if step.changes_host:
            proof = None
        elif step.kind == "verify":
            proof = index
    return reached if proof is None else proof - 1


def retired(_state: State, host: HostState, event: Event) -> None:
    """It leaves the run, with whatever is open on it."""
    if host.open or host.status in {Status.RETIRED, Status.GONE}:
        return
    enter(host, Status.RETIRED, event)
    host.slot, host.reserved, host.stuck, host.round, host.not_before = False, False, False, None, 0.0


def rollback(state: State, host: HostState, event: Event) -> None:
    """A step in flight ends first, and what became of a step is known first. What nothing takes back is left as it is."""
    combo = state.combo_of(host.name)
    gone = host.status in {Status.RETIRED, Status.GONE, Status.ROLLED_BACK} or not host.attempt
    if gone or host.uncertain or irreversible(combo, host) is not None:
        return
    host.back = event.because
    if host.status is Status.HELD:
        back_to_work(state, host, event)
    else:
        _turn(host)


def _turn(host: HostState) -> None:
    """It goes the other way from now on; a host that waits for its path, or is asked what it did, first comes out of that."""
    if host.open or host.lost or host.suspect is not None:
        return
    host.stuck, host.gate_tries = False, {}
    if host.ending in UNFIT:
        host.ending = None
    if host.status is Status.RUNNING:
        host.not_before = 0.0


def rolled_back(_state: State, host: HostState, event: Event) -> None:
    """It is as it was found, and stays out of the run unless a person lets it try again."""
    enter(host, Status.ROLLED_BACK, event)
    host.back, host.passed, host.tried, host.step, host.ending = None, None, None, None, None
    host.slot, host.reserved, host.uncertain, host.round, host.not_before = False, False, False, None, 0.0
    host.answered, host.gate_tries, host.found, host.discounted = {}, {}, {}, False


def stays(_state: State, host: HostState, event: Event) -> None:
    """The rollback of a healthy host was refused before anything was undone: it stays what it was."""
    host.back, host.ending, host.reserved, host.because = None, None, False, event.because
    host.gate_tries = {}
