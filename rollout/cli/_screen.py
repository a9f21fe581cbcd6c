"""What a person, or a log, sees while a run is carried out."""

import os
import sys
import time
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

import click

from rollout.model.event import Event
from rollout.model.graph import Graph
from rollout.model.state import State
from rollout.report import events
from rollout.report.ending import combos
from rollout.report.plain import clock, counted, plain

HEARTBEAT = 60.0
"""Seconds without an event after which a line says that we live."""


class Screen(Protocol):
    """`tell` after each event that is durable; `tick` about once a second, with the time since the epoch."""

    def tell(self, event: Event, state: State) -> None: ...
    def tick(self, now: float) -> None: ...
    def __enter__(self) -> Self: ...
    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None: ...


class Lines:
    """A line for each event, and a heartbeat. A reader that goes away stops the lines, not the run."""

    def __init__(self, graph: Graph, *, as_json: bool = False) -> None:
        self._graph, self._json = graph, as_json
        self._width = min(24, max((len(plain(name)) for name in graph.nodes), default=0))
        self._last = time.time()
        self._state: State | None = None
        self._broken = False

    def tell(self, event: Event, state: State) -> None:
        """Print the event."""
        self._state = state
        self._say(events.as_json(event) if self._json else events.line(event, self._width))

    def tick(self, now: float) -> None:
        """Print a heartbeat when nothing else was printed for a while."""
        if self._json or self._state is None or now - self._last < HEARTBEAT:
            return
        busy = f"{counted(len(self._state.open), 'step')} and {counted(len(self._state.asking), 'question')} in flight"
        self._say(
            f"{clock(now)}  {'-'.ljust(self._width)}  {busy}; {'; '.join(combos(self._graph, self._state))}"
        )

    def _say(self, line: str) -> None:
        self._last = time.time()
        if self._broken:
            return
        try:
            click.echo(line)
        except OSError:
            self._broken = True
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        """Nothing is open."""


class Logged:
    """A screen, and beside it a log file of JSON lines. A log that cannot be written any more ends, and not the run."""

    def __init__(self, screen: Screen, path: Path, run: str) -> None:
        from rollout.report.log import EventLog

        self._screen, self._log, self._stack = screen, EventLog(path, run), ExitStack()
        self._path, self._lost = path, False

    def tell(self, event: Event, state: State) -> None:
        """To both."""
        if not self._lost:
            try:
                self._log(event, state)
            except OSError as error:
                self._lose(error)
        self._screen.tell(event, state)

    def tick(self, now: float) -> None:
        """The log needs none."""
        self._screen.tick(now)

    def __enter__(self) -> Self:
        self._stack.enter_context(self._screen)
        self._stack.callback(self._close)
        return self

    def _close(self) -> None:
        try:
            self._log.close()
        except OSError as error:  # what is buffered may be all that is lost
            if not self._lost:
                self._lose(error)

    def _lose(self, error: OSError) -> None:
        self._lost = True
        click.echo(
            f"rollout: {plain(self._path)} cannot be written any more ({error.strerror}): the run goes on without its log",
            err=True,
        )

    def __exit__(self, *exc: object) -> None:
        self._stack.close()


def screen(run: str, graph: Graph, *, as_json: bool, verbose: bool, log: Path | None) -> Screen:
    """A live picture on a terminal, lines elsewhere."""
    chosen: Screen
    if as_json or verbose or not sys.stdout.isatty() or os.environ.get("TERM") == "dumb":
        chosen = Lines(graph, as_json=as_json)
    else:
        from rollout.report.live import LiveStatus

        chosen = LiveStatus(run, graph)
    return Logged(chosen, log, run) if log else chosen
