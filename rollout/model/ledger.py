"""The ledger of a host: the side effects that are open on it, such as a cordon, a snapshot, a switched repository.

An effect is open from the intent of the step that has an `undo` on: what became of a step that failed half-way is not known, so its
undo must be able to meet a host on which it has done nothing.
"""

from rollout.model.plan import COMMIT, UNDO, Step
from rollout.model.state import HostState, State, Status


def endangered(state: State, host: HostState) -> bool:
    """Whether a step was begun on the host that no guest may be under."""
    begun = state.combo_of(host.name).reached(host.passed, host.step)
    return any(step.endangers_guests for step in begun)


def is_untouched(state: State, host: HostState) -> bool:
    """Whether something is open on the host, and nothing dangerous was begun: an abort gives it back."""
    return bool(host.effects) and not endangered(state, host)


def irreversible(state: State, host: HostState) -> str | None:
    """The step that was begun on the host and that nothing takes back any more."""
    combo = state.combo_of(host.name)
    return combo.irreversible(combo.reached(host.passed, host.step), host.effects)


def open_effects(state: State, host: HostState, names: tuple[str, ...]) -> None:
    """In the order of the chain, whenever they were opened."""
    opened = {*host.effects, *names}
    host.effects = [step.name for step in state.combo_of(host.name).chain if step.name in opened]


def close_effect(state: State, host: HostState, side: Step) -> None:
    """An undo opens again what its step had closed, and the host stands where it stood before that step."""
    combo, of = state.combo_of(host.name), side.of or ""
    step = combo.step(of)
    close(host, of)
    if side.name.startswith(COMMIT) and irreversible(state, host) is not None:
        host.back = None  # what was just made final was its way back
    if side.name.startswith(UNDO):
        open_effects(state, host, step.closes if step is not None else ())
    if host.back is not None or side.name.startswith(UNDO):
        host.passed, host.answered, host.gate_tries = combo.before(of), {}, {}
    if host.back is not None:
        host.status = Status.RUNNING


def close(host: HostState, name: str) -> None:
    """The step's effect is no more; nor is what it had found."""
    host.effects = [effect for effect in host.effects if effect != name]
    host.found.pop(name, None)
