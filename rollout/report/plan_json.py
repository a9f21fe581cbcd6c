"""A compiled plan as lines of JSON."""

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from typing import Any

from rollout.model.graph import Graph, Node
from rollout.report import combos, rungs
from rollout.report.estimate import disruption, seconds_of_run, seconds_of_wave
from rollout.report.saved import Compiled
from rollout.report.untouched import group_of


def json_lines(compiled: Compiled) -> Iterator[str]:
    """The plan, then each combo, each wave, each known risk and waiver that concerns hosts, and each host that is not touched."""
    graph = compiled.graph
    yield json.dumps(
        {
            "type": "plan",
            "plan": graph.plan,
            "plan_file": compiled.plan_file,
            "digest": graph.digest,
            "hosts": len(graph.nodes),
            "expected_seconds": round(seconds_of_run(graph)),
            **_disruption(graph, graph.nodes.values()),
            "limits": dict(graph.caps),
            "rungs": list(graph.rungs),
            "approvals": list(graph.approvals),
            "four_eyes": graph.four_eyes,
            "approval_to_begin": graph.approval_to_begin,
            "harm": graph.harm,
            "deadline": graph.deadline,
            "notes": list(graph.notes),
        }
    )
    for found in (_combos(graph), _waves(graph), _risks(graph), _waivers(graph), _untouched(graph)):
        yield from map(json.dumps, found)


def _disruption(graph: Graph, nodes: Iterable[Node]) -> dict[str, Any]:
    of = disruption(graph, nodes)
    guests = round(of.guests / 60, 1) if of.known else None
    return {"host_minutes": round(of.hosts / 60, 1), "vm_minutes": guests}


def _combos(graph: Graph) -> Iterator[dict[str, Any]]:
    members = combos.members(graph)
    for combo in graph.combos.values():
        waves = graph.waves_of[combo.name]
        yield {
            "type": "combo",
            "combo": combo.name,
            "of": combo.of_rule,
            "hosts": combo.hosts,
            "current": combo.current,
            "to": {factor: list(globs) for factor, globs in combo.to.items()},
            "verdict": combo.verdict,
            "because": list(combo.because),
            "hops": list(combo.hops),
            "steps": [step.name for step in combo.chain],
            "canaries": [host for wave in waves if wave.canary for host in wave.hosts],
            "expected_seconds": round(sum(seconds_of_wave(graph, wave) for wave in waves)),
            **_disruption(graph, members[combo.name]),
        }


def _waves(graph: Graph) -> Iterator[dict[str, Any]]:
    for wave in graph.waves.values():
        yield {
            "type": "wave",
            "wave": wave.id,
            "combo": wave.combo,
            "canary": wave.canary,
            "rung": wave.rung,
            "hosts": list(wave.hosts),
            "needs": [rungs.need(need) for need in wave.needs],
            "soak": wave.soak,
        }


def _risks(graph: Graph) -> Iterator[dict[str, Any]]:
    concerned = Counter(name for node in graph.nodes.values() for name in node.risks)
    for risk in graph.risks:
        yield {
            "type": "risk",
            "risk": risk.name,
            "then": risk.then,
            "hosts": concerned[risk.name] if risk.applies else None,
            "link": risk.link or None,
        }


def _waivers(graph: Graph) -> Iterator[dict[str, Any]]:
    for waiver in graph.waivers:
        hosts = [node.name for node in graph.nodes.values() if waiver.name in node.waivers]
        yield {"type": "waiver", **asdict(waiver), "hosts": hosts}


def _untouched(graph: Graph) -> Iterator[dict[str, Any]]:
    for one in graph.untouched:
        yield {
            "type": "untouched",
            "host": one.host,
            "word": one.word,
            "because": one.because,
            "combo": one.combo,
            "cause": one.cause or None,
            "way_out": group_of(one).way_out or None,
        }
