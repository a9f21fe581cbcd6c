"""When a wave may open, and when it has passed."""

from rollout.model.decision import Record
from rollout.model.event import Event, Kind
from rollout.model.graph import Graph, Need, Wave
from rollout.model.people import round_key
from rollout.model.state import State, Status
from rollout.scheduler.stops import stopped

SHOWN = 3


def waves(graph: Graph, state: State) -> list[Record]:
    """Open and pass what can be opened and passed now."""
    if ("before", "run") in graph.gates_at:
        if "before run" not in state.run.rounds:
            return [Record(Event(Kind.ROUND, "gates before the run", data={"moment": "before run"}))]
        if not state.run.opened and state.rounds_left.total():
            return []
    records = []
    for line in graph.waves_of.values():
        for wave in line:
            if wave.id in state.run.passed:
                continue
            record = _pass(graph, state, wave) if wave.id in state.run.opened else _open(graph, state, wave)
            if record is not None:
                records.append(record)
            break
    return records


def _open(graph: Graph, state: State, wave: Wave) -> Record | None:
    if stopped(state, wave.combo) or unmet(graph, state, wave):
        return None
    asked = _round(graph, state, wave, "before wave")
    if asked is not None or state.rounds_left[wave.id]:
        return asked
    because = " and ".join(_met(need) for need in wave.needs) or "nothing comes before it"
    return Record(Event(Kind.OPENED, f"{wave.id}: {because}", data={"wave": wave.id}))


def _pass(graph: Graph, state: State, wave: Wave) -> Record | None:
    counts = state.statuses[wave.id]
    if counts[Status.RUNNING] or counts[Status.WAITING] or counts[Status.SOAKING]:
        return None
    if wave.canary and not counts[Status.VERIFIED]:
        return None  # zero samples never pass
    asked = _round(graph, state, wave, "after wave")
    if asked is not None or state.rounds_left[wave.id] or wave.combo in state.run.tripped:
        return asked
    because = f"{wave.id}: {counts[Status.VERIFIED]} of {len(wave.hosts)} hosts verified"
    return Record(Event(Kind.PASSED, because, data={"wave": wave.id}))


def _round(graph: Graph, state: State, wave: Wave, moment: str) -> Record | None:
    edge, what = moment.split(" ")
    if (edge, what) not in graph.gates_at or round_key(moment, wave.id) in state.run.rounds:
        return None
    return Record(Event(Kind.ROUND, f"gates {moment} {wave.id}", data={"moment": moment, "wave": wave.id}))


def unmet(graph: Graph, state: State, wave: Wave) -> list[str]:
    """What the wave still waits for, one sentence each."""
    return [missing for need in wave.needs if (missing := _missing(graph, state, need))]


def _missing(graph: Graph, state: State, need: Need) -> str:
    if need.rung is not None:
        return _unclimbed(graph, state, need.rung)
    if need.approved is not None:
        return (
            ""
            if need.approved in state.run.approved
            else f"what comes after {need.approved} waits for an approval"
        )
    if need.wave is not None:
        if need.wave not in state.run.passed:
            return f"wave {need.wave} has not passed"
        proven = not graph.waves[need.wave].canary or state.statuses[need.wave][Status.VERIFIED]
        return "" if proven else f"no canary of {need.wave} is verified any more"
    return _share_missing(graph, state, need)


def _share_missing(graph: Graph, state: State, need: Need) -> str:
    combo = graph.combos[need.combo or ""]
    wanted = combo.hosts + combo.current - state.left[combo.name]
    verified = state.verified[combo.name] + combo.current
    if not wanted:
        return f"no host of {combo.name} is left that could prove anything"
    if verified >= need.share * wanted - 1e-9:
        return ""
    return f"{need.share:.0%} of {combo.name} is to be verified first, {verified} of {wanted} hosts are"


def _unclimbed(graph: Graph, state: State, rung: str) -> str:
    """A rung is climbed when nothing more can come of its waves, and one of its hosts at least is proof."""
    waves_of_it = graph.rungs[rung]
    unsettled = [wave.id for wave in waves_of_it if not _settled(state, wave)]
    if unsettled:
        more = f" and {len(unsettled) - SHOWN} more" if len(unsettled) > SHOWN else ""
        return f"rung {rung} is not settled: {', '.join(unsettled[:SHOWN])}{more}"
    proven = any(state.statuses[wave.id][Status.VERIFIED] for wave in waves_of_it)
    return "" if proven else f"no host of rung {rung} is verified, so nothing is proven"


def _settled(state: State, wave: Wave) -> bool:
    """Passed; or no host of it is on its way, and those that have not begun are kept from it by a breaker."""
    if wave.id in state.run.passed:
        return True
    counts = state.statuses[wave.id]
    if counts[Status.RUNNING] or counts[Status.SOAKING] or state.rounds_left[wave.id]:
        return False
    if not counts[Status.WAITING]:
        return not (wave.canary and counts[Status.VERIFIED]) or wave.combo in state.run.tripped
    waiting = (name for name in wave.hosts if state.hosts[name].status is Status.WAITING)
    return bool(state.run.tripped) and all(state.broken(name) for name in waiting)


def _met(need: Need) -> str:
    if need.rung is not None:
        return f"rung {need.rung} is settled"
    if need.approved is not None:
        return f"what comes after {need.approved} is approved"
    return (
        f"{need.wave} has passed"
        if need.wave is not None
        else f"{need.share:.0%} of {need.combo} is verified"
    )
