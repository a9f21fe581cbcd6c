"""A run as GitLab's job log shows it: a section that folds for each wave, and in it one for each host.

Hosts are upgraded side by side, and sections of GitLab lie only within one another. So a host's lines are kept until it comes to an end, and are written
then as one section, which bears the host's own times. One wave's section is open at a time; what other waves say meanwhile is gathered for a few seconds,
and the section of a wave is opened anew for it. What concerns the whole run stands outside of all sections.

GitLab cuts a log at 4 MB (the runner's `output_limit`), and its end is what matters most: the longer the log, the less is said of each host.
"""

import re
from collections import Counter, deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from rollout.errors import (
    DONE,
    HELD_WITHIN_BUDGET,
    INTERRUPTED,
    TERMINATED,
    TIME_BUDGET_USED,
    ApprovalMissing,
    Locked,
    NotNow,
    PlanInvalid,
    PlanStale,
)
from rollout.model.decision import Stop
from rollout.model.event import REQUESTS, UNWRITTEN, Event, Kind
from rollout.model.graph import Graph
from rollout.model.state import State
from rollout.report.ending import SAID
from rollout.report.events import line, what
from rollout.report.plain import clock, counted, listed, plain

HEARTBEAT = 60.0
"""Seconds of silence after which a line says that we live: GitLab shows a silent job as stuck, and a runner may end it."""

GATHER = 10.0
"""Seconds for which a wave's lines are gathered while the section of another one is open."""

LARGE = 300
"""Hosts of a wave above which those that came through have no section of their own: their number is said."""

LINES_KEPT = 60
"""Events of one host in its section, the last ones."""

IN_FLIGHT = 50
"""Hosts on their way whose lines so far are written when the log ends."""

ROOM_FOR_ALL, ROOM_FOR_FAILED, ROOM_FOR_LINES, ROOM_FOR_RUN = 700_000, 1_300_000, 1_600_000, 2_000_000
"""Bytes of the log up to which healthy hosts have sections, failed ones have, failed ones and waves have a line, and the run's own events are written.
Heartbeats are written always: a week of them is another MB."""

_RED, _GREEN, _YELLOW, _BOLD = "31;1", "32", "33", "1"

_ENDS = {
    Kind.VERIFIED: _GREEN,
    Kind.ROLLED_BACK: _YELLOW,
    Kind.STAYS: _YELLOW,
    Kind.GONE: _YELLOW,
    Kind.RETIRED: _YELLOW,
    Kind.SKIPPED: _YELLOW,
    Kind.HELD: _RED,
    Kind.STUCK: _RED,
    Kind.STRANDED: _RED,
}
"""After these a host does nothing, until a person says so; with their colour. Red ones are open for the reader."""

_LIVE = REQUESTS | {Kind.RETRYING, Kind.SOAKING}
"""Of a host, written at once, besides its beginning."""

_COLOURS = {
    Kind.TRIPPED: _RED,
    Kind.SUSPECTED: _RED,
    Kind.STUCK: _RED,
    Kind.PAUSED: _YELLOW,
    Kind.ABORTED: _YELLOW,
    Kind.RETRYING: _YELLOW,
    Kind.PASSED: _GREEN,
}

Form = tuple[int, Sequence[str]]
"""Lines, and the room in the log up to which they are written so."""


@dataclass(slots=True)
class _Host:
    """What has happened to a host since its last section."""

    events: deque[Event] = field(default_factory=lambda: deque(maxlen=LINES_KEPT))
    first: float = 0.0
    count: int = 0
    begun: bool = False


