"""A host of a run, by name."""

from rollout.errors import UsageError
from rollout.journal import HostRow, Journal
from rollout.report.plain import plain


def row(book: Journal, run: str, host: str) -> HostRow:
    """Where the host stands. Raises UsageError with the nearest name when the run does not have it."""
    rows = {found.name: found for found in book.hosts(run)}
    if host in rows:
        return rows[host]
    untouched = next((u for u in book.graph(run).untouched if u.host == host), None)
    if untouched is not None:
        raise UsageError(
            f"{plain(host)} is {untouched.word} and not touched by run {run}: {untouched.because}"
        )
    from difflib import get_close_matches

    close = get_close_matches(host, rows, 1)
    raise UsageError(
        f"run {run} has no host {plain(host)!r}{f'; did you mean {plain(close[0])!r}?' if close else ''}"
    )
