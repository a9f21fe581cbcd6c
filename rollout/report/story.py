"""All that a plan has in mind for one host, and why."""

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

from rollout.graph.account import ANY_HOST, Account
from rollout.model.chain import Step
from rollout.model.fleet import Host
from rollout.model.graph import Combo, Graph, Node, Untouched
from rollout.model.plan import DURING, Plan
from rollout.model.slots import FLEET
from rollout.model.windows import TEMPLATE
from rollout.model.zones import UTC, Zone, told
from rollout.report import combos, rungs
from rollout.report.plain import counted, listed, plain, spoken, table
from rollout.report.safeguards import marks
from rollout.report.untouched import group_of

POINTS_SHOWN = 40

NAMED = 20


@dataclass(frozen=True, slots=True)
class Subject:
    """The host as the inventory tells it: its groups, and where each of its factors comes from."""

    host: Host
    groups: Sequence[str]
    sources: Mapping[str, str]


def subject(plan: Plan, host: Host, groups: Sequence[str], variables: Collection[str]) -> Subject:
    """`variables`: the names of the host's own, cached facts included; a factor that is none of them was probed."""
    sources = {}
    for factor, source in plan.factors.items():
        probe = plan.probes.get(factor)
        if "{" in source:
            sources[factor] = f"put together as {source}"
        elif source in variables:
            sources[factor] = f"{'cached fact' if source.startswith('ansible_') else 'hostvar'} {source}"
        else:
            sources[factor] = f"probe {probe or source}"
    return Subject(host, groups, sources)


def text(graph: Graph, of: Subject, account: Account, now: float) -> str:
    """From what the host is to what a rollback of it would undo; `now` in seconds since the epoch."""
    name = of.host.name
    node = graph.nodes.get(name)
    untouched = next((one for one in graph.untouched if one.host == name), None)
    sections = [_head(graph, of, node, untouched), _factors(of), _combo(account), _points(account)]
    if node is not None:
        combo = graph.combos[node.combo]
        sections += [
            _wave(graph, node),
            _places(graph, node),
            _time(graph, node, now),
            _steps(graph, combo),
            _back(combo),
        ]
    return "\n\n".join("\n".join(lines) for lines in sections if lines) + "\n"


def as_json(graph: Graph, of: Subject, account: Account, now: float) -> str:
    """One line, with all that the text says."""
    node = graph.nodes.get(of.host.name)
    untouched = next((one for one in graph.untouched if one.host == of.host.name), None)
    value: dict[str, object] = {
        "type": "host",
        "host": of.host.name,
        "groups": list(of.groups),
        "factors": dict(of.host.factors),
        "facts": {fact: list(values) for fact, values in of.host.facts.items()},
        "probed": dict(of.host.probed),
        "combo": account.combo or None,
        "points": [[one.what, one.name, one.answer, one.because] for one in account.points],
    }
    if untouched is not None:
        value |= {
            "word": untouched.word,
            "because": untouched.because,
            "cause": untouched.cause or None,
            "way_out": group_of(untouched).way_out or None,
        }
    if node is not None:
        wave, combo = graph.waves[node.wave], graph.combos[node.combo]
        value |= {
            "part": combo.name,
            "verdict": combo.verdict,
            "wave": wave.id,
            "canary": wave.canary,
            "waits_for": [rungs.need(need) for need in wave.needs],
            "soak": wave.soak,
            "slots": {slot: graph.caps[slot] for slot in node.slots},
            "may_begin": _opens(graph, node, now),
            "steps": [step.name for step in combo.chain],
        }
    return json.dumps(value)


def _head(graph: Graph, of: Subject, node: Node | None, untouched: Untouched | None) -> list[str]:
    address = f" ({plain(of.host.address)})" if of.host.address else ""
    who = f"host {plain(of.host.name)}{address}"
    lines = [f"{who}: in no wave of plan {plain(graph.plan)}"]
    if node is not None:
        lines = [f"{who}: wave {plain(node.wave)} of plan {plain(graph.plan)}, digest {graph.digest[:12]}"]
    if untouched is not None:
        group = group_of(untouched)
        lines = [f"{who}: {untouched.word}, and not touched by plan {plain(graph.plan)}"]
        lines.append(f"  why: {group.head}: {plain(untouched.because, 2000)}")
        lines += [f"  way out: {group.way_out}"] if group.way_out else []
    return [*lines, f"  groups: {listed(of.groups, NAMED) or 'none'}"]


def _factors(of: Subject) -> list[str]:
    rows = []
    for factor, value in of.host.factors.items():
        found = of.host.probed.get(factor)
        probed = "" if found is None else "as probed" if found == value else f"a probe found {plain(found)}"
        rows.append([plain(factor), plain(value), plain(of.sources.get(factor, "")), probed])
    facts = [[plain(fact), plain(" and ".join(values)), "fact", ""] for fact, values in of.host.facts.items()]
    return ["factors", *table(rows + facts)]


def _combo(account: Account) -> list[str]:
    if not account.combo:
        return ["combo: none matches it"]
    rows = [
        [plain(one.factor), plain(one.value), f"fits {plain(' or '.join(one.wanted))}"]
        for one in account.matching
    ]
    return [f"combo {plain(account.combo)}", *table(rows)]


