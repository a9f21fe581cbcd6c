"""The hosts of a run, and one of them by name."""

from rollout.cli import _runs
from rollout.errors import UsageError
from rollout.journal import HostRow, Journal
from rollout.model.state import HostState, Status
from rollout.report.plain import plain


def rows(book: Journal, run: str, status: Status | None = None) -> list[HostRow]:
    """By name. Where hosts stand, requests that no controller has read yet included."""
    asked = {event.host for event in _runs.unread(book, run)} - {None}
    if not asked:
        return book.hosts(run, status)
    state = _runs.folded(book, run)
    known = asked & state.hosts.keys()
    found = [_now(one, state.hosts[one.name]) if one.name in known else one for one in book.hosts(run)]
    return [one for one in found if status in {None, one.status}]


def _now(row: HostRow, host: HostState) -> HostRow:
    return row._replace(
        status=host.status, step=host.step, attempt=host.attempt, since=host.since, because=host.because
    )


def row(book: Journal, run: str, host: str) -> HostRow:
    """Where the host stands. Raises UsageError with the nearest name when the run does not have it."""
    known = {found.name: found for found in rows(book, run)}
    if host in known:
        return known[host]
    untouched = next((u for u in book.graph(run).untouched if u.host == host), None)
    if untouched is not None:
        raise UsageError(
            f"{plain(host)} is {untouched.word} and not touched by run {run}: {untouched.because}"
        )
    from difflib import get_close_matches

    close = get_close_matches(host, known, 1)
    raise UsageError(
        f"run {run} has no host {plain(host)!r}{f'; did you mean {plain(close[0])!r}?' if close else ''}"
    )
