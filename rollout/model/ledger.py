"""The ledger of a host: the side effects that are open on it, such as a cordon, a snapshot, a switched repository.

An effect is open from the intent of the step that has an `undo` on: what became of a step that failed half-way is not known, so its
undo must be able to meet a host on which it has done nothing. All of it is a function of the host's chain and value.
"""

from typing import TYPE_CHECKING

from rollout.model.chain import COMMIT, UNDO, Step
from rollout.model.graph import Combo

if TYPE_CHECKING:
    from rollout.model.state import HostState


def begun(combo: Combo, host: "HostState") -> tuple[Step, ...]:
    """The steps of the chain that were begun on the host, for all that is known."""
    return combo.reached(host.passed, host.tried, host.step if host.open or host.lost else None)


def endangered(combo: Combo, host: "HostState") -> bool:
    """Whether something was begun on the host that no guest may be under, or that is not undone by walking back."""
    return any(
        step.endangers_guests or (step.changes_host and step.undo is None) for step in begun(combo, host)
    )


def is_untouched(combo: Combo, host: "HostState") -> bool:
    """Whether something is open on the host, and nothing dangerous was begun: an abort gives it back."""
    return bool(host.effects) and not endangered(combo, host)


def irreversible(combo: Combo, host: "HostState") -> str | None:
    """The step that was begun on the host and that nothing takes back any more. A snapshot that is being dropped is none."""
    kept = [effect for effect in host.effects if host.step != COMMIT + effect]
    return combo.irreversible(begun(combo, host), kept)


def next_side(combo: Combo, host: "HostState") -> Step | None:
    """The next order of a host that walks back: it undoes the last effect.

    A snapshot since which nothing has changed is dropped: restoring it would be a danger without a use.
    """
    step = combo.step(host.effects[-1]) if host.effects else None
    if step is None:
        return None
    return step.commit if step.commit is not None and not endangered(combo, host) else step.undo


def note_begun(combo: Combo, host: "HostState") -> None:
    """The last order may have done something on the host."""
    names = [step.name for step in combo.chain]
    if host.step in names and (host.tried is None or names.index(host.step) > names.index(host.tried)):
        host.tried = host.step


def forget_remedy(host: "HostState") -> None:
    """A remedy that did not come to its end was none: the failure that it was for stands as before."""
    if host.failure:
        host.remedied[host.step or ""] -= 1
        host.step, host.because = host.failure
        host.ending, host.failure = "failed", []


def open_effects(combo: Combo, host: "HostState", names: tuple[str, ...]) -> None:
    """In the order of the chain, whenever they were opened."""
    opened = {*host.effects, *names}
    host.effects = [step.name for step in combo.chain if step.name in opened]


def close(host: "HostState", name: str) -> None:
    """The step's effect is no more; nor is what it had found."""
    host.effects = [effect for effect in host.effects if effect != name]
    host.found.pop(name, None)


def close_effect(combo: Combo, host: "HostState", side: Step) -> None:
    """The undo or commit is done. An undo opens again what its step had closed, and the host stands where it stood before that step."""
    of = side.of or ""
    step = combo.step(of)
    close(host, of)
    if side.name.startswith(COMMIT) and irreversible(combo, host) is not None:
        host.back = None  # what was just made final was its way back
    if side.name.startswith(UNDO):
        open_effects(combo, host, step.closes if step is not None else ())
    if host.back is not None or side.name.startswith(UNDO):
        host.passed = host.tried = combo.before(of)
        host.answered, host.gate_tries = {}, {}