class JobLog:
    """Gives the lines to write: `tell` after each event, `tick` about once a second, `close` at the end.

    `now` is our own time, in seconds since the epoch; sections bear the journal's. `colour`: whether lines are coloured as a terminal is told to.
    """

    def __init__(self, graph: Graph, now: float, *, colour: bool) -> None:
        self._graph, self._colour = graph, colour
        self._now = self._said = self._summed = self._gathering = now
        self._at = 0.0
        self._state: State | None = None
        self._out: list[str] = []
        self._spent, self._number, self._unsaid = 0, 0, 0
        self._open: tuple[str, str] | None = None
        self._seen: set[str] = set()
        self._hosts: dict[str, _Host] = {}
        self._gathered: dict[str, list[tuple[Form, ...]]] = {}
        self._sums: dict[tuple[str, str], list[str]] = {}

    def tell(self, event: Event, state: State) -> list[str]:
        """An event was written."""
        self._state, self._at = state, max(self._at, event.at)
        wave = str(event.data.get("wave", ""))
        if event.kind in UNWRITTEN:
            pass
        elif event.host in self._graph.nodes:
            self._tell_of_host(str(event.host), event)
        elif event.kind in {Kind.OPENED, Kind.PASSED, Kind.ROUND} and wave in self._graph.waves:
            if event.kind is Kind.PASSED:
                self._sum_up(wave)
            self._gather(wave, (ROOM_FOR_LINES, [self._line(event)]))
            if event.kind is Kind.PASSED and self._open and self._open[0] == wave:
                self._leave()
        elif event.kind in {Kind.ANSWERED, Kind.ROUND, Kind.ASK_AGAIN}:
            self._write((ROOM_FOR_LINES, [self._line(event)]))
        else:
            if event.kind is Kind.ENDED:
                self._tell_of_all_under_way()
            self._write_gathered()
            self._leave()
            self._write((ROOM_FOR_RUN, [self._line(event)]))
        return self._taken()

    def tick(self, now: float) -> list[str]:
        """Time has passed."""
        self._now = now
        if self._gathered and now - self._gathering >= GATHER:
            self._write_gathered()
        if now - self._summed >= HEARTBEAT:
            self._sum_up()
        if self._state is not None and now - self._said >= HEARTBEAT:
            self._put([f"{clock(now)}  at work: {self._standing(self._state)}"])
        return self._taken()

    def close(self) -> list[str]:
        """The log's end, whatever has brought it: hosts on their way are told of, and every section is closed."""
        self._tell_of_all_under_way()
        if self._unsaid:
            self._put(
                [
                    f"this log was growing too long for GitLab: {counted(self._unsaid, 'entry', 'entries')} left out here are in `rollout events`"
                ]
            )
        return self._taken()

    def cut(self) -> str:
        """What closes the section that is open, for a process that ends at once."""
        return f"{_section('end', self._at, self._open[1])}\n" if self._open else ""

    def _tell_of_all_under_way(self) -> None:
        names = [name for name, host in self._hosts.items() if host.begun]
        for name in names[:IN_FLIGHT]:
            self._end(name, "under way when this job ended", _YELLOW)
        self._sum_up()
        self._write_gathered()
        self._leave()
        if len(names) > IN_FLIGHT:
            self._put([f"under way, too: {_harmless(listed(names[IN_FLIGHT:], 20))}"])
            for name in names[IN_FLIGHT:]:
                del self._hosts[name]

    def _tell_of_host(self, name: str, event: Event) -> None:
        host = self._hosts.setdefault(name, _Host(first=event.at))
        host.events.append(event)
        host.count += 1
        wave = self._graph.waves[self._graph.nodes[name].wave]
        begins = event.kind is Kind.INTENDED and not host.begun
        host.begun = host.begun or begins
        if event.kind in _ENDS:
            because = plain(event.because)
            self._end(name, f"{what(event)}{f': {because}' if because else ''}", _ENDS[event.kind])
        elif event.kind in _LIVE or begins:
            room = ROOM_FOR_LINES if event.kind in REQUESTS else ROOM_FOR_ALL
            if len(wave.hosts) <= LARGE or event.kind in REQUESTS:
                self._gather(wave.id, (room, [self._line(event)]))

    def _end(self, name: str, how: str, colour: str) -> None:
        """Write a host's section. A host about which no more than its end is known has a line; one of a large wave that came through is counted."""
        host, wave = self._hosts.pop(name), self._graph.waves[self._graph.nodes[name].wave]
        is_failed = colour == _RED
        if not is_failed and len(wave.hosts) > LARGE:
            word = what(host.events[-1]) if host.events[-1].kind in _ENDS else "under way"
            self._sums.setdefault((wave.id, word), []).append(name)
            return
        room = ROOM_FOR_FAILED if is_failed else ROOM_FOR_ALL
        at, end = max(host.first, host.events[-1].at), f"{_harmless(name)}  {_harmless(how)}"
        short = (
            ROOM_FOR_LINES if is_failed else ROOM_FOR_ALL,
            [self._paint(f"{clock(at)}  {end}", colour)],
        )
        if host.count == 1 or self._spent >= room:
            self._gather(wave.id, short)
            return
        self._number += 1
        section = f"host-{self._number}-{re.sub('[^A-Za-z0-9_.-]', '_', name)[:40]}"
        head = _section("start", host.first, section, "" if is_failed else "[collapsed=true]")
        lines = [head + self._paint(end, colour)]
        if host.count > len(host.events):
            lines.append(f"  {host.count - len(host.events)} earlier events are in `rollout events`")
        lines += [f"  {self._line(event, named=False)}" for event in host.events]
        lines.append(_section("end", at, section))
        self._gather(wave.id, (room, lines), short)

    def _sum_up(self, only: str | None = None) -> None:
        """Say how many hosts of large waves have come to their end since this was said last."""
        self._summed = self._now if only is None else self._summed
        for wave, word in [key for key in self._sums if only in {None, key[0]}]:
            names = self._sums.pop((wave, word))
            of = f"{counted(len(names), 'host')} of {len(self._graph.waves[wave].hosts)}"
            text = f"{clock(self._at)}  {of} {word}: {_harmless(listed(names, 3))}"
            self._gather(wave, (ROOM_FOR_LINES, [self._paint(text, _GREEN)]))

    def _gather(self, wave: str, *forms: Form) -> None:
        """Written at once in the open section, or when none is open; else soon."""
        if not self._gathered:
            self._gathering = self._now
        self._gathered.setdefault(wave, []).append(forms)
        if self._open is None:
            self._write_gathered()
        elif self._open[0] == wave:
            self._write_wave(wave)

    def _write_gathered(self) -> None:
        for wave in list(self._gathered):
            self._write_wave(wave)

    def _write_wave(self, wave: str) -> None:
        for forms in self._gathered.pop(wave):
            self._write(*forms, wave=wave)

    def _write(self, *forms: Form, wave: str | None = None) -> None:
        """The first of the forms for which there is room."""
        for room, lines in forms:
            if self._spent + _size(lines) <= room:
                if wave is not None:
                    self._enter(wave)
                self._put(lines)
                return
        self._unsaid += 1

    def _enter(self, wave: str) -> None:
        if self._open and self._open[0] == wave:
            return
        self._leave()
        self._number += 1
        name = f"wave-{self._number}-{re.sub('[^A-Za-z0-9_.-]', '_', wave)[:40]}"
        of = self._graph.waves[wave]
        kind = "goes on" if wave in self._seen else "canaries" if of.canary else "ramp"
        text = f"wave {_harmless(wave)}: {counted(len(of.hosts), 'host')}, {kind}"
        self._put([_section("start", self._at, name) + self._paint(text, _BOLD)])
        self._open = wave, name
        self._seen.add(wave)

    def _leave(self) -> None:
        if self._open:
            name, self._open = self._open[1], None
            self._put([_section("end", self._at, name)])

    def _put(self, lines: Iterable[str]) -> None:
        added = list(lines)
        self._spent += _size(added)
        self._out += added
        self._said = self._now

    def _taken(self) -> list[str]:
        taken, self._out = self._out, []
        return taken

    def _line(self, event: Event, *, named: bool = True) -> str:
        because = plain(event.because)
        said = f"{clock(event.at)}  {what(event)}{f': {because}' if because else ''}"
        text = line(event) if named and event.host else said
        return self._paint(_harmless(text), _COLOURS.get(event.kind) or _ENDS.get(event.kind, ""))

    def _paint(self, text: str, colour: str) -> str:
        return f"\x1b[{colour}m{text}\x1b[0m" if colour and self._colour else text

    def _standing(self, state: State) -> str:
        """In one line, however many combos there are."""
        total: Counter[str] = Counter()
        for counts in state.statuses.values():
            for status, number in counts.items():
                total[SAID[status]] += number
        said = ", ".join(f"{total[word]} {word}" for word in SAID.values() if total[word])
        busy = f"{counted(len(state.open), 'step')} and {counted(len(state.asking), 'question')} in flight"
        return f"{busy}; {said} of {counted(total.total(), 'host')}"


