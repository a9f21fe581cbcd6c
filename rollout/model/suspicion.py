"""What hosts share is in doubt: the way to them, or our own machine. Meanwhile none of them is blamed, and nothing begins."""

from rollout.model.event import Event
from rollout.model.ledger import forget_remedy, note_begun
from rollout.model.people import pause
from rollout.model.state import OUT, HostState, RunState, State

THIS_MACHINE = "this machine"
"""The name under which the controller's own machine is in doubt, beside the names of paths."""

BY_PATH, BY_CONTROLLER, BY_COMMON_CAUSE = "path", "controller", "common-cause"
"""Values of `RunState.paused_by`."""


def suspect(state: State, event: Event) -> tuple[str, ...]:
    """A pause of a person, or for a gate, stays what it is."""
    state.run.suspected[event.data["path"]] = event.because
    state.run.suspected_at = event.at
    _pause(state.run, event.at)
    return ()


def restore(state: State, event: Event) -> tuple[str, ...]:
    """The hosts that waited for it go on."""
    path = event.data["path"]
    state.run.suspected.pop(path, None)
    _pause(state.run, event.at)
    touched = tuple(name for name in state.stuck if state.hosts[name].suspect == path)
    for name in touched:
        with state.changing(name) as host:
            host.stuck, host.suspect = False, None
    return touched


def forget(run: RunState) -> None:
    """A person goes on: whatever is still in doubt will be found out again."""
    run.suspected.clear()
    _pause(run, run.at)


def strand(state: State, host: HostState, event: Event) -> None:
    """The host waits, and what happened to it counts for nothing. What its step did, if one was under way, is asked before it begins again."""
    was_open, has_begun = host.open, host.open and event.data.get("begun", True)
    host.lost = host.lost or has_begun
    if has_begun:
        note_begun(state.combo_of(host.name), host)
    host.open, host.asking, host.reserved = False, False, False
    if host.status in OUT:
        return
    host.stuck, host.suspect, host.because = True, event.data["path"], event.because
    if was_open:
        forget_remedy(host)
    host.answered = {key: at for key, at in host.answered.items() if not key.startswith("before ")}


def _pause(run: RunState, at: float) -> None:
    if run.paused_by not in {"", BY_PATH, BY_CONTROLLER}:
        return
    ours = BY_CONTROLLER if THIS_MACHINE in run.suspected else BY_PATH
    pause(run, "; ".join(run.suspected.values()) or None, ours if run.suspected else "", at)
