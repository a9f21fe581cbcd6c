"""`--wait`: while another controller holds the run, this one stands by, and takes over when its turn has come."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field

import click

from rollout.cli import _carrying, _runs
from rollout.errors import Locked
from rollout.journal import Journal, Life, Owner, RunRow
from rollout.report.plain import plain, spoken

POLL = 1.0
"""Seconds between two looks at the journal."""

REMINDER = 60.0
"""Seconds after which it is said again who holds the run."""


@dataclass
class Turn:
    """The turn of a controller at a run. `patience`: seconds to wait for it, None for none at all.

    `quiet`: stdout is for JSON, so what is said goes to stderr. `even_if_ended`: there is something to do all the same.
    """

    book: Journal
    run: str
    patience: float | None
    quiet: bool
    take_over: bool = False
    even_if_ended: bool = False
    waited: bool = False
    _said: tuple[Owner | None, float] = field(default=(None, 0.0))

    def take(self, act: Callable[[RunRow], int]) -> int:
        """What `act` gives once nobody else holds the run; or the exit code of whoever ended it meanwhile.

        `act` may find that another one was quicker (Locked): then the next turn is waited for. Raises Locked when patience ends.
        """
        until = time.monotonic() + (self.patience or 0.0)
        while True:
            row = self.book.run(self.run)
            try:
                _carrying.refuse_if_held(row, take_over=self.take_over)
                if self.waited and (code := self._ended(row)) is not None:
                    return code
                return act(row)
            except Locked as held:
                if self.patience is None:
                    raise
                if time.monotonic() >= until:
                    raise Locked(f"{held}; it was waited for, for {spoken(self.patience)}") from held
                self._remind(row, str(held))
            self.waited = True
            time.sleep(min(POLL, max(0.0, until - time.monotonic())))

    def _ended(self, row: RunRow) -> int | None:
        """The exit code of a run that another one has ended; None when it is our turn."""
        if not self.even_if_ended and _runs.is_finished(self.book, row) and row.ended is not None:
            self._say(f"run {plain(row.id)} was ended meanwhile: {plain(row.ended.because)}")
            return row.ended.exit_code
        self._say(f"run {plain(row.id)}: {_why(row)}; it is our turn")
        return None

    def _remind(self, row: RunRow, held: str) -> None:
        """At once, when another one holds it, and each minute."""
        owner, at = self._said
        now = time.monotonic()
        if not self.waited or row.owner != owner or now - at >= REMINDER:
            self._said = (row.owner, now)
            self._say(f"waiting: {plain(held, 2000)}")

    def _say(self, text: str) -> None:
        click.echo(text, err=self.quiet)


def _why(row: RunRow) -> str:
    """Why it is our turn."""
    life = row.life(Owner.current())
    who = plain(str(row.owner))
    if life is Life.DEAD:
        return f"{who}, which held it, has died"
    if life is Life.LAPSED:
        return f"{who}, which held it, has let its lease lapse"
    if row.owner is not None:
        return f"taken over from {who}"
    return f"its controller let go of it ({plain(row.ended.because) if row.ended else 'it has not begun'})"
