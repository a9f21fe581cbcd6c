"""The live status on a terminal: a few frames a second at most, drawn in the controller's own thread."""

import os
from collections.abc import Mapping
from typing import Self

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from rollout.model.event import Event, Kind
from rollout.model.graph import Graph
from rollout.model.state import State, Status
from rollout.report import answers
from rollout.report.ending import combos
from rollout.report.eta import estimate, told
from rollout.report.events import line
from rollout.report.plain import counted, plain, spoken

FRAME = 0.25
"""Seconds between two frames."""

LAST = 8
"""Events shown below the table."""

LOOK = 30.0
"""Seconds between two estimates of the end: each looks at every host."""

ACTIVE = 12
"""Hosts under way that are named."""

GATES = 4
"""Gates about the fleet that are named while they keep something from beginning."""


class LiveStatus:
    """Draws the run. `tell` after each event, `tick` now and then; both draw only when a frame is due.

    A terminal that goes away stops the picture, not the run.
    """

    def __init__(self, run: str, graph: Graph, console: Console | None = None) -> None:
        self._run, self._graph = run, graph
        self._live = Live(console=console or Console(stderr=False), auto_refresh=False)
        self._drawn = 0.0
        self._broken = False
        self._lines: list[str] = []
        self._state: State | None = None
        self._begun: dict[str, float] = {}
        self._eta, self._looked = "", 0.0

    def __enter__(self) -> Self:
        self._live.__enter__()
        return self

    def __exit__(self, *exc: object) -> None:
        if self._state is not None:
            self._draw(self._state, self._drawn)
        self._live.__exit__(None, None, None)

    def tell(self, event: Event, state: State) -> None:
        """An event was written."""
        self._state = state
        if event.kind is Kind.INTENDED and event.host:
            self._begun[event.host] = event.at
        self._lines = [*self._lines[1 - LAST :], line(event)]
        self.tick(event.at)

    def tick(self, now: float) -> None:
        """Time has passed; seconds since the epoch."""
        if self._state is not None and now - self._drawn >= FRAME:
            self._draw(self._state, now)

    def cut(self) -> str:
        """The cursor, which was hidden."""
        return "\x1b[?25h"

    def _draw(self, state: State, now: float) -> None:
        self._drawn = now
        if self._broken:
            return
        if now - self._looked >= LOOK:
            self._eta, self._looked = told(estimate(self._graph, state, now), now), now
        picture = Group(
            Text(f"run {plain(self._run)}: {counted(len(state.open), 'step')} in flight", style="bold"),
            *(Text(f"  {said}") for said in combos(self._graph, state)),
            *([Text(f"  expected {plain(self._eta)}")] if self._eta else []),
            *(Text(f"  {said}", overflow="ellipsis") for said in _stopping(state, now)),
            _hosts(state, self._begun, now),
            *(Text(said, style="dim", no_wrap=True, overflow="ellipsis") for said in self._lines),
        )
        try:
            self._live.update(picture, refresh=True)
        except OSError:
            self._broken = True
            os.dup2(os.open(os.devnull, os.O_WRONLY), self._live.console.file.fileno())


def _stopping(state: State, now: float) -> list[str]:
    """What gates about the fleet keep from beginning."""
    run = state.run
    found = [last for last in run.standing.values() if answers.stops(last, run.waived)]
    return [answers.said(last, run.waived, now) for last in found[:GATES]]


def _hosts(state: State, begun: Mapping[str, float], now: float) -> Table:
    """Those under way, the longest first. Cells are Text: nothing in them is markup.

    `begun`: when the last step of a host began; of one that was taken up it is shown how long the host is under way.
    """
    table = Table(box=None, padding=(0, 2), show_header=False)
    active = [state.hosts[name] for name in (*state.open, *state.asking)]
    since = {host.name: begun.get(host.name, host.since) if host.open else host.since for host in active}
    for host in sorted(active, key=lambda host: since[host.name])[:ACTIVE]:
        doing = host.step if host.open else "asked by a gate"
        table.add_row(Text(plain(host.name)), Text(str(doing)), Text(spoken(now - since[host.name])))
    soaking = sum(counts[Status.SOAKING] for counts in state.statuses.values())
    rest = max(0, len(active) - ACTIVE)
    if rest or soaking:
        table.add_row(Text(f"{rest} more, {soaking} soaking" if rest else f"{soaking} soaking"))
    return table
