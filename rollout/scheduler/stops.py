"""What keeps hosts from beginning."""

from rollout.model.state import State


def stopped(state: State, combo: str) -> str | None:
    """Why no host of the combo may begin now; None if it may. What has begun goes on to a safe point."""
    run = state.run
    return run.aborted or run.paused or run.tripped.get("") or run.tripped.get(combo)


def host_stopped(state: State, name: str) -> str | None:
    """The same of one host, whose own factors may be under suspicion."""
    return state.run.aborted or state.run.paused or state.broken(name)
