"""`rollout gate waive`."""

from difflib import get_close_matches

import click

from rollout.cli import _requests, _runs
from rollout.errors import UsageError
from rollout.journal import Journal, RunRow
from rollout.model.event import Event, Kind
from rollout.model.plan import IN_REACH, NO_GUESTS
from rollout.report.plain import listed, plain

CONSEQUENCE = "that gate is asked and recorded, and decides nothing any more in this run"

UNWAIVABLE = {
    NO_GUESTS: "guests are no matter of a waiver: the combo says `guests: ignore` with a reason, and `rollout amend` takes that in",
    IN_REACH: "a host that has walked back and does not answer has to be held",
}


def waive(name: str, reason: str, journal: str | None, run: str | None) -> None:
    """Append the request. Raises UsageError for a gate that the run does not have, or that cannot be waived; twice says the same."""
    because = _requests.because(reason)
    with _runs.existing(journal) as book:
        row = _requests.unfinished(book, run)
        _refuse_unknown(book, row, name)
        before = _runs.waived(book, row.id).get(name)
        if before is not None:
            click.echo(f"run {plain(row.id)}: gate {plain(name)} is waived already: {plain(before)}")
            return
        book.request(row.id, Event(Kind.WAIVED, because, data={"gate": name, "by": _runs.me()}))
        when = _requests.when(row, _runs.options(_runs.where(journal)))
        click.echo(f"run {plain(row.id)}: gate {plain(name)} is waived: {CONSEQUENCE}. {when}")


def _refuse_unknown(book: Journal, row: RunRow, name: str) -> None:
    if name in UNWAIVABLE:
        raise UsageError(f"{name} cannot be waived: {UNWAIVABLE[name]}")
    gates = dict.fromkeys(rule.name for rule in book.graph(row.id).gates if rule.name not in UNWAIVABLE)
    if name in gates:
        return
    close = get_close_matches(name, gates, 1)
    known = f"it has {listed(gates, 20)}" if gates else "it has none that could be waived"
    hint = f"did you mean {plain(close[0])!r}?" if close else known
    raise UsageError(f"run {plain(row.id)} has no gate {plain(name)!r}; {hint}")
