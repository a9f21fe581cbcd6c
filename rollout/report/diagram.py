"""The waves of a compiled plan as a picture: what waits for what, collapsed until it can be taken in."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from rollout.model.graph import Graph, Need, Wave
from rollout.model.plan import DURING
from rollout.report.plain import counted, listed, plain

Shape = Literal["canary", "ramp", "join", "approval", "gates", "note"]

LONGEST = 60
"""Characters of one line in a box."""

GATES_SHOWN = 4


@dataclass(frozen=True, slots=True)
class Level:
    """How far the waves are collapsed. `at_most`: so many rungs are boxes of their own, the rest is one."""

    by: Literal["wave", "combo", "rung"]
    at_most: int = 0


LEVELS = (Level("wave"), Level("combo"), Level("rung"), *(Level("rung", most) for most in (16, 8, 4, 2)))
"""From all that there is to hardly anything."""


@dataclass(frozen=True, slots=True)
class Box:
    """Something that stands in the picture, in a few lines."""

    id: str
    lines: tuple[str, ...]
    shape: Shape


@dataclass(frozen=True, slots=True)
class Picture:
    """Boxes, and (from, to, words) between them."""

    boxes: tuple[Box, ...]
    edges: tuple[tuple[str, str, str], ...]


class _Draft:
    """Boxes get short names in the order in which they come; an edge is drawn once, and none from a box to itself."""

    def __init__(self) -> None:
        self._names: dict[str, str] = {}
        self.boxes: list[Box] = []
        self.edges: dict[tuple[str, str], str] = {}

    def box(self, key: str, lines: Iterable[str], shape: Shape) -> str:
        if key not in self._names:
            self._names[key] = f"n{len(self._names)}"
            self.boxes.append(Box(self._names[key], tuple(plain(line, LONGEST) for line in lines), shape))
        return self._names[key]

    def edge(self, begin: str, end: str, words: str = "") -> None:
        if begin != end:
            self.edges.setdefault((begin, end), words)

    def picture(self) -> Picture:
        """Without the edges that say nothing: those between boxes that a longer way leads along, too."""
        after: dict[str, set[str]] = {}
        for begin, end in self.edges:
            after.setdefault(begin, set()).add(end)
        edges = ((begin, end, words) for (begin, end), words in self.edges.items())
        return Picture(
            tuple(self.boxes), tuple(one for one in edges if one[2] or not _leads_round(after, *one[:2]))
        )


def _leads_round(after: Mapping[str, set[str]], begin: str, end: str) -> bool:
    """Whether another way than the edge itself leads there."""
    seen: set[str] = {begin}
    pending = [one for one in after[begin] if one != end]
    while pending:
        here = pending.pop()
        if here == end:
            return True
        if here not in seen:
            seen.add(here)
            pending += after.get(here, ())
    return False


def size(graph: Graph, level: Level) -> int:
    """How many boxes of waves a picture would have."""
    return len(_groups(graph, level))


def picture(graph: Graph, level: Level) -> Picture:
    """The waves at that level, with what each waits for, and the gates."""
    draft = _Draft()
    group_of = {wave.id: key for key, waves in _groups(graph, level).items() for wave in waves}
    before_run = [gate.name for gate in graph.gates if str(gate.when) == "before run"]
    begins = (
        draft.box("before run", ["before the run", listed(before_run, GATES_SHOWN)], "gates")
        if before_run
        else ""
    )
    boxes = {
        key: draft.box(f"group {key}", _words(graph, level, key, waves), _shape(waves))
        for key, waves in _groups(graph, level).items()
    }
    for wave in graph.waves.values():
        here = boxes[group_of[wave.id]]
        if begins and not wave.needs:
            draft.edge(begins, here)
        for need in wave.needs:
            for source, words in _sources(draft, graph, level, need, group_of, boxes):
                draft.edge(source, here, words)
    _notes(draft, graph, level)
    return draft.picture()


def _groups(graph: Graph, level: Level) -> dict[str, list[Wave]]:
    """Waves that are one box."""
    rungs = {rung: number for number, rung in enumerate(graph.rungs)}
    found: dict[str, list[Wave]] = {}
    for wave in graph.waves.values():
        key = wave.id
        if level.by == "combo":
            key = f"{wave.combo} {'canaries' if wave.canary else 'ramp'}"
        elif level.by == "rung":
            is_alone = not level.at_most or rungs[wave.rung] < level.at_most or len(rungs) <= level.at_most
            key = wave.rung if is_alone else f"{len(rungs) - level.at_most} more rungs"
        found.setdefault(key, []).append(wave)
    return found


def _shape(waves: list[Wave]) -> Shape:
    return "canary" if all(wave.canary for wave in waves) else "ramp"


def _words(graph: Graph, level: Level, key: str, waves: list[Wave]) -> Iterator[str]:
    """Its name; how many hosts; the gates at its ends."""
    combos = len({wave.combo for wave in waves})
    hosts = counted(sum(len(wave.hosts) for wave in waves), "host")
    if level.by == "rung":
        yield key if "more rungs" in key else f"rung {key}"
        yield f"{hosts} of {counted(combos, 'combo')}"
        if any(need.approved for wave in waves for need in wave.needs):
            yield "once approved"
    elif level.by == "wave":
        yield key
        kind = "canary" if waves[0].canary else "ramp"
        yield f"{kind}, {hosts}"
    else:
        yield key
        yield hosts
    yield from _gates(graph, "wave")


def _gates(graph: Graph, what: str) -> Iterator[str]:
    for edge in ("before", "after"):
        names = [gate.name for gate in graph.gates if (gate.when.edge, gate.when.what) == (edge, what)]
        if names:
            yield f"{edge}: {listed(names, GATES_SHOWN)}"


def _sources(
    draft: _Draft,
    graph: Graph,
    level: Level,
    need: Need,
    group_of: Mapping[str, str],
    boxes: Mapping[str, str],
) -> Iterator[tuple[str, str]]:
    """The boxes that one need leads back to, with words for the edge."""
    if need.wave is not None:
        yield boxes[group_of[need.wave]], ""
    elif need.combo is not None:
        waves = graph.waves_of.get(need.combo, ())
        if waves:
            some = "some hosts wait for it" if level.by == "rung" else ""
            yield boxes[group_of[waves[-1].id]], some or ("" if need.share >= 1 else f"{need.share:.0%}")
    elif need.rung is not None:
        yield _settled(draft, graph, need.rung, group_of, boxes), ""
    elif need.approved is not None and level.by != "rung":
        asked = draft.box(f"approval {need.approved}", ["approval", f"after {need.approved}"], "approval")
        if need.approved in graph.rungs:
            draft.edge(_settled(draft, graph, need.approved, group_of, boxes), asked)
        yield asked, ""


def _settled(
    draft: _Draft, graph: Graph, rung: str, group_of: Mapping[str, str], boxes: Mapping[str, str]
) -> str:
    """A rung is a box of its own where several lead to it, so that edges are never drawn from each to each."""
    members = list(dict.fromkeys(boxes[group_of[wave.id]] for wave in graph.rungs[rung]))
    if len(members) == 1:
        return members[0]
    join = draft.box(f"rung {rung}", [f"rung {rung}"], "join")
    for member in members:
        draft.edge(member, join)
    return join


def _notes(draft: _Draft, graph: Graph, level: Level) -> None:
    """The gates that are asked of each host; and what is not shown."""
    asked: dict[str, list[str]] = {}
    for gate in graph.gates:
        if gate.when.what not in {"run", "wave"} and gate.when.edge != DURING:
            asked.setdefault(str(gate.when), []).append(gate.name)
    if asked:
        lines = [f"{when}: {listed(names, GATES_SHOWN)}" for when, names in list(asked.items())[:GATES_SHOWN]]
        more = [f"and {counted(len(asked) - GATES_SHOWN, 'more moment')}"] if len(asked) > GATES_SHOWN else []
        draft.box("gates", ["gates of each host", *lines, *more], "note")
    always = [gate.name for gate in graph.gates if gate.when.edge == DURING]
    if always:
        draft.box("during", ["gates all the time", listed(always, GATES_SHOWN)], "note")
    if level != LEVELS[0]:
        waves, combos = counted(len(graph.waves), "wave"), counted(len(graph.waves_of), "combo")
        how = {"combo": "waves of a combo drawn together", "rung": "combos of a rung drawn together"}[
            level.by
        ]
        draft.box("collapsed", [f"{waves} of {combos}", how], "note")
