"""A picture in the languages that draw it: Mermaid, for merge requests, and DOT, for Graphviz."""

from rollout.model.graph import Graph
from rollout.report.diagram import LEVELS, Box, Picture, picture, size
from rollout.report.plain import plain

MERMAID_FITS = 2000
"""Characters; forges draw no more than a few thousand."""

_MOST_BOXES = MERMAID_FITS // 25
"""More cannot fit: so long is the shortest."""

DOT_FITS = 150
"""Boxes that a person still finds the way through."""

_SAFE = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789 .,/:=+-_@()")
_SHAPES = {
    "canary": ('(["', '"])'),
    "ramp": ('["', '"]'),
    "join": ('(("', '"))'),
    "approval": ('{{"', '"}}'),
    "gates": ('[/"', '"/]'),
    "note": ('>"', '"]'),
}
_DOT = {
    "canary": "shape=box, style=rounded",
    "ramp": "shape=box",
    "join": "shape=circle",
    "approval": "shape=hexagon",
    "gates": "shape=parallelogram",
    "note": "shape=note",
}


def mermaid(graph: Graph) -> str:
    """A flowchart of at most 2,000 characters: collapsed until it fits, which it then says."""
    drawn = ""
    for level in LEVELS:
        if size(graph, level) > _MOST_BOXES:
            continue
        drawn = _mermaid(picture(graph, level))
        if len(drawn) <= MERMAID_FITS:
            break
    return drawn


def _mermaid(of: Picture) -> str:
    lines = ["flowchart LR"]
    for box in of.boxes:
        opens, closes = _SHAPES[box.shape]
        lines.append(f"  {box.id}{opens}{'<br/>'.join(map(_entities, box.lines))}{closes}")
    for begin, end, words in of.edges:
        arrow = f'-->|"{_entities(words)}"|' if words else "-->"
        lines.append(f"  {begin} {arrow} {end}")
    return "\n".join(lines) + "\n"


def _entities(text: str) -> str:
    """What Mermaid or HTML could take for its own is written by number (Mermaid, "entity codes to escape characters")."""
    return "".join(char if char in _SAFE else f"#{ord(char)};" for char in text)


def dot(graph: Graph) -> str:
    """A directed graph; collapsed when it has more boxes than a person can follow."""
    level = next((level for level in LEVELS if size(graph, level) <= DOT_FITS), LEVELS[-1])
    found = picture(graph, level)
    lines = [f"digraph {_quoted(graph.plan)} {{", "  rankdir=LR;", "  node [fontname=sans, fontsize=10];"]
    lines += [f"  {box.id} [{_DOT[box.shape]}, label={_label(box)}];" for box in found.boxes]
    for begin, end, words in found.edges:
        label = f" [label={_quoted(words)}]" if words else ""
        lines.append(f"  {begin} -> {end}{label};")
    return "\n".join([*lines, "}"]) + "\n"


def _label(box: Box) -> str:
    return '"' + "\\n".join(_quoted(line)[1:-1] for line in box.lines) + '"'


def _quoted(text: str) -> str:
    return '"' + plain(text).replace("\\", "\\\\").replace('"', '\\"') + '"'
