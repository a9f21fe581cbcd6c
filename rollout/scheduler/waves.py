"""When a wave may open, and when it has passed."""

from rollout.model.decision import Record
from rollout.model.event import Event, Kind
from rollout.model.graph import Graph, Need, Wave
from rollout.model.people import AFTER_WAVE, BEFORE_RUN, BEFORE_WAVE, round_key
from rollout.model.progress import LEFT, UNFINISHED
from rollout.model.standing import is_answered
from rollout.model.state import State, Status
from rollout.scheduler.stops import stopped
from rollout.scheduler.waits import approval, named


def waves(graph: Graph, state: State) -> list[Record]:
    """Open and pass what can be opened and passed now."""
    if ("before", "run") in graph.gates_at or BEFORE_RUN in graph.fleet_gates:
        if BEFORE_RUN not in state.run.rounds:
            return [Record(Event(Kind.ROUND, "gates before the run", data={"moment": BEFORE_RUN}))]
        answered = is_answered(state, BEFORE_RUN, None) and not state.rounds_left.total()
        if not state.run.opened and not answered:
            return []
    records = []
    climbed: dict[str, bool] = {}
    opened, busy = state.run.opened, state.busy
    for line in state.unfinished.values():
        for wave in line:
            is_open = wave.id in opened
            if is_open and busy[wave.id]:
                continue
            record = _pass(graph, state, wave) if is_open else _open(graph, state, wave, climbed)
            if record is not None:
                records.append(record)
            if not is_open:
                break
    return records


def _open(graph: Graph, state: State, wave: Wave, climbed: dict[str, bool]) -> Record | None:
    if stopped(state, wave.combo) or not all(_is_met(graph, state, need, climbed) for need in wave.needs):
        return None
    asked = _round(graph, state, wave, BEFORE_WAVE)
    if asked is not None or not _answered(state, wave, BEFORE_WAVE):
        return asked
    because = " and ".join(_met(state, need) for need in wave.needs) or "nothing comes before it"
    return Record(Event(Kind.OPENED, f"{wave.id}: {because}", data={"wave": wave.id}))


def _pass(graph: Graph, state: State, wave: Wave) -> Record | None:
    """Of a wave of which every host has come to an end."""
    counts = state.statuses[wave.id]
    if wave.canary and not counts[Status.VERIFIED]:
        return None  # zero samples never pass
    asked = _round(graph, state, wave, AFTER_WAVE)
    if asked is not None or not _answered(state, wave, AFTER_WAVE) or wave.combo in state.run.tripped:
        return asked
    because = f"{wave.id}: {counts[Status.VERIFIED]} of {len(wave.hosts)} hosts verified"
    return Record(Event(Kind.PASSED, because, data={"wave": wave.id}))


def _round(graph: Graph, state: State, wave: Wave, moment: str) -> Record | None:
    edge, what = moment.split(" ")
    asked = (edge, what) in graph.gates_at or moment in graph.fleet_gates
    if not asked or round_key(moment, wave.id) in state.run.rounds:
        return None
    return Record(Event(Kind.ROUND, f"gates {moment} {wave.id}", data={"moment": moment, "wave": wave.id}))


def _answered(state: State, wave: Wave, moment: str) -> bool:
    return not state.rounds_left[wave.id] and is_answered(state, moment, wave.id)


def unmet(graph: Graph, state: State, wave: Wave) -> list[str]:
    """What the wave still waits for, one sentence each."""
    return [_missing(graph, state, need) for need in wave.needs if not _is_met(graph, state, need, {})]


def approval_awaited(graph: Graph, state: State) -> str | None:
    """The rung after which a person has to approve now: nothing else keeps some wave from opening."""
    if len(state.run.approved) == len(graph.approvals):
        return None
    for line in state.unfinished.values():
        wave = next((wave for wave in line if wave.id not in state.run.opened), None)
        unmet = [need for need in wave.needs if not _is_met(graph, state, need, {})] if wave else []
        if unmet and all(need.approved is not None for need in unmet):
            return unmet[0].approved
    return None


def _is_met(graph: Graph, state: State, need: Need, climbed: dict[str, bool]) -> bool:
    """`climbed` keeps what was found of rungs: many waves need the same."""
    if need.rung is not None:
        if need.rung not in climbed:
            climbed[need.rung] = _is_climbed(graph, state, need.rung)
        return climbed[need.rung]
    if need.approved is not None:
        return need.approved in state.run.approved
    if need.wave is not None:
        return _has_proven(graph, state, graph.waves[need.wave])
    wanted, verified = _share(graph, state, need)
    return bool(wanted) and verified >= need.share * wanted - 1e-9


