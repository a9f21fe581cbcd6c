"""`rollout approve`."""

from pathlib import Path

import click

from rollout import journal as journals
from rollout.cli import _approved, _authors, _compiling, _options, _requests, _runs
from rollout.cli._approved import Approver
from rollout.cli._disposable import refuse_if_thrown_away
from rollout.errors import PlanStale, UsageError
from rollout.journal import ApprovalRow, Journal, RunRow
from rollout.model.event import Event, Kind
from rollout.model.graph import Graph
from rollout.model.people import approvals_before, approve
from rollout.model.state import RunState
from rollout.report.plain import listed, plain

SHORTEST = 8
"""Characters of a digest that tell plans apart."""


@click.command()
@click.argument("plan", metavar="[PLAN|SAVED]", type=click.Path(path_type=Path), required=False)
@click.option(
    "--through",
    metavar="RUNG|WAVE",
    help="Of the run: what comes after this rung, or this wave, may begin.",
)
@click.option(
    "--digest", help="The digest of the plan that is approved, or how it begins; refused if it is another."
)
@_options.allow_unknown
@click.option("--new-run", is_flag=True, help="PLAN as it is now, although a run of it is not finished.")
@_options.reason
@_options.journal
@_options.run
def command(
    *,
    plan: Path | None,
    through: str | None,
    digest: str | None,
    allow_unknown: bool,
    new_run: bool,
    reason: str,
    journal: str | None,
    run: str | None,
) -> None:
    """Let a plan begin, or what comes after a rung.

    PLAN: exactly this plan may begin, or its run go on after an amendment (`waves.approve.begin`, `apply --approved`); kept with who, when and
    why. --through: nothing after that rung begins before (`waves.approve.after`); the approvals of the rungs before it are given too; WAVE: all
    that this wave waits for; of the newest run of PLAN, or of all if none is named. With `four_eyes` whoever wrote the plan or changed a playbook last, or began the run, is refused. Who that is, the plan's `identity` proves,
    or the machine says.
    """
    because = _requests.because(reason)
    if plan is None and through is None:
        raise UsageError("what is approved: a PLAN that may begin, or --through RUNG of a run?")
    if digest is not None and len(digest) < SHORTEST:
        raise UsageError(f"--digest wants at least {SHORTEST} characters")
    if through is not None:
        _approve_rung(through, plan, digest, because, journal, run)
    elif plan is not None:
        _approve_plan(plan, digest, reason, journal, allow_unknown=allow_unknown, new_run=new_run)


def _approve_plan(
    path: Path, digest: str | None, reason: str, journal: str | None, *, allow_unknown: bool, new_run: bool
) -> None:
    source = _compiling.source(path)
    used = _runs.where(journal, source.plan_file)
    refuse_if_thrown_away(used)
    read = _compiling.read_plan(source.plan_file)
    _compiling.state_directory(source.plan_file)
    with journals.open(used) as book:
        row = None if new_run else _runs.newest(book, read.name)
        if row is not None and not _runs.is_finished(book, row):
            graph, what = book.graph(row.id), f"run {plain(row.id)}"
            _compiling.refuse_if_changed(row.id, graph, read)
            then = "`rollout resume` carries it on"
        else:
            row, what = None, f"plan {plain(read.name)}"
            allowed = source.allow_unknown or allow_unknown
            now = _compiling.compiled(read, _compiling.resolve(read), allow_unknown=allowed)
            if source.saved is not None:
                _compiling.refuse_if_stale(source.saved, now)
            graph, then = now.graph, f"`rollout apply {plain(str(path))} --approved` begins it"
        _refuse_another(what, graph.digest, digest)
        found = _approved.fitting(book, graph, row and row.id)
        if found is not None:
            click.echo(
                f"{what}, digest {graph.digest[: _approved.SHORT]}: approved already by {_approved.told_of(found)} {plain(found.because)}"
            )
            return
        who = _approved.approver(graph)
        if graph.four_eyes:
            _authors.refuse(source.plan_file, graph.parts, who)
        if not journals.is_url(used):
            Path(used).parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        book.approve(
            ApprovalRow(graph.plan, graph.digest, row and row.id, who.shown, reason.strip(), who.claims)
        )
    hosts = f"{len(graph.nodes)} host{'' if len(graph.nodes) == 1 else 's'}"
    click.echo(
        f"{what}, digest {graph.digest[: _approved.SHORT]}, {hosts}: approved by {plain(who.shown)}; {then}{_runs.options(used)}"
    )


def _approve_rung(
    through: str, plan: Path | None, digest: str | None, because: str, journal: str | None, run: str | None
) -> None:
    """`plan`: of its newest run; a journal may hold those of several. Then its file tells who wrote it, wherever the run was begun."""
    file = _compiling.source(plan).plan_file if plan else None
    used = _runs.where(journal, file)
    with _runs.existing(used) as book:
        row = _requests.unfinished(
            book, _runs.of_plan(book, _compiling.read_plan(file), run).id if file else run
        )
        graph = book.graph(row.id)
        rung = _rung(row, graph, through)
        _refuse_another(f"run {plain(row.id)}", row.digest, digest)
        given = _given(book, row, graph)
        if rung in given:
            click.echo(
                f"run {plain(row.id)}: what comes after {plain(rung)} is approved already: {plain(given[rung])}"
            )
            return
        who = _approved.approver(graph)
        if graph.four_eyes:
            _refuse_the_same_eyes(row, graph, who, file or Path(row.plan_file))
        if graph.identity is not None:
            because = f"{because.rpartition(' (')[0]} ({who.shown})"
        data: dict[str, object] = {"through": rung, "digest": row.digest, "by": who.shown}
        data |= {"claims": dict(who.claims)} if who.claims else {}
        book.request(row.id, Event(Kind.APPROVED, because, data=data))
        later = graph.approvals[graph.approvals.index(rung) + 1 :]
        more = f"; you will be asked again after {listed(later)}" if later else ""
        then = f"what comes after {plain(rung)} may begin{more}"
        click.echo(f"run {plain(row.id)}: approved: {then}. {_requests.when(row, _runs.options(used))}")


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


def _refuse_another(what: str, found: str, expected: str | None) -> None:
    if expected is not None and not found.startswith(expected):
        raise PlanStale(f"{what} is of digest {found}, not {plain(expected)}: look at that one")


def _given(book: Journal, row: RunRow, graph: Graph) -> dict[str, str]:
    """Rungs and who approved them, requests that no controller has read yet included."""
    run: RunState = book.state(row.id)
    for event in _runs.unread(book, row.id):
        if event.kind is Kind.APPROVED and event.data.get("digest") == graph.digest:
            approve(graph, run, event)
    return run.approved


def _refuse_the_same_eyes(row: RunRow, graph: Graph, who: Approver, plan_file: Path) -> None:
    """Without a token: the same user on another machine is the same person, for all that is known."""
    if graph.identity is not None:
        # the author of another plan than the run goes by proves nothing
        _compiling.refuse_if_changed(row.id, graph, _compiling.read_plan(plan_file))
        _authors.refuse(plan_file, graph.parts, who)
        return
    if row.created_by.rpartition("@")[0].lower() in who.names:
        raise UsageError(
            f"the plan wants four eyes: run {row.id} was begun by {plain(row.created_by)}, so somebody else must approve it "
            "(that is the user name as the machine tells it, and no proof of who sits there)"
        )
