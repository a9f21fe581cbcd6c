"""The note that a merge request keeps of a plan: what it would do, what differs from before, what is risky; and the line by which it is found again."""

import base64
import hashlib
import json
import re
import zlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rollout.errors import Problem
from rollout.model.graph import Graph
from rollout.report import diff, plan_markdown
from rollout.report.comparison import OF_THE_GRAPH, Comparison, files
from rollout.report.markdown import code, fenced
from rollout.report.plain import counted, plain
from rollout.report.saved import Compiled

LONGEST = 400_000
"""Bytes of a note. GitLab takes 1,000,000 characters (GitLab docs, "Instance limits": comments), and people read less."""

PARTS_KEPT = 1000
"""Files and the like whose digests a note keeps, to say later what has changed; of larger plans it keeps one for all."""

MISTAKES_SHOWN = 50
RISKS_SHOWN = 20

_MARKER = re.compile(
    r"<!-- rollout note ([0-9a-f]{16}) pipeline ([0-9]{1,18}) digest ([0-9a-f]{64}|none) parts ([A-Za-z0-9_=-]*) -->"
)
_MOST_UNPACKED = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Marker:
    """What the first line of a note says, unseen by people. `key`: of which environment and plan; `parts`: as in `Graph.parts`."""

    key: str
    pipeline: int
    digest: str = "none"
    parts: Mapping[str, str] | None = None

    def __str__(self) -> str:
        """The line."""
        kept = json.dumps(dict(self.parts)).encode() if self.parts and len(self.parts) <= PARTS_KEPT else b""
        packed = base64.urlsafe_b64encode(zlib.compress(kept)).decode() if kept else ""
        return (
            f"<!-- rollout note {self.key} pipeline {self.pipeline} digest {self.digest} parts {packed} -->"
        )


@dataclass(frozen=True, slots=True)
class Side:
    """With what the plan is compared. `told` in words, such as of the run; `comparison` None: it could not be, and `told` says why."""

    title: str
    told: str
    comparison: Comparison | None = None


def key(environment: str, plan: str) -> str:
    """Of a note. `plan`: its file, as the repository names it."""
    return hashlib.sha256(f"{environment}\0{plan}".encode()).hexdigest()[:16]


def marker(body: str) -> Marker | None:
    """That of a note; None of one that is none of ours."""
    found = _MARKER.match(body)
    if found is None:
        return None
    return Marker(found[1], int(found[2]), found[3], _unpacked(found[4]))


def _unpacked(text: str) -> Mapping[str, str] | None:
    """None when nothing was kept, or not what we keep."""
    try:
        whole = zlib.decompressobj().decompress(base64.urlsafe_b64decode(text), _MOST_UNPACKED)
        parts = json.loads(whole)
    except (ValueError, RecursionError, zlib.error):
        return None
    if not isinstance(parts, dict) or not all(isinstance(value, str) for value in parts.values()):
        return None
    return parts


def note(of: Marker, environment: str, compiled: Compiled, sides: Sequence[Side], now: float) -> str:
    """A plan without mistakes. `now`: seconds since the epoch, from which windows and waivers are told."""
    graph = compiled.graph
    lines = [
        str(of),
        f"## {code(environment)}: {counted(len(graph.nodes), 'host')} to upgrade",
        "",
        *plan_markdown.head(graph),
        f"- Known errors that concern hosts: {_risks(graph)}",
    ]
    for side in sides:
        lines += ["", f"### {side.title}", "", *fenced(_said(side))]
    return _bounded(lines, plan_markdown.sections(compiled, now))


def refused(of: Marker, environment: str, problems: Sequence[Problem]) -> str:
    """A plan with mistakes: nothing can be said of it but these."""
    shown = [plain(problem, 2000) for problem in problems[:MISTAKES_SHOWN]]
    if len(problems) > MISTAKES_SHOWN:
        shown.append(f"and {counted(len(problems) - MISTAKES_SHOWN, 'more mistake')}")
    head = [
        str(of),
        f"## {code(environment)}: {counted(len(problems), 'mistake')}, so there is no plan",
        "",
    ]
    return _bounded([*head, *fenced(shown)], [])


def drift(reviewed: Marker, now: Graph) -> list[str]:
    """A sentence for each thing that is not what it was when the note was written; none when it is the same plan."""
    if reviewed.digest == now.digest:
        return []
    if not reviewed.parts:
        return [f"digest {reviewed.digest[:12]} was reviewed, now it is {now.digest[:12]}"]
    said = [diff.sentence(one) for one in files(reviewed.parts, now.parts)]
    said += [
        f"{name} have changed"
        for name in sorted(OF_THE_GRAPH)
        if reviewed.parts.get(name) != now.parts.get(name)
    ]
    return said or ["hosts that are not touched have changed"]


def _risks(graph: Graph) -> str:
    concerned = Counter(name for node in graph.nodes.values() for name in node.risks)
    if not concerned:
        return "none"
    named = [f"{code(name)} ({counted(hosts, 'host')})" for name, hosts in concerned.most_common(RISKS_SHOWN)]
    more = [f"{len(concerned) - RISKS_SHOWN} more"] if len(concerned) > RISKS_SHOWN else []
    return ", ".join(named + more)


def _said(side: Side) -> list[str]:
    found = side.comparison
    differences = diff.text(found).rstrip("\n").split("\n") if found is not None else []
    return [plain(side.told, 1000), *differences]


def _bounded(lines: list[str], sections: Sequence[Sequence[str]]) -> str:
    """Whole sections as long as they fit; a line that GitLab would take for a command of its own (`/merge`) does not begin with a slash."""
    used = sum(len(line.encode()) + 1 for line in lines)
    left = 0
    for section in sections:
        size = sum(len(line.encode()) + 1 for line in section)
        if left or used + size > LONGEST:
            left += 1
            continue
        lines += section
        used += size
    if left:
        lines += ["", f"{counted(left, 'more section')}: in the job's artifacts."]
    whole = "\n".join(lines)
    return re.sub(r"^(\s*)/", r"\1· /", whole, flags=re.MULTILINE) + "\n"
