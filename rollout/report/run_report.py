"""How a run went, for whoever was not there: what a report holds, and the same as Markdown."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from rollout.model.event import Event, Kind
from rollout.model.graph import Graph
from rollout.model.state import Status
from rollout.report import events
from rollout.report.markdown import code, fenced, table
from rollout.report.plain import counted, plain, stamp

TURNS = frozenset(
    {
        Kind.TAKEN_UP,
        Kind.ENDED,
        Kind.TRIPPED,
        Kind.RESET,
        Kind.PAUSED,
        Kind.CONTINUED,
        Kind.APPROVED,
        Kind.ABORTED,
        Kind.AMENDED,
        Kind.HELD,
        Kind.RETRIED,
        Kind.RESOLVED,
        Kind.RETIRED,
        Kind.SKIPPED,
        Kind.ROLLBACK,
        Kind.WAIVED,
        Kind.SUSPECTED,
        Kind.RESTORED,
    }
)
"""What changed the run's course. Steps and answers are left to `rollout events`."""

TURNS_SHOWN = 400
HOSTS_SHOWN = 200
LONGEST = 1500
"""Characters of a sentence; `rollout why` tells the rest."""


class HostTold(NamedTuple):
    """A host as it stands: seconds that its steps took, since when (seconds since the epoch; 0: never begun)."""

    name: str
    wave: str
    status: Status
    step: str
    because: str
    seconds: float
    since: float


class Refused(NamedTuple):
    """An answer of a gate that did not pass; `host` is empty for one about the fleet."""

    gate: str
    moment: str
    host: str
    value: str
    because: str
    link: str
    at: float


@dataclass(frozen=True, slots=True)
class RunReport:
    """`standing` and `causes` are lines of text, as `status` and `failures` show them. `refused`: the last of each gate, moment and host."""

    run: str
    graph: Graph
    standing: Sequence[str]
    causes: Sequence[str]
    hosts: Sequence[HostTold]
    turns: Sequence[Event]
    refused: Sequence[Refused]
    approvals: Sequence[str] = ()
    counts: Mapping[str, Counter[Status]] = field(default_factory=dict)

    @property
    def needy(self) -> list[HostTold]:
        """Hosts that wait for a person."""
        return [host for host in self.hosts if host.status is Status.HELD]


def read_events(told: Iterable[Event]) -> tuple[list[Event], list[Refused]]:
    """The turns of a run, the newest TURNS_SHOWN of them, and what gates refused."""
    turns: list[Event] = []
    refused: dict[tuple[str, str, str], Refused] = {}
    for event in told:
        if event.kind in TURNS:
            turns.append(event)
        elif event.kind is Kind.ANSWERED:
            data = event.data
            when = " ".join(str(data.get(name, "")) for name in ("moment", "about")).strip()
            key = (str(data.get("gate", "")), when, event.host or "")
            refused.pop(key, None)
            if data.get("value") != "pass":
                value, link = str(data.get("value", "")), str(data.get("link", ""))
                refused[key] = Refused(*key, value, event.because, link, event.at)
    return turns, list(refused.values())


def counts_of(hosts: Iterable[HostTold]) -> dict[str, Counter[Status]]:
    """By wave, in the order in which the waves come."""
    found: dict[str, Counter[Status]] = {}
    for host in hosts:
        found.setdefault(host.wave, Counter())[host.status] += 1
    return found


def wave_rows(report: RunReport) -> Iterator[tuple[str, str, Counter[Status]]]:
    """Each wave: its name, what it is, its hosts by status."""
    for name, wave in report.graph.waves.items():
        word = "canary" if wave.canary else wave.rung or "wave"
        yield name, word, report.counts.get(name, Counter())
    for name in sorted(report.counts.keys() - report.graph.waves.keys()):
        yield name, "before an amendment", report.counts[name]


def line_of(event: Event) -> str:
    """With the day: a report is read later."""
    host = f"{plain(event.host)}: " if event.host else ""
    because = f": {plain(event.because, LONGEST)}" if event.because else ""
    return f"{stamp(event.at)}  {host}{events.what(event)}{because}"


def markdown(report: RunReport) -> str:
    """What comes from outside stands in code alone."""
    lines = [f"## Run {code(report.run)}", "", *fenced(report.standing)]
    head = ["wave", "what", "hosts", "verified", "under way", "held", "not begun", "out"]
    rows = [[code(name), code(what), *map(str, numbers(counts))] for name, what, counts in wave_rows(report)]
    lines += ["", "### Waves", *table(head, rows[:HOSTS_SHOWN]), *_more(len(rows), "wave")]
    if report.needy:
        lines += ["", "### Hosts that wait for a person"]
        held = [
            [code(one.name), code(one.wave), code(one.step), code(plain(one.because, LONGEST))]
            for one in report.needy
        ]
        lines += [*table(["host", "wave", "step", "because"], held[:HOSTS_SHOWN]), *_more(len(held), "host")]
    for title, said in sections(report):
        lines += ["", f"<details><summary>{title}</summary>", "", *fenced(said), "", "</details>"]
    return "\n".join(lines) + "\n"


def sections(report: RunReport) -> Iterator[tuple[str, list[str]]]:
    """Titles of ours, and lines of text; the empty ones are left out."""
    turns = [line_of(event) for event in report.turns]
    if len(turns) > TURNS_SHOWN:
        turns = [
            f"({counted(len(turns) - TURNS_SHOWN, 'earlier one')} left out: `rollout events`)",
            *turns[-TURNS_SHOWN:],
        ]
    refused = [
        f"{stamp(one.at)}  gate {plain(one.gate)} {plain(one.moment)}{f' of {plain(one.host)}' if one.host else ''}: {plain(one.value)}: {plain(one.because, LONGEST)}"
        for one in report.refused[-TURNS_SHOWN:]
    ]
    for title, said in (
        ("Approvals", list(report.approvals)),
        ("Failures by cause", list(report.causes)),
        ("Gates that did not pass", refused),
        ("What changed its course", turns),
    ):
        if said:
            yield title, said


def numbers(counts: Counter[Status]) -> list[int]:
    """All, verified, under way, held, not begun, out."""
    under_way = counts[Status.RUNNING] + counts[Status.SOAKING]
    known = counts[Status.VERIFIED], under_way, counts[Status.HELD], counts[Status.WAITING]
    return [counts.total(), *known, counts.total() - sum(known)]


def _more(number: int, what: str) -> list[str]:
    return ["", f"And {counted(number - HOSTS_SHOWN, 'more ' + what)}."] if number > HOSTS_SHOWN else []
