"""What an amendment changes for which hosts, in words and as lines of JSON."""

import json
from collections.abc import Iterator
from dataclasses import replace

from rollout.graph.amend import Amended
from rollout.model.breaker import subset_of
from rollout.model.graph import Graph, Wave
from rollout.model.state import State
from rollout.report import comparison, diff
from rollout.report.plain import counted, listed, plain

NAMED = 8
"""Hosts that a sentence names."""


def changes(old: Graph, amended: Amended) -> list[str]:
    """One sentence for each thing that is another for the run; none if nothing is."""
    return diff.sentences(_compared(old, amended))


def _compared(old: Graph, amended: Amended) -> comparison.Comparison:
    """Digests apart: hosts that the run does not have are none of its changes. Nor is it one that a wave which is open waits for nothing any more."""
    waves = {wave.id: _as_it_waited(old, wave) for wave in amended.graph.waves.values()}
    return comparison.compare(old, replace(amended.graph, digest=old.digest, waves=waves))


def _as_it_waited(old: Graph, wave: Wave) -> Wave:
    before = old.waves.get(wave.id, wave)
    approvals = tuple(need for need in before.needs if need.approved is not None)
    return replace(wave, needs=before.needs) if wave.needs == approvals else wave


def effects(amended: Amended, state: State) -> list[str]:
    """One sentence for each thing that follows for the hosts of the run, most important first. `state`: as it stands before."""
    said = []
    if amended.begun:
        said.append(
            f"{_hosts(amended.begun)} begun: as planned, each in its wave; what is done stays done, what comes next is as it is written now"
        )
    said += [
        f"step {plain(step)} of combo {plain(combo)} is new, and not run on {_named(names)}: past it already"
        for (combo, step), names in amended.past.items()
    ]
    said += [
        f"combo {plain(combo)} is in the plan no more: {counted(count, 'begun host')} of it, as planned"
        for combo, count in amended.kept.items()
    ]
    said += list(_credit(amended, state))
    said += list(_full(amended, state))
    for word, leaving in (("left out", amended.excluded), ("gone", amended.gone)):
        reasons: dict[str, list[str]] = {}
        for name, because in leaving.items():
            reasons.setdefault(because, []).append(name)
        said += [f"{word}: {_named(names)}: {plain(because)}" for because, names in reasons.items()]
    if amended.new:
        said.append(
            f"not touched by this run, for it did not have them: {_named(amended.new)}; a new run takes them"
        )
    return said


def breakers(amended: Amended, state: State) -> list[str]:
    """What stays stopped, what does not, and how it goes on."""
    said = []
    for key, why in state.run.tripped.items():
        risk = state.run.trips.get(key, {}).get("risk")
        halts = {one.name: one.halts for one in amended.graph.risks if one.then == "halt"}
        is_halted = risk is None or subset_of(key)[0][0] == halts.get(risk)
        said.append(
            f"still stopped: {plain(why, 2000)}"
            if is_halted
            else f"goes on, for the plan has {plain(risk)} halt it no more: {plain(why, 2000)}"
        )
    held = [host.name for host in state.hosts.values() if host.harmed and host.status == "held"]
    if held:
        said.append(
            f"held: {_named(held)}; each goes on once a person answers for it: rollout retry {plain(held[0])} --reason WHY"
        )
    return said


def text(amended: Amended, state: State, said: list[str]) -> str:
    """For a terminal, before anybody is asked. `said`: the changes."""
    sections = [
        ("what changes for the run", said),
        ("what follows for its hosts", effects(amended, state)),
        ("what stays", breakers(amended, state)),
    ]
    return (
        "\n\n".join("\n".join([head, *(f"  {line}" for line in lines)]) for head, lines in sections if lines)
        + "\n"
    )


def json_lines(run: str, old: Graph, amended: Amended, state: State) -> Iterator[str]:
    """The amendment, then each difference."""
    outdated = [
        name
        for name, host in state.hosts.items()
        if host.status == "verified" and state.graph.nodes[name].combo in amended.credit
    ]
    yield json.dumps(
        {
            "type": "amendment",
            "run": run,
            "digest": {"was": old.digest, "now": amended.graph.digest},
            "begun": amended.begun,
            "excluded": dict(amended.excluded),
            "gone": dict(amended.gone),
            "new": list(amended.new),
            "credit_lost": {combo: list(steps) for combo, steps in amended.credit.items()},
            "outdated": len(outdated),
            "past": [
                {"combo": combo, "step": step, "hosts": list(names)}
                for (combo, step), names in amended.past.items()
            ],
            "stopped": dict(state.run.tripped),
        }
    )
    yield from diff.difference_lines(_compared(old, amended))


def _credit(amended: Amended, state: State) -> Iterator[str]:
    for combo, steps in amended.credit.items():
        proven = state.verified[combo] - state.credit.outdated[combo]
        if not proven:
            continue
        if steps:
            why = f"before {listed(steps, NAMED)} {'was' if len(steps) == 1 else 'were'} changed"
        else:
            why = "by another target, or by other gates"
        if amended.graph.harm is None:
            tail = "this plan asks for no credit, so the hosts of open waves begin as limits allow"
        else:
            tail = "its ramp begins again at one"
        yield f"combo {plain(combo)} loses its credit, for {counted(proven, 'host was', 'hosts were')} verified {why}: {tail}"


def _full(amended: Amended, state: State) -> Iterator[str]:
    """Fewer places than hosts that have them: nothing begins there before enough are given back."""
    taken: dict[str, int] = {}
    for host in state.hosts.values():
        if host.slot and host.name in amended.graph.nodes:
            for slot in amended.graph.nodes[host.name].slots:
                taken[slot] = taken.get(slot, 0) + 1
    for slot, count in taken.items():
        if count > amended.graph.caps[slot]:
            yield f"limit {plain(slot)} is {amended.graph.caps[slot]} now, and {count} are in use: nothing more begins there until that fits"


def _hosts(count: int) -> str:
    return "1 host has" if count == 1 else f"{count} hosts have"


def _named(names: "list[str] | tuple[str, ...]") -> str:
    return listed(names, NAMED)
