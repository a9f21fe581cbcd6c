"""Time alone keeps what is left from beginning: the end of this controller, a window, the plan's deadline."""

from rollout.errors import TIME_BUDGET_USED, NotNow
from rollout.model.decision import Stop
from rollout.model.graph import Graph
from rollout.model.state import State
from rollout.scheduler.room import seconds_left, shut
from rollout.scheduler.windows import Closed, may_begin, spoken

ANOTHER_PLAN = "a plan with another deadline or window is a new run: `rollout apply PLAN --new-run`"
"""What a person can do when no time will come."""


def used_up(state: State, now: float, at: float) -> Stop:
    """What is to be done next is due at `at`, when this controller has ended."""
    host = next(state.hosts[name] for when, name in state.timers if when == at)
    because = f"the next thing to do is due in {spoken(at - now)}, when this controller has ended: {host.name}, {host.because}"
    return Stop(TIME_BUDGET_USED, f"time used up: {because}; `rollout resume` carries on")


def out_of_time(graph: Graph, state: State, now: float, until: float | None) -> Stop | None:
    """Another controller can go on, at once or when a window opens. None if it is not this one's end that is in the way."""
    if until is None:
        return None
    opening: list[Closed] = []
    for name, closed in shut(graph, state, now, until):
        otherwise = may_begin(graph, name, seconds_left(state, state.hosts[name]), now)
        if otherwise is None:
            return Stop(TIME_BUDGET_USED, f"time used up: {closed.because}; `rollout resume` carries on")
        opening += [otherwise] if otherwise.opens is not None else []
    if not opening:
        return None
    first = min(opening, key=lambda closed: closed.opens or 0.0)
    return Stop(
        NotNow.exit_code, f"not now: {first.because}; this controller ends before that; `rollout resume` then"
    )


def too_late(graph: Graph, state: State, now: float) -> list[str]:
    """Why some hosts may never begin, as far as can be seen: a deadline, or no window that is long enough."""
    never = (closed.because for _, closed in shut(graph, state, now, None) if closed.opens is None)
    found = list(dict.fromkeys(never))
    return [*found[:-1], f"{found[-1]}; {ANOTHER_PLAN}"] if found else []
