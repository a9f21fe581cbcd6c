"""`rollout approve`."""

import click

from rollout.cli import _options, _requests, _runs
from rollout.errors import PlanStale, UsageError
from rollout.journal import Journal, RunRow
from rollout.model.event import Event, Kind
from rollout.model.graph import Graph
from rollout.model.people import approvals_before, approve
from rollout.model.state import RunState
from rollout.report.plain import listed, plain

SHORTEST = 8
"""Characters of a digest that tell plans apart."""


@click.command()
@click.option(
    "--through",
    metavar="RUNG|WAVE",
    required=True,
    help="What comes after this rung, or this wave, may begin.",
)
@click.option(
    "--digest", help="The digest of the plan that is approved, or how it begins; refused if it is another."
)
@_options.reason
@_options.journal
@_options.run
def command(through: str, digest: str | None, reason: str, journal: str | None, run: str | None) -> None:
    """Let what comes after a rung begin.

    Where the plan asks a person (`waves.approve`), nothing after that rung begins before. The approvals of the rungs before it are
    given too. WAVE: all that this wave waits for. With `four_eyes` whoever began the run is refused; who that is, the machine says.
    """
    because = _requests.because(reason)
    with _runs.existing(journal) as book:
        row = _requests.unfinished(book, run)
        graph = book.graph(row.id)
        rung = _rung(row, graph, through)
        _refuse_another_plan(row, digest)
        _refuse_if_there(book, row, graph, rung)
        if graph.four_eyes:
            _refuse_the_same_eyes(row)
        data = {"through": rung, "digest": row.digest, "by": _runs.me()}
        book.request(row.id, Event(Kind.APPROVED, because, data=data))
        later = graph.approvals[graph.approvals.index(rung) + 1 :]
        more = f"; you will be asked again after {listed(later)}" if later else ""
        then = f"what comes after {plain(rung)} may begin{more}"
        click.echo(
            f"run {plain(row.id)}: approved: {then}. {_requests.when(row, _runs.options(_runs.where(journal)))}"
        )


def _rung(row: RunRow, graph: Graph, through: str) -> str:
    """Raises UsageError for an approval that nobody asks for."""
    asked = graph.approvals
    if through in asked:
        return through
    if not asked:
        raise UsageError(
            f"the plan of run {row.id} asks for no approval (`waves.approve`): nothing waits for one"
        )
    known = f"it asks for one after {listed(asked)}"
    if through in graph.waves:
        before = approvals_before(graph, through)
        if not before:
            raise UsageError(f"wave {plain(through)} waits for no approval; {known}")
        return before[-1]
    if through in graph.rungs:
        raise UsageError(f"the plan asks for no approval after {plain(through)}; {known}")
    raise UsageError(f"run {row.id} has no rung and no wave {plain(through)!r}; {known}")


def _refuse_another_plan(row: RunRow, digest: str | None) -> None:
    if digest is None:
        return
    if len(digest) < SHORTEST:
        raise UsageError(f"--digest wants at least {SHORTEST} characters")
    if not row.digest.startswith(digest):
        raise PlanStale(
            f"run {row.id} carries out the plan of digest {row.digest}, not {plain(digest)}: look at that one"
        )


def _refuse_if_there(book: Journal, row: RunRow, graph: Graph, rung: str) -> None:
    found = _approved(book, row, graph)
    if rung in found:
        raise UsageError(f"what comes after {plain(rung)} is approved already: {plain(found[rung])}")


def _approved(book: Journal, row: RunRow, graph: Graph) -> dict[str, str]:
    """Rungs and who approved them, requests that no controller has read yet included."""
    run: RunState = book.state(row.id)
    for event in _runs.unread(book, row.id):
        if event.kind is Kind.APPROVED:
            approve(graph, run, event)
    return run.approved


def _refuse_the_same_eyes(row: RunRow) -> None:
    """The same user on another machine is the same person, for all that is known."""
    me, began = _runs.me().rpartition("@")[0], row.created_by.rpartition("@")[0]
    if me == began:
        raise UsageError(
            f"the plan wants four eyes: run {row.id} was begun by {plain(row.created_by)}, so somebody else must approve it "
            "(that is the user name as the machine tells it, and no proof of who sits there)"
        )
