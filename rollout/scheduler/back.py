"""How a host walks back: what its steps left open is undone, the last first."""

from rollout.model.again import UNFIT
from rollout.model.chain import COMMIT, REMEDY, UNDO, Step
from rollout.model.decision import Decision, Record, Start
from rollout.model.event import Event, Kind
from rollout.model.graph import Combo, Graph
from rollout.model.ledger import next_side
from rollout.model.plan import ROLLBACK, GateRule
from rollout.model.seams import Ending
from rollout.model.state import HostState, State, Status
from rollout.scheduler.questions import FRESH, ask
from rollout.scheduler.room import yielded

_OWN_MOMENTS = (f"before {UNDO}", f"before {COMMIT}", f"after {ROLLBACK}")


def walks_back(state: State, host: HostState) -> bool:
    """Whether the next thing to do with the host is to undo something.

    The failure of a step that is to be undone anyway is no obstacle; one whose outcome is not known is, and so is that of an undo
    or of a remedy. What a step did whose path vanished is asked first.
    """
    if host.back is None:
        return False
    step = state.graph.step_of(host.name, host.step or "")
    if host.lost and step is not None and step.once:
        return False
    if host.ending in UNFIT:
        return not next(reversed(host.gate_tries)).startswith(_OWN_MOMENTS)
    own = step is not None and (step.of is not None or step.name.startswith(REMEDY))
    return host.ending is None or not (own or is_uncertain(host, step))


def is_uncertain(host: HostState, step: Step | None) -> bool:
    """Whether what the last step did is not known."""
    late = host.ending == Ending.LATE and step is not None and step.once
    return host.ending == Ending.UNKNOWN or late


def refused(host: HostState, gate: str) -> Record | None:
    """A healthy host of which nothing was undone yet, and which a gate forbids to touch, stays what it is."""
    if host.back is None or host.slot or host.status not in {Status.VERIFIED, Status.SOAKING}:
        return None
    because = f"not rolled back, for gate {gate} forbids it: {host.because}; it stays as it is"
    return Record(Event(Kind.STAYS, because, host.name))


def walk_back(graph: Graph, state: State, host: HostState, now: float) -> Decision | None:
    """The next undo; None while it has to wait."""
    combo = state.combo_of(host.name)
    side = next_side(combo, host)
    if side is not None:
        return _undo(graph, state, host, side, now)
    if host.effects:
        because = f"{host.effects[-1]} is open on it, and the plan names nothing any more that undoes it; see to it by hand"
        return Record(Event(Kind.HELD, because, host.name, host.step, host.attempt, {"uncertain": False}))
    asked = ask(host, f"after {ROLLBACK}", graph.gates_at.get(("after", ROLLBACK), ()))
    because = f"everything that was open on it is undone: {host.back}"
    return asked or Record(Event(Kind.ROLLED_BACK, because, host.name))


def _undo(graph: Graph, state: State, host: HostState, side: Step, now: float) -> Decision | None:
    """A host that was verified takes its slot again before it is touched. A pause holds up those without one."""
    combo, node = state.combo_of(host.name), graph.nodes[host.name]
    takes = combo.holds_slot(side.name) and not host.slot
    if not host.slot and state.run.paused:
        return yielded(host, "nothing may begin now")
    if takes and not host.reserved and state.slots.full(node.slots):
        return None
    if host.reserved and state.slots.over(node.slots):
        return yielded(host, "a host that regressed has taken its slot back, and none is left")
    asked = ask(host, f"before {side.name}", _gates(graph, combo, side), reserves=takes, stale=now - FRESH)
    if asked is not None:
        return asked
    slots = node.slots if takes else ()
    return Start(host.name, side.name, host.attempt + 1, slots, f"{side.of} is taken back: {host.back}")


def _gates(graph: Graph, combo: Combo, side: Step) -> tuple[GateRule, ...]:
    """Nothing is undone under guests that could not be done under them."""
    if graph.no_guests is None or combo.guests_ignored is not None or not side.endangers_guests:
        return ()
    return (graph.no_guests,)
