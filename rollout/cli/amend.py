"""`rollout amend`."""

import sys
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING

import click

from rollout.cli import _carrying, _compiling, _options, _runs
from rollout.cli._disposable import refuse_if_thrown_away
from rollout.errors import ApprovalMissing, PlanInvalid, PlanStale, Problem, UsageError
from rollout.journal import Journal, Owner, RunRow
from rollout.model.graph import Graph
from rollout.model.plan import Plan
from rollout.model.state import State
from rollout.report import amendment
from rollout.report.plain import plain
from rollout.report.saved import Compiled

if TYPE_CHECKING:
    from rollout.engine.amending import Asked
    from rollout.graph.amend import Amended


@click.command()
@_options.plan
@click.option("--run", metavar="NAME", help="A run of the plan.  [default: its newest]")
@click.option("--yes", is_flag=True, help="Approve what changes without being asked.")
@click.option("--reason", default="", help="Why; it is kept in the journal.")
@click.option("--dry-run", is_flag=True, help="Show what would change; change nothing.")
@_options.journal
@_options.as_json
@click.option(
    "--take-over",
    is_flag=True,
    help="The controller that held the run cannot be seen from here, and I know that it is dead.",
)
def command(
    *,
    plan: Path,
    run: str | None,
    yes: bool,
    reason: str,
    dry_run: bool,
    journal: str | None,
    as_json: bool,
    take_over: bool,
) -> None:
    """Let a run go on with a plan that has changed.

    For a playbook that was mended, a risk, a waiver or a limit that was added in the middle of a run. Shows what changes for which hosts, and asks. Hosts
    that have begun stay as planned, and take the new steps from where they are; no others join. Then `rollout resume`.
    """
    source = _compiling.source(plan)
    path = _runs.where(journal, source.plan_file)
    refuse_if_thrown_away(path)
    with _runs.existing(path) as book:
        read = _compiling.read_plan(source.plan_file)
        row = _unfinished(book, read, run)
        _refuse_if_held(row, take_over=take_over)
        merging = _Merging(book.graph(row.id), read, reason.strip(), source.saved)
        if not _shown(book, row, merging, as_json=as_json):
            return
        if dry_run:
            _say("nothing was changed (--dry-run)", as_json=as_json)
            return
        _approve(yes)
        merging.written(book, row.id, force=take_over)
        # without its name, `resume` takes the file that the run was begun with
        moved = source.plan_file.absolute() != Path(row.plan_file)
        resume = f"rollout resume{f' {quote(str(source.plan_file))}' if moved else ''}{_runs.options(path)}"
        approve = f"rollout approve {quote(str(source.plan_file))} --reason WHY{_runs.options(path)}"
        first = f"once it is approved (`{approve}`), " if book.graph(row.id).approval_to_begin else ""
        _say(f"run {plain(row.id)} is amended; {first}`{resume}` carries it on", as_json=as_json)


def _shown(book: Journal, row: RunRow, merging: "_Merging", *, as_json: bool) -> bool:
    """Show what changes for which hosts; False if nothing does."""
    state = merging.standing(book, row.id)
    amended, asked = merging.merged(state)
    effects = amendment.effects(amended, state)
    merging.approved = tuple(asked.changed), tuple(effects)
    if not asked.changed:
        _say(f"run {plain(row.id)}: nothing has changed", as_json=as_json)
        for line in effects if amended.new else ():
            _say(f"  {line}", as_json=as_json)
        return False
    if as_json:
        for line in amendment.json_lines(row.id, merging.old, amended, state):
            click.echo(line)
    else:
        click.echo(f"run {plain(row.id)}\n\n{amendment.text(amended, state, list(asked.changed))}")
    return True


class _Merging:
    """Merges as often as the run is looked at; what was approved may not become another thing in between."""

    def __init__(self, old: Graph, plan: Plan, reason: str, saved: Compiled | None) -> None:
        """`saved`: what was looked at. Raises PlanStale if the files are others by now."""
        from rollout.plan.fleet import fleet

        self.old, self._plan, self._reason = old, plan, reason
        inventory = _compiling.resolve(plan)
        if saved is not None:
            now = _compiling.compiled(plan, inventory, allow_unknown=saved.graph.allow_unknown)
            _compiling.refuse_if_stale(saved, now)
        self._fleet = fleet(plan, inventory)
        self._parts = _compiling.parts(plan)
        self.approved: tuple[tuple[str, ...], tuple[str, ...]] | None = None

    def standing(self, book: Journal, run: str) -> State:
        """Where the run stands now."""
        from rollout.engine import amending

        return amending.standing(book, run, self.old)[0]

    def written(self, book: Journal, run: str, *, force: bool) -> None:
        """Into the journal, under the run's lease."""
        from rollout.engine import amending

        amending.amend(book, run, Owner.current(), self.old, self.merged, force=force)

    def merged(self, state: State) -> "tuple[Amended, Asked]":
        """Raises PlanInvalid for a plan by which hosts that have begun cannot go on, PlanStale for one that is not what was approved."""
        from rollout.engine.amending import Asked
        from rollout.graph.amend import amend

        given = _compiling.given(self.old.allow_unknown)
        amended = amend(self.old, self._plan, self._fleet, self._parts, given, state.run, state.hosts)
        if amended.refused:
            place = self._plan.place("steps")
            raise PlanInvalid([Problem(place, sentence) for sentence in amended.refused])
        said = amendment.changes(self.old, amended)
        shown = tuple(said), tuple(amendment.effects(amended, state))
        if self.approved is not None and self.approved != shown:
            raise PlanStale(
                "somebody has asked for something meanwhile, and what changes is not what was approved: look again"
            )
        return amended, Asked(_runs.me(), self._reason, said)


def _unfinished(book: Journal, plan: Plan, run: str | None) -> RunRow:
    """Raises JournalError if the plan has no run, UsageError for one that is over. One that ended with hosts held is not: they may be let try again."""
    row = _runs.of_plan(book, plan, run)
    aborted = _runs.aborted(book, row.id)
    if aborted:
        raise UsageError(f"run {row.id} was aborted: {aborted}; `rollout apply {plan.file}` begins a new one")
    if (
        row.owner is None
        and row.ended is not None
        and row.ended.exit_code == 0
        and not _runs.unread(book, row.id)
    ):
        raise UsageError(
            f"run {row.id} is over: {row.ended.because}; `rollout apply {plan.file}` begins a new one"
        )
    return row


def _refuse_if_held(row: RunRow, *, take_over: bool) -> None:
    """Raises Locked, with the way out."""
    from rollout.errors import Locked

    try:
        _carrying.refuse_if_held(row, take_over=take_over)
    except Locked as error:
        raise Locked(
            f"{error}; stop it first (Ctrl-C or SIGTERM: what is in flight ends, and is taken up later), then amend"
        ) from error


def _approve(yes: bool) -> None:
    if yes:
        return
    if not sys.stdin.isatty():
        raise ApprovalMissing("nobody is there to approve the amendment: look at it, then amend with --yes")
    if not click.confirm("Go on with this?", default=False):
        raise ApprovalMissing("not approved; nothing was changed")


def _say(text: str, *, as_json: bool) -> None:
    click.echo(text, err=as_json)
