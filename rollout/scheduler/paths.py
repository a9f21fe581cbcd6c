"""A path is suspected: who can say whether it works, how long a controller waits for it, and what is said meanwhile."""

from collections import Counter
from collections.abc import Sequence

from rollout.model.decision import Wait
from rollout.model.graph import Graph
from rollout.model.state import HostState, State, Status
from rollout.model.suspicion import BY_PATH

PATIENCE = 3600.0
"""Seconds that a controller waits for a suspected path with nothing else to do, before it leaves the run to a person."""

SITE = "site"
"""The factor that tells places apart: hosts of two sites never share a path."""

SHOWN = 5
_PROVEN = (Status.VERIFIED, Status.SOAKING, Status.RUNNING, Status.WAITING)
"""Who may be asked; the first have answered in this run already."""


def witnesses(graph: Graph, state: State, lost: Sequence[str]) -> list[str]:
    """Hosts at the site of the lost ones that nothing has disrupted, the best first: of several racks in turn."""
    sites = {graph.nodes[name].factors.get(SITE) for name in lost}
    shared = {slot for name in lost for slot in graph.nodes[name].slots}
    found = [
        host
        for host in state.hosts.values()
        if _is_undisturbed(host)
        and host.name not in lost
        and graph.nodes[host.name].factors.get(SITE) in sites
    ]
    seen: Counter[tuple[Status, tuple[str, ...]]] = Counter()
    ranked = []
    for number, host in enumerate(found):
        slots = graph.nodes[host.name].slots
        turn = seen[host.status, slots]
        seen[host.status, slots] += 1
        ranked.append((_PROVEN.index(host.status), len(shared & set(slots)), turn, number, host.name))
    return [name for *_, name in sorted(ranked)]


def _is_undisturbed(host: HostState) -> bool:
    return host.status in _PROVEN and not (host.slot or host.open or host.stuck)


def wait_for_path(state: State, now: float) -> Wait | None:
    """The engine asks a suspected path again and again, and goes on when it answers; None when that has lasted long enough."""
    until = state.run.suspected_at + PATIENCE
    if state.run.paused_by != BY_PATH or now >= until:
        return None
    soon = next((at for at, _ in state.timers if at > now), until)
    return Wait(min(soon, until), said(state))


def said(state: State) -> str:
    """Why the run is paused, with the hosts that wait for what is suspected and what a person does."""
    names = sorted(name for name in state.stuck if state.hosts[name].suspect)
    if not state.run.suspected or not names:
        return state.run.paused or ""
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    who = (
        f"host {names[0]} waits and is"
        if len(names) == 1
        else f"hosts {', '.join(names[:SHOWN])}{more} wait and are"
    )
    return f"{state.run.paused}; {who} not counted; mend it, then `rollout resume`"