def _points(account: Account) -> list[str]:
    judged = account.judgement
    word = f"verdict: {judged.word}" if judged is not None else "what was looked at"
    rows = [
        [point.what, plain(point.name), point.answer, plain(point.because)]
        for point in account.points[:POINTS_SHOWN]
        if judged is not None or point.answer != ANY_HOST
    ]
    more = len(account.points) - POINTS_SHOWN
    said = [
        f"  because: {plain(because, 2000)}" for because in (judged.because if judged is not None else ())
    ]
    said += table(rows)
    said += [f"  and {counted(more, 'more point')}"] if more > 0 else []
    if account.silent:
        said.append(
            f"  {counted(account.silent, 'other row or risk does', 'other rows and risks do')} not speak of it"
        )
    return [word, *said] if said or judged is not None else []


def _wave(graph: Graph, node: Node) -> list[str]:
    wave = graph.waves[node.wave]
    kind = "canary" if wave.canary else "ramp"
    others = [name for name in wave.hosts if name != node.name]
    alike = f", with {listed(others, 8)}" if others else ", alone"
    rung = f", rung {plain(wave.rung)}" if wave.rung and wave.rung != wave.id.rpartition("/")[2] else ""
    part = graph.combos[node.combo]
    return [
        f"wave {plain(wave.id)}: {kind}{rung}{alike}",
        *([f"  {plain(part.name)} is a part of combo {plain(part.rule)}"] if part.rule else []),
        f"  waits for: {rungs.needs(wave).removeprefix('after ')}" if wave.needs else "  waits for nothing",
        f"  then health has to hold for {spoken(wave.soak)}",
    ]


def _places(graph: Graph, node: Node) -> list[str]:
    combo = graph.combos[node.combo]
    if combo.first_disruptive is None:
        return ["limits: it takes no slot, for no step disrupts it"]
    rows = [
        [plain("the run" if slot == FLEET else slot), f"{counted(graph.caps[slot], 'host')} at once"]
        for slot in node.slots
    ]
    return [f"limits: it takes a place in each of these, from {combo.first_disruptive} on", *table(rows)]


def _opens(graph: Graph, node: Node, now: float) -> float | None:
    """The instant from which on it may begin, by windows and deadline; None: never."""
    opens = now if graph.calendar is None else graph.calendar.next_opening(node.zones, now, node.expect)
    is_late = opens is not None and graph.deadline is not None and opens + node.expect > graph.deadline
    return None if is_late else opens


def _time(graph: Graph, node: Node, now: float) -> list[str]:
    if graph.calendar is None and graph.deadline is None:
        return []
    zone = graph.calendar.zone(node.zones) if graph.calendar is not None else Zone(UTC)
    opens = _opens(graph, node, now)
    when = "never, by its windows and the deadline" if opens is None else "now"
    if opens is not None and opens > now:
        when = told(zone, opens, now)
    lines = [f"time: it may begin {when} ({zone.name}), and needs {spoken(node.expect)} as `expect` says"]
    for window in graph.calendar.windows if graph.calendar is not None else ():
        where = " in its own zone" if window.zone.startswith(TEMPLATE) else f" ({window.zone})"
        lines.append(f"  {'allow' if window.allow else 'deny'} {plain(window)}{plain(where)}")
    if graph.deadline is not None:
        lines.append(f"  deadline {told(zone, graph.deadline, now)}")
    return lines


def _steps(graph: Graph, combo: Combo) -> list[str]:
    """In order, each with the gates before and after it."""
    lines = ["steps"]
    for edge, what, words in _AROUND:
        found = _gates(graph, edge, what)
        lines += [f"    gates {words}: {found}"] if found else []
    for step in combo.chain:
        before, after = _gates(graph, "before", step.name), _gates(graph, "after", step.name)
        lines.append(f"  {step.name}: {', '.join(_words(step))}")
        lines += [f"    gates before it: {before}"] if before else []
        lines += [f"    gates after it: {after}"] if after else []
    waves = _gates(graph, "after", "wave")
    return lines + ([f"    gates after its wave: {waves}"] if waves else [])


_AROUND = (
    ("before", "run", "before the run"),
    (DURING, "", "all the time"),
    ("before", "wave", "before its wave"),
)


def _gates(graph: Graph, edge: str, what: str) -> str:
    found = (gate for gate in graph.gates if (gate.when.edge, gate.when.what) == (edge, what))
    return ", ".join(f"{plain(gate.name)} ({', '.join([gate.kind, *marks(gate)])})" for gate in found)


def _words(step: Step) -> Iterator[str]:
    for action, kind in (("drain", step.drain), ("reopen", step.reopen)):
        if kind:
            yield f"{action} {kind}"
    if step.playbook:
        yield plain(step.playbook)
    if step.target:
        yield f"leads to {plain(', '.join(f'{factor} {value}' for factor, value in step.target.items()))}"
    yield f"usually {spoken(step.expect)}, at most {spoken(step.timeout)}"
    if step.once:
        yield "once: never begun again on a guess"
    if step.retries:
        yield f"tried again up to {counted(step.retries, 'time')}"


def _back(combo: Combo) -> list[str]:
    said = [line.strip() for line in combos.way_back(combo)]
    return said or ["no step names an undo: a rollback undoes nothing"]