def then(state: State, stop: Stop, options: str = "") -> str:
    """What a person does next, as a job of GitLab is carried on; jobs are named as in our component. `options`: as of `ending.text`."""
    is_cut_off = stop.exit_code in {TIME_BUDGET_USED, INTERRUPTED, TERMINATED}
    resume = "start the job `resume` of the newest pipeline (a scheduled `tick` does not do it)"
    if stop.exit_code == DONE:
        return "next: nothing, the run is over"
    if state.run.aborted and not is_cut_off:
        return "next: nothing for this run, it was aborted; a new one begins with an approved plan"
    said = {
        HELD_WITHIN_BUDGET: f"`rollout why HOST{options}` says why a host is held; release it as above, and the next scheduled `tick`, or this job tried again, goes on with it",
        TIME_BUDGET_USED: "the run stands at a safe point; the next scheduled `tick`, or this job tried again, carries it on",
        ApprovalMissing.exit_code: f"look at what is upgraded so far, then start the job `resume` of the newest pipeline with the variable ROLLOUT_THROUGH set to that rung, or type `rollout approve PLAN --through RUNG{options} --reason WHY`, and the next `tick` goes on",
        NotNow.exit_code: f"the run is paused; when it may go on, {resume}"
        if state.run.paused
        else "no window is open; the next scheduled `tick` after it opens, or this job tried again, goes on",
    }
    stopped = f"this job was stopped, and the run stands as it is; the next scheduled `tick`, or this job tried again, carries it on. To keep it standing: `rollout pause{options} --reason WHY`"
    said |= {INTERRUPTED: stopped, TERMINATED: stopped}
    halted = f"`rollout why HOST{options}` says what stopped it; mend that, release held hosts as above, then start the job `resume` of the newest pipeline (a scheduled `tick` goes on with hosts that were released, and with nothing that a gate has stopped)"
    return f"next: {said.get(stop.exit_code, halted)}"


