"""A log for machines: one JSON object for each event, with a stable word in `action`."""

from pathlib import Path

import structlog

from rollout.model.event import Event
from rollout.model.state import State


class EventLog:
    """Appends to a file that only its owner can read. Secrets never come this far: events hold none."""

    def __init__(self, path: Path, run: str) -> None:
        path.touch(mode=0o600)
        self._file = path.open("a", encoding="utf-8")
        self._log = structlog.wrap_logger(
            structlog.WriteLogger(self._file),
            processors=[
                structlog.processors.add_log_level,
                structlog.processors.TimeStamper(fmt="iso", utc=True),
                structlog.processors.JSONRenderer(),
            ],
        ).bind(run=run)

    def __call__(self, event: Event, state: State) -> None:
        """Write the event."""
        more = {"host": event.host, "step": event.step, "attempt": event.attempt or None}
        known = {name: value for name, value in more.items() if value}
        self._log.info(
            event.because,
            action=str(event.kind),
            seq=event.seq,
            open=len(state.open),
            **known,
            data=dict(event.data),
        )

    def close(self) -> None:
        self._file.close()
