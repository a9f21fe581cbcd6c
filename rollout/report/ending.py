"""What a controller leaves behind: what happened, what is held and why, and what a person does next."""

from collections import Counter
from collections.abc import Iterator

from rollout.model.decision import Stop
from rollout.model.graph import Graph
from rollout.model.state import HostState, State, Status
from rollout.report.plain import counted, listed, plain, stamp
from rollout.report.standing import HELD_SHOWN, others, release

SAID = {
    Status.VERIFIED: "verified",
    Status.HELD: "held",
    Status.RETIRED: "retired",
    Status.GONE: "gone",
    Status.ROLLED_BACK: "rolled back",
    Status.EXCLUDED: "excluded",
    Status.RUNNING: "under way",
    Status.SOAKING: "soaking",
    Status.WAITING: "not begun",
}
"""Where hosts are, in words, in the order in which they are said."""


_HEALED = frozenset({Status.RUNNING, Status.SOAKING, Status.VERIFIED})


def text(run: str, graph: Graph, state: State, stop: Stop, options: str | None = "") -> str:
    """The report at the end; `options` are what commands need to find the journal. None: there is nothing to command."""
    lines = [f"run {plain(run)}: {plain(stop.because, 2000)} (exit code {stop.exit_code})"]
    lines += [f"  {line}" for line in combos(graph, state)]
    held = [host for host in state.hosts.values() if host.status is Status.HELD]
    stuck = [state.hosts[name] for name in state.stuck if not state.hosts[name].suspect]
    stranded = [state.hosts[name] for name in state.stuck if state.hosts[name].suspect]
    healed = [host for host in state.hosts.values() if host.harmed and host.status in _HEALED]
    if held:
        lines += ["", "held, and in need of a person", *_held(graph, held, options)]
    if healed and state.run.tripped and options is not None:
        lines += ["", "healed by a retry, and counted as failures until a person answers for them"]
        lines += [f"  {plain(host.name)}: {release(host.name, options)}" for host in healed[:HELD_SHOWN]]
    if stuck:
        lines += ["", "a gate could not find out; once its cause is mended, `rollout resume` asks it again"]
        lines += [f"  {plain(host.name)}: {plain(host.because)}" for host in stuck[:HELD_SHOWN]]
    if stranded:
        lines += [
            "",
            "not to blame, and not counted; once what is suspected is mended, `rollout resume` goes on with",
        ]
        lines += [f"  {plain(host.name)}: {plain(host.because)}" for host in stranded[:HELD_SHOWN]]
    closed = still_closed(state) if state.run.aborted else []
    if closed:
        lines += ["", f"not verified, so they stay closed to guests: {listed(closed, 1000)}"]
    left = list(_left_open(state)) if state.run.aborted or stop.exit_code in {0, 4} else []
    if left:
        lines += ["", "left open on hosts, by the steps that did it", *left[:HELD_SHOWN]]
        if len(left) > HELD_SHOWN:
            lines.append(f"  and on {counted(len(left) - HELD_SHOWN, 'host')} more")
    if options is not None and not state.run.aborted and stop.exit_code:
        lines += ["", f"then: rollout resume{options}"]
    return "\n".join(lines) + "\n"


def combos(graph: Graph, state: State) -> Iterator[str]:
    """One line for each combo: how many of its hosts are where, and what stopped it; then what stopped others than whole combos."""
    for combo, waves in graph.waves_of.items():
        counts: Counter[Status] = Counter()
        for wave in waves:
            counts.update(state.statuses[wave.id])
        if not waves:
            continue
        said = ", ".join(f"{counts[status]} {word}" for status, word in SAID.items() if counts[status])
        why = state.run.tripped.get(combo)
        yield f"{combo}: {said} of {counted(counts.total(), 'host')}{f'; {plain(why)}' if why else ''}"
    yield from (plain(why, 2000) for key, why in state.run.tripped.items() if key not in graph.waves_of)


def still_closed(state: State) -> list[str]:
    """Hosts whose upgrade was begun and which were not verified."""
    begun = {Status.RUNNING, Status.SOAKING, Status.HELD}
    return [host.name for host in state.hosts.values() if host.status in begun and _disrupted(state, host)]


def _left_open(state: State) -> Iterator[str]:
    """The ledger of hosts on which a cordon, a snapshot or the like is still there. An upgrade that can be undone is none of it."""
    for host in state.hosts.values():
        combo = state.combo_of(host.name)
        steps = [step for name in host.effects if (step := combo.step(name)) is not None]
        if host.status is Status.VERIFIED:
            steps = [step for step in steps if step.commit is not None or step.drain is not None]
        if steps:
            yield f"  {plain(host.name)} ({host.status}): {', '.join(step.name for step in steps)}"


def _disrupted(state: State, host: HostState) -> bool:
    combo = state.combo_of(host.name)
    return host.slot or (host.passed is not None and combo.holds_slot(host.passed))


def _held(graph: Graph, held: list[HostState], options: str | None) -> Iterator[str]:
    fillers: Counter[str] = Counter(
        slot for host in held if host.slot for slot in graph.nodes[host.name].slots
    )
    for host in sorted(held, key=lambda host: host.since)[:HELD_SHOWN]:
        yield f"  {plain(host.name)}, since {stamp(host.since)}: {plain(host.because)}"
        if host.slot:
            slots = [
                f"{plain(slot)} ({fillers[slot]} of {graph.caps[slot]} held)"
                for slot in graph.nodes[host.name].slots
            ]
            yield f"    keeps its place in {', '.join(slots)}"
        else:
            yield "    was not disrupted: it takes no place in the limits"
        if options is not None:
            yield f"    release: {release(host.name, options)}"
    if len(held) > HELD_SHOWN:
        yield f"  and {counted(len(held) - HELD_SHOWN, 'host')} more (rollout hosts --status held)"
    if options is not None:
        yield f"  {others(options)}"