def _is_climbed(graph: Graph, state: State, rung: str) -> bool:
    """A rung is climbed when nothing more can come of its waves, and one of its hosts at least is proof.

    Where credit limits what comes next, proof from an earlier rung will do: canaries that all failed keep back those that are like them.
    So will a person's word: for the canaries that left the run, others stand on the rungs above.
    """
    waves = graph.rungs[rung]
    if not all(_is_settled(state, wave) for wave in waves):
        return False
    if any(state.statuses[wave.id][Status.VERIFIED] for wave in waves):
        return True
    proven = state.verified.total() > 0
    left = all(state.hosts[name].status in LEFT for wave in waves for name in wave.hosts)
    return (proven or left) if graph.harm is not None else (proven and left)


def _is_settled(state: State, wave: Wave) -> bool:
    """Passed; or every host of it has come to its end, or cannot begin unless a person releases others."""
    if wave.id in state.run.passed:
        return True
    if state.rounds_left[wave.id]:
        return False
    if not state.busy[wave.id]:
        may_pass = not wave.canary or state.statuses[wave.id][Status.VERIFIED]
        return not may_pass or wave.combo in state.run.tripped
    if not (state.dead or state.run.tripped) or state.statuses[wave.id][Status.SOAKING]:
        return False
    if not wave.canary and (state.open or state.asking):
        return False  # a whole ramp is looked through only when nothing is in flight
    return all(state.kept(name) for name in wave.hosts if state.hosts[name].status in UNFINISHED)


def _has_proven(graph: Graph, state: State, wave: Wave) -> bool:
    """Passed, and a canary wave still has a verified host.

    Where credit limits what comes next, the rest of the canaries need not be waited for while held hosts keep them from beginning.
    """
    if wave.canary and not has_proof(graph, state, wave):
        return False
    kept = wave.canary and graph.harm is not None
    return wave.id in state.run.passed or (kept and _is_settled(state, wave))


def has_proof(graph: Graph, state: State, wave: Wave) -> bool:
    """Whether a canary of the wave is verified; of its combo, where credit limits what comes next: on the ladder they stand on several rungs."""
    line = [wave] if graph.harm is None else [one for one in graph.waves_of[wave.combo] if one.canary]
    return any(state.statuses[one.id][Status.VERIFIED] for one in line)


def _share(graph: Graph, state: State, need: Need) -> tuple[int, int]:
    """Of the hosts of the combo: how many there are, and how many are verified, or were there already."""
    combo = graph.combos[need.combo or ""]
    return combo.hosts + combo.current - state.left[combo.name], state.verified[combo.name] + combo.current


def _missing(graph: Graph, state: State, need: Need) -> str:
    if need.rung is not None:
        return _unclimbed(graph, state, need.rung)
    if need.approved is not None:
        return approval(graph, state, need.approved)
    if need.wave is not None:
        if need.wave not in state.run.passed:
            ends = (f"{count} {status}" for status, count in state.statuses[need.wave].items() if count)
            return f"wave {need.wave} has not passed ({', '.join(ends)})"
        return f"no canary of {need.wave} is verified any more"
    wanted, verified = _share(graph, state, need)
    if not wanted:
        return f"no host of {need.combo} is left that could prove anything"
    return f"{need.share:.0%} of {need.combo} is to be verified first, {verified} of {wanted} hosts are"


def _unclimbed(graph: Graph, state: State, rung: str) -> str:
    unsettled = [wave.id for wave in graph.rungs[rung] if not _is_settled(state, wave)]
    if not unsettled:
        return f"no host of rung {rung} is verified, so nothing is proven"
    return f"rung {rung} is not settled: {named(unsettled)}"


def _met(state: State, need: Need) -> str:
    if need.rung is not None:
        return f"rung {need.rung} is settled"
    if need.approved is not None:
        return f"what comes after {need.approved} is approved"
    return (
        f"{need.wave} {'has passed' if need.wave in state.run.passed else 'is settled'}"
        if need.wave is not None
        else f"{need.share:.0%} of {need.combo} is verified"
    )
