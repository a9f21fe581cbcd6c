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
    """`tell` after each event that is durable; `tick` about once a second, with the time since the epoch.

    `cut` gives what closes all that is open, for a process that ends at once, in the middle of anything.
    """

    def tell(self, event: Event, state: State) -> None: ...
    def tick(self, now: float) -> None: ...
    def cut(self) -> str: ...
    def __enter__(self) -> Self: ...
    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None: ...


class _Out:
    """Standard output, with what is meant for a terminal left in. A reader that goes away stops the lines, not the run."""

    def __init__(self) -> None:
        self._broken = False

    def __call__(self, text: str) -> None:
        if self._broken:
            return
        try:
            click.echo(text, color=True)
        except OSError:
            self._broken = True
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


class Lines:
    """A line for each event, and a heartbeat."""

    def __init__(self, graph: Graph, *, as_json: bool = False) -> None:
        self._graph, self._json = graph, as_json
        self._width = min(24, max((len(plain(name)) for name in graph.nodes), default=0))
        self._last = time.time()
        self._state: State | None = None
        self._out = _Out()

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
        self._out(line)

    def cut(self) -> str:
        """Nothing is open."""
        return ""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        """Nothing is open."""


class InGitLab:
    """The job log of GitLab, with sections. GitLab is no terminal, and yet shows colours."""

    def __init__(self, graph: Graph) -> None:
        from rollout.report.gitlab_log import JobLog

        self._log = JobLog(graph, time.time(), colour=not os.environ.get("NO_COLOR"))
        self._out = _Out()

    def tell(self, event: Event, state: State) -> None:
        """Print what is to be said now."""
        self._say(self._log.tell(event, state))

    def tick(self, now: float) -> None:
        """Print what was gathered, or a heartbeat."""
        self._say(self._log.tick(now))

    def _say(self, lines: list[str]) -> None:
        if lines:
            self._out("\n".join(lines))

    def cut(self) -> str:
        """Closes the section that is open."""
        return self._log.cut()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None:
        """Close the sections. After an error nobody else says how the run stands."""
        self._say(self._log.close())
        if isinstance(error, Exception):
            self._out(
                "this job ends with an error; what runs on hosts goes on, and the run stands in its journal: once the error is mended, this job tried again, or the next `tick`, carries it on"
            )


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

    def cut(self) -> str:
        """The log is of whole lines."""
        return self._screen.cut()

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
    """A live picture on a terminal, sections in GitLab's job log, lines elsewhere."""
    chosen: Screen
    if as_json or verbose:
        chosen = Lines(graph, as_json=as_json)
    elif in_gitlab():
        chosen = InGitLab(graph)
    elif not sys.stdout.isatty() or os.environ.get("TERM") == "dumb":
        chosen = Lines(graph)
    else:
        from rollout.report.live import LiveStatus

        chosen = LiveStatus(run, graph)
    return Logged(chosen, log, run) if log else chosen


def in_gitlab() -> bool:
    """Whether standard output is the log of a GitLab job."""
    return os.environ.get("GITLAB_CI") == "true" and not sys.stdout.isatty()
