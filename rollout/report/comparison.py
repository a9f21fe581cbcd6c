"""What differs between two compilations of a plan, as a value. Every host is looked at once, and those that differ alike are one difference."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from rollout.model.graph import Graph

Topic = Literal[
    "files", "hosts", "combos", "steps", "order", "gates", "risks", "waivers", "limits", "failures", "windows"
]
TOPICS: tuple[Topic, ...] = (
    "files",
    "hosts",
    "combos",
    "steps",
    "order",
    "gates",
    "risks",
    "waivers",
    "limits",
    "failures",
    "windows",
)
"""In the order in which a person reads them."""

OF_THE_GRAPH = frozenset({"hosts", "limits", "waves", "amended"})
"""The parts of a graph's digest that stand for its hosts, how many of them may be disrupted at once, who is in which wave, and the graph that it came from."""

COLLECTIONS, ANSIBLE_CORE = "collections", "ansible-core"
"""Parts of the digest whose value says what it is: `name version, name version`, and a version."""


@dataclass(frozen=True, slots=True)
class Difference:
    """`subject` was `was` and is `now`: for the hosts, combos, waves or values `of`. Empty: it was not there, or is no more.

    `is_shown`: whether `was` and `now` tell a person anything; digests do not.
    """

    topic: Topic
    subject: str
    was: str
    now: str
    of: tuple[str, ...] = ()
    is_shown: bool = True


@dataclass(frozen=True, slots=True)
class Side:
    """One of the two: the plan's name, its digest, and how many hosts are to be upgraded and are not touched."""

    plan: str
    digest: str
    hosts: int
    untouched: int


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two compilations, and all that differs."""

    before: Side
    after: Side
    differences: tuple[Difference, ...]

    @property
    def differs(self) -> bool:
        """Whether one may not stand for the other."""
        return bool(self.differences) or self.before.digest != self.after.digest

    def about(self, topic: Topic) -> list[Difference]:
        """The differences of one topic."""
        return [one for one in self.differences if one.topic == topic]


Item = tuple[str, str, str, str]
"""Subject, was, is, and the one that it is about."""


def compare(before: Graph, after: Graph) -> Comparison:
    """All that differs from one graph to another."""
    from rollout.report import compared_hosts, compared_rules  # noqa: PLC0415  they are made of what stands here

    found = [*files(before.parts, after.parts)]
    found += compared_hosts.differences(before, after)
    found += compared_rules.differences(before, after)
    if not found and before.digest != after.digest:
        what = "hosts that are not touched, or their order in the inventory,"
        found = [Difference("hosts", what, before.digest, after.digest, is_shown=False)]
    return Comparison(
        _side(before), _side(after), tuple(sorted(found, key=lambda one: TOPICS.index(one.topic)))
    )


def _side(graph: Graph) -> Side:
    return Side(graph.plan, graph.digest, len(graph.nodes), len(graph.untouched))


def files(before: Mapping[str, str], after: Mapping[str, str]) -> Iterator[Difference]:
    """Each file that is not what it was; of what is installed, the versions. Hosts are judged one by one."""
    for name in sorted({*before, *after} - OF_THE_GRAPH):
        was, now = before.get(name, ""), after.get(name, "")
        if name == COLLECTIONS:
            yield from _collections(was, now)
        elif was != now:
            yield Difference("files", name, was, now, is_shown=name == ANSIBLE_CORE)


def _collections(before: str, after: str) -> Iterator[Difference]:
    was, now = (dict(one.split(" ", 1) for one in told.split(", ") if " " in one) for told in (before, after))
    for name in sorted({*was, *now}):
        if was.get(name) != now.get(name):
            yield Difference("files", f"collection {name}", was.get(name, ""), now.get(name, ""))


def grouped(topic: Topic, items: Iterable[Item], *, is_shown: bool = True) -> list[Difference]:
    """Those that differ alike together, in the order in which the first of them came."""
    found: dict[tuple[str, str, str], list[str]] = {}
    for subject, was, now, of in items:
        found.setdefault((subject, was, now), []).append(of)
    return [
        Difference(topic, *key, tuple(of for of in names if of), is_shown) for key, names in found.items()
    ]


def by_field(
    subject: str,
    before: Any,
    after: Any,
    fields: Iterable[str],
    said: Callable[[str, Any], str],
    of: str = "",
) -> Iterator[Item]:
    """An item for each field in which two values of one kind differ. Either may be None: then it is new, or gone.

    `said` gives the words for the value of a field.
    """
    if before is None or after is None:
        if before is not after:
            yield subject, "there" if before is not None else "", "there" if after is not None else "", of
        return
    for name in fields:
        was, now = getattr(before, name), getattr(after, name)
        if was != now:
            field = name.replace("_", " ")
            yield f"{subject}: {field}" if subject else field, said(name, was), said(name, now), of
