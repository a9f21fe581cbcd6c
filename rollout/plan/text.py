"""Text -> tree. Strict YAML 1.2 with the position of every key and value.

PyYAML's C parser gives events; types are ours, by the core schema of YAML 1.2 (10.3.2): only `true`, `false`, `null`
and plain numbers are not text. Every scalar keeps the text that was written, so that a version such as 24.10 never
becomes 24.1. Tags and merge keys are refused; aliases are copied, within a budget, so that no file can grow by them.
"""

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import yaml

from rollout.errors import Place, Problem
from rollout.plan.words import plain, shown

MOST_VALUES = 200_000
DEEPEST = 32

_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_FOREIGN = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_INTEGER = re.compile(r"[-+]?[0-9]{1,18}|0o[0-7]{1,18}|0x[0-9a-fA-F]{1,15}")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_CONSTANTS: dict[str, bool | None] = {
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
}

Scalar = str | int | float | bool | None
Path = tuple[str | int, ...]


@dataclass(slots=True)
class Node:
    """A value of the file. `text` is what was written for a scalar; `key` is the place of the key that holds it."""

    kind: Literal["map", "list", "scalar"]
    place: Place
    key: Place | None = None
    text: str = ""
    scalar: Scalar = None
    entries: dict[str, "Node"] = field(default_factory=dict)
    items: list["Node"] = field(default_factory=list)
    size: int = 1
    height: int = 1
    gap: bool = False
    """Nothing stands there, behind a comma inside braces: most likely it was meant as text."""

    @property
    def at(self) -> Place:
        """Where a mistake about this value is shown: at its text, or at its key if it has none of its own."""
        own = self.kind == "scalar" and self.text
        return self.place if own or self.key is None else self.key

    @property
    def value(self) -> Any:
        """The value as json.dumps takes it."""
        if self.kind == "map":
            return {name: node.value for name, node in self.entries.items()}
        return [node.value for node in self.items] if self.kind == "list" else self.scalar

    def get(self, part: str | int) -> "Node | None":
        """The value under a key or index, if there is one."""
        if isinstance(part, int):
            return self.items[part] if 0 <= part < len(self.items) else None
        return self.entries.get(part)

    def find(self, *path: str | int) -> "Node":
        """The value at the path, or the nearest one above it that stands in the file."""
        node = self
        for part in path:
            below = node.get(part)
            if below is None:
                break
            node = below
        return node

    def under(self, *path: str | int) -> dict[str, "Node"]:
        """The entries of the mapping at the path; none if there is no mapping."""
        node: Node | None = self
        for part in path:
            node = node.get(part) if node else None
        return node.entries if node else {}

    def walk(self, path: Path = ()) -> Iterator[tuple[Path, "Node"]]:
        """Every value below this one, with its path."""
        below: list[tuple[str | int, Node]] = [*self.entries.items(), *enumerate(self.items)]
        for part, node in below:
            yield (*path, part), node
            yield from node.walk((*path, part))

    def copied(self) -> "Node":
        """An independent copy, as an alias stands for."""
        return replace(
            self,
            entries={name: node.copied() for name, node in self.entries.items()},
            items=[node.copied() for node in self.items],
        )


def parse(text: str, file: str) -> tuple[Node | None, list[Problem]]:
    """The tree of the file's one document, as far as it can be read, and what is wrong with its text."""
    text = text.removeprefix("\ufeff")
    foreign = _FOREIGN.search(text)
    if foreign:
        message = f"{shown(foreign.group())} is a control character, which YAML does not allow"
        return None, [Problem(_place_of(text, foreign.start(), file), message)]
    builder = _Builder(file)
    try:
        for event in yaml.parse(text, Loader=_LOADER):
            builder.feed(event)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        if error.context in _BEGUN:
            mark = error.context_mark
        place = builder.place(mark) if mark else Place(file)
        builder.problems.append(Problem(place, f"not YAML: {_syntax(error, text, place)}"))
        return None, builder.problems
    except _TooMuch as error:
        return None, [*builder.problems, error.problem]
    if builder.root is None and not builder.problems:
        builder.problems.append(Problem(Place(file), "the file is empty"))
    return builder.root, builder.problems


def _place_of(text: str, offset: int, file: str) -> Place:
    before = text[:offset]
    return Place(file, before.count("\n") + 1, offset - before.rfind("\n"))


def _syntax(error: yaml.MarkedYAMLError, text: str, place: Place) -> str:
    problem = error.problem or "cannot be read"
    line = (text.splitlines() + [""] * place.line)[place.line - 1]
    first = line[place.column - 1 : place.column]
    if first == "\t":
        return "a tab cannot indent or begin a value; use spaces"
    if error.context in _BEGUN or problem.startswith("found character that cannot start"):
        return f"text that begins with {shown(first)} needs quotes"
    if problem.startswith("mapping values are not allowed"):
        return '": " is not allowed here; put text that holds it in quotes, and check the indentation'
    return plain(f"{problem}, {error.context}" if error.context else problem)


_BEGUN = ("while scanning a tag", "while scanning an alias", "while scanning a block scalar")
"""What a range or a glob without quotes is taken for: `!=1.9`, `*.example`, `>=1.9`."""


def _core(text: str) -> Scalar:
    if text in _CONSTANTS:
        return _CONSTANTS[text]
    if _INTEGER.fullmatch(text):
        return int(text, 0) if text[:2] in {"0o", "0x"} else int(text)
    if _FLOAT.fullmatch(text) and not text.lstrip("+-").isdigit():
        number = float(text)
        return number if math.isfinite(number) else text
    return text