def after_error(code: int) -> str:
    """The same after an error, which has said by itself what is wrong."""
    mended = "next: mend what the message names, and"
    approve = "next: look at what the job `plan` of the newest pipeline shows; then start its job `approve`, or, for a run that is not finished, `amend` and then `resume`"
    said = {
        Locked.exit_code: "next: nothing, another job carries the run on; if that one is dead, the next scheduled `tick` finds out",
        PlanStale.exit_code: approve,
        ApprovalMissing.exit_code: approve,
        PlanInvalid.exit_code: f"{mended} merge that: its pipeline plans again",
    }
    return said.get(code, f"{mended} try this job again; the next scheduled `tick` carries on what has begun")


def _section(word: str, at: float, name: str, options: str = "") -> str:
    """GitLab's marker: `name` is of letters, digits, `_`, `.` and `-`, and unique in the log."""
    return f"\x1b[0Ksection_{word}:{int(at)}:{name}{options}\r\x1b[0K"


def _harmless(text: str) -> str:
    """Text that no reader of markers takes for one, although it bears no control character any more."""
    return re.sub("section_(start|end):", r"section_\1 :", plain(text, 2000))


def _size(lines: Iterable[str]) -> int:
    return sum(len(text.encode(errors="replace")) + 1 for text in lines)
