"""Nothing is in flight and nothing can begin: done, or why not."""

from collections import Counter

from rollout.errors import DONE, HALTED, HELD_WITHIN_BUDGET, ApprovalMissing, NotNow
from rollout.model.decision import Stop, Wait
from rollout.model.graph import Graph, Wave
from rollout.model.plan import DURING
from rollout.model.state import State, Status
from rollout.model.suspicion import BY_COMMON_CAUSE, BY_CONTROLLER, BY_PATH
from rollout.scheduler.out_of_time import out_of_time, too_late
from rollout.scheduler.paths import said, wait_for_path
from rollout.scheduler.waits import NEW_RUN, approval, breaker, limits
from rollout.scheduler.waves import approval_awaited, has_proof, unmet

STANDSTILLS = frozenset({"gate", BY_PATH, BY_CONTROLLER, BY_COMMON_CAUSE})
"""Pauses that nobody asked for: what causes them is to be mended."""


def ending(graph: Graph, state: State, now: float, until: float | None = None) -> Stop | Wait:
    """How the controller ends, with the exit code of design section 10. `until`: as of `decide`."""
    totals: Counter[Status] = Counter()
    for counts in state.statuses.values():
        totals.update(counts)
    unfinished = totals[Status.WAITING] + totals[Status.RUNNING] + totals[Status.SOAKING]
    unfinished += state.rounds_left.total()  # what a gate has still to say of verified hosts, too
    unfinished += sum(standing.moment != DURING for standing in state.run.standing.values())
    tally = _tally(totals)
    if state.run.aborted and unfinished:
        wait = wait_for_path(state, now) if state.stuck else None  # half an upgrade is not left for a bastion
        return wait or Stop(
            HALTED, f"aborted: {state.run.aborted}; this run is over, and {NEW_RUN} ({tally})"
        )
    held = totals[Status.HELD]
    if not (unfinished or state.stuck or _to_be_answered(state)):
        return Stop(HELD_WITHIN_BUDGET if held else DONE, f"finished: {tally}")
    if state.run.paused:
        code = HALTED if state.stuck or state.run.paused_by in STANDSTILLS else NotNow.exit_code
        return wait_for_path(state, now) or Stop(code, f"paused: {_lifted(state)} ({tally})")
    later = out_of_time(graph, state, now, until)
    if later is not None:
        return Stop(later.exit_code, f"{later.because} ({tally})")
    rung = approval_awaited(graph, state)
    if rung is not None and not (state.run.tripped or _full(graph, state, now)):
        words = f"approval missing: {approval(graph, state, rung)}, then `rollout resume`"
        return Stop(ApprovalMissing.exit_code, f"{words} ({tally})")
    return Stop(HALTED, f"halted: {'; '.join(stalls(graph, state, now))} ({tally})")


def _lifted(state: State) -> str:
    """Why it is paused, and what lifts that."""
    why = said(state)
    if "`rollout resume`" in why:
        return why
    return f"{why}; {'mend it, then `rollout resume`' if state.run.paused_by in STANDSTILLS else '`rollout resume` goes on'}"


def _tally(totals: Counter[Status]) -> str:
    """The hosts that finished, failed or never began; and of the others, those that there are: the numbers add up to the hosts of the run."""
    said = [
        f"{totals[Status.VERIFIED]} verified",
        f"{totals[Status.HELD]} held",
        f"{totals[Status.WAITING]} not started",
    ]
    out = {
        Status.RUNNING: "under way",
        Status.SOAKING: "soaking",
        Status.RETIRED: "retired",
        Status.GONE: "gone",
        Status.ROLLED_BACK: "rolled back",
        Status.EXCLUDED: "excluded",
    }
    return ", ".join([*said, *(f"{totals[status]} {word}" for status, word in out.items() if totals[status])])


def _to_be_answered(state: State) -> bool:
    """Whether a breaker has tripped for hosts that a person can still answer for, and has not by giving them up."""
    if not state.run.tripped:
        return False
    answered = {Status.RETIRED, Status.ROLLED_BACK}
    return any(host.harmed and host.status not in answered for host in state.hosts.values())


def stalls(graph: Graph, state: State, now: float) -> list[str]:
    """What keeps the rest from beginning, one sentence each."""
    reasons = [breaker(state, why) for why in state.run.tripped.values()]
    for combo, line in state.unfinished.items():
        if combo in state.run.tripped or "" in state.run.tripped:
            continue
        wave = next((wave for wave in line if not _has_failed_alone(graph, state, wave)), None)
        if wave is not None and wave.id not in state.run.opened:
            reasons += [f"{wave.id} cannot open: {missing}" for missing in unmet(graph, state, wave)]
        elif wave is not None and _is_over(state, wave):
            reasons.append(_unproven(wave, state.statuses[wave.id]))
    reasons += _full(graph, state, now) + too_late(graph, state, now)
    return reasons or ["nothing can begin"]


def _is_over(state: State, wave: Wave) -> bool:
    """Whether it is a canary wave that came to its end without a verified host."""
    counts = state.statuses[wave.id]
    going_on = counts[Status.VERIFIED] or counts[Status.WAITING] or counts[Status.RUNNING]
    return wave.canary and wave.id in state.run.opened and not going_on


def _has_failed_alone(graph: Graph, state: State, wave: Wave) -> bool:
    """The same, but other canaries of its combo are proof enough."""
    return _is_over(state, wave) and has_proof(graph, state, wave)


def _unproven(wave: Wave, counts: Counter[Status]) -> str:
    """Zero samples never pass, whoever left them out."""
    ends = ", ".join(f"{count} {status}" for status, count in counts.items() if count)
    back = "; `rollout retry HOST --reason WHY` puts one back" if counts[Status.EXCLUDED] else ""
    return f"{wave.id} has no verified canary ({ends}), so the rest of {wave.combo} does not begin{back}"


def _full(graph: Graph, state: State, now: float) -> list[str]:
    """Limits that held hosts fill."""
    if not (len(state.ready) or len(state.waiting) or state.timers or state.idle):
        return []
    slots = dict.fromkeys(
        slot for host in state.hosts.values() if host.slot for slot in graph.nodes[host.name].slots
    )
    full = [slot for slot in sorted(slots) if state.slots.taken[slot] >= graph.caps[slot]]
    return [limits(graph, state, full, now)] if full else []