class _TooMuch(Exception):
    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.message)
        self.problem = problem


@dataclass(slots=True)
class _Open:
    """A mapping or list whose end has not come. `name`: the key that waits for its value; None if it is unusable."""

    node: Node
    anchor: str | None
    waiting: bool = False
    name: str | None = None
    key: Place | None = None
    braces: bool = False


class _Builder:
    def __init__(self, file: str) -> None:
        self.file = file
        self.root: Node | None = None
        self.problems: list[Problem] = []
        self._open: list[_Open] = []
        self._anchors: dict[str, Node] = {}
        self._documents = 0
        self._values = 0

    def place(self, mark: Any) -> Place:
        return Place(self.file, mark.line + 1, mark.column + 1)

    def feed(self, event: yaml.Event) -> None:
        place = self.place(event.start_mark)
        if isinstance(event, yaml.DocumentStartEvent):
            self._documents += 1
            if self._documents == 2:
                self._wrong(place, "a plan is one YAML document; this begins a second one")
        elif isinstance(event, yaml.AliasEvent):
            self._alias(event.anchor or "", place)
        elif isinstance(event, yaml.ScalarEvent):
            self._tag(event.tag, any(event.implicit), place)
            is_plain = bool(event.implicit[0])
            self._anchored(event.anchor, place)
            scalar = _core(event.value) if is_plain else event.value
            top = self._open[-1] if self._open else None
            gap = is_plain and not event.value and top is not None and top.braces and bool(top.node.entries)
            node = Node("scalar", place, text=event.value, scalar=scalar, gap=gap)
            self._done(node, event.anchor, is_plain)
        elif isinstance(event, yaml.CollectionStartEvent):
            self._tag(event.tag, event.implicit, place)
            self._anchored(event.anchor, place)
            self._spend(1, 1, place)
            is_map = isinstance(event, yaml.MappingStartEvent)
            node = Node("map" if is_map else "list", place)
            self._open.append(_Open(node, event.anchor, braces=is_map and bool(event.flow_style)))
        elif isinstance(event, yaml.CollectionEndEvent):
            opened = self._open.pop()
            self._done(opened.node, opened.anchor, is_plain=False)

    def _wrong(self, place: Place, message: str) -> None:
        self.problems.append(Problem(place, message))

    def _tag(self, tag: str | None, implicit: bool, place: Place) -> None:
        if tag is not None and not implicit:
            word = tag.replace("tag:yaml.org,2002:", "!!")
            why = "secrets belong in the inventory" if word == "!vault" else "put text in quotes instead"
            self._wrong(place, f"a plan has no tags such as {shown(word)}; {why}")

    def _anchored(self, anchor: str | None, place: Place) -> None:
        if anchor is not None and anchor in self._anchors:
            self._wrong(
                place, f"anchor {shown(anchor)} is already used on line {self._anchors[anchor].place.line}"
            )

    def _alias(self, anchor: str, place: Place) -> None:
        target = self._anchors.get(anchor)
        if target is None:
            if any(opened.anchor == anchor for opened in self._open):
                self._wrong(place, f"alias {shown(anchor)} stands inside what it repeats")
            else:
                self._wrong(
                    place,
                    f"there is no anchor {shown(anchor)} above this alias; text that begins with * needs quotes",
                )
            target = Node("scalar", place, text=f"*{anchor}", scalar=f"*{anchor}")
        self._spend(target.size, target.height, place)
        self._done(target.copied(), None, is_plain=False)

    def _spend(self, values: int, height: int, place: Place) -> None:
        self._values += values
        if self._values > MOST_VALUES:
            raise _TooMuch(Problem(place, f"the plan holds more than {MOST_VALUES} values, aliases counted"))
        if len(self._open) + height > DEEPEST:
            raise _TooMuch(Problem(place, f"the plan is nested more than {DEEPEST} levels deep"))

    def _done(self, node: Node, anchor: str | None, is_plain: bool) -> None:
        if node.kind == "scalar":
            self._spend(1, 1, node.place)
        if anchor is not None:
            self._anchors[anchor] = node
        if not self._open:
            self.root = self.root or node
            return
        top = self._open[-1]
        if top.node.kind == "list":
            self._grow(top.node, node)
            top.node.items.append(node)
        elif not top.waiting:
            top.waiting, top.key = True, node.place
            top.name = self._name(node, top.node, is_plain)
        else:
            top.waiting = False
            if top.name is not None:
                node.key = top.key
                self._grow(top.node, node)
                top.node.entries[top.name] = node

    def _name(self, node: Node, holder: Node, is_plain: bool) -> str | None:
        if node.kind != "scalar":
            self._wrong(node.place, "a key must be a word, not a list or mapping")
        elif is_plain and node.text == "<<":
            self._wrong(
                node.place,
                'YAML 1.2 has no merge key "<<"; write the keys out, or repeat a whole value by alias',
            )
        elif not node.text:
            self._wrong(node.place, "a key must be a word, not empty")
        elif node.text in holder.entries:
            first = holder.entries[node.text].key
            line = f" (first on line {first.line})" if first else ""
            self._wrong(node.place, f"key {shown(node.text)} is given twice{line}")
        else:
            return node.text
        return None

    @staticmethod
    def _grow(holder: Node, node: Node) -> None:
        holder.size += node.size
        holder.height = max(holder.height, node.height + 1)
