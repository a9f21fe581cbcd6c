"""What the note of a merge request compares a plan with: the newest run of it, and the branch that it goes into."""

import os
import tempfile
from pathlib import Path

import click

from rollout.cli import _compiling, _git, _runs
from rollout.errors import PlanInvalid, RolloutError
from rollout.model.state import Status
from rollout.report.comparison import compare
from rollout.report.merge_request import Side
from rollout.report.plain import counted, listed, stamp
from rollout.report.saved import Compiled

BASE, BRANCH = "CI_MERGE_REQUEST_DIFF_BASE_SHA", "CI_MERGE_REQUEST_TARGET_BRANCH_NAME"
APPLIED = "Against what is applied"


def sides(compiled: Compiled, plan: Path, journal: str | None, against: str | None) -> list[Side]:
    """`journal`: as it was given; `against`: a revision of the repository, instead of that which GitLab names."""
    found = []
    if journal is not None or _runs.is_beside(plan):
        found.append(_applied(compiled, _runs.where(journal, plan)))
    revision = against or os.environ.get(BASE)
    if revision:
        found.append(_base(compiled, plan, revision))
    nothing = "Not compared: this job has no journal, and there is no revision to compare with."
    return found or [Side(APPLIED, nothing)]


def _applied(compiled: Compiled, journal: str) -> Side:
    try:
        with _runs.existing(journal) as book:
            row = _runs.newest(book, compiled.graph.plan)
            if row is None:
                return Side(APPLIED, f"No run of plan {compiled.graph.plan} is in the journal.")
            before, counts = book.graph(row.id), book.summary(row.id)
    except RolloutError as error:
        # who may read the merge request need not know where the journal is
        click.echo(f"not compared with what is applied: {error}", err=True)
        return Side(APPLIED, "Not compared: the journal could not be read; the job's log says why.")
    number = {
        status: sum(many for (_, _, found), many in counts.items() if found is status) for status in Status
    }
    said = [f"{many} {status.value}" for status, many in number.items() if many]
    ended = "has not ended" if row.ended is None else f"ended with {row.ended.exit_code}"
    return Side(
        APPLIED,
        f"Run {row.id}, begun {stamp(row.created_at)}, {ended}; hosts: {listed(said, len(Status)) or 'none'}.",
        compare(before, compiled.graph),
    )


def _base(compiled: Compiled, plan: Path, revision: str) -> Side:
    """The plan as that revision has it, compiled here and now."""
    folder, name = plan.absolute().parent, os.environ.get(BRANCH) or revision[:12]
    title = (
        "Against the branch that it goes into"
        if revision == os.environ.get(BASE)
        else "Against another revision"
    )
    commit = _git.output(
        folder, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}"
    )
    if commit is None:
        return Side(title, f"Not compared: {name} is not in this clone (a shallow one? set GIT_DEPTH to 0).")
    with tempfile.TemporaryDirectory(prefix="rollout-") as scratch:
        there = _written(folder, commit, Path(scratch))
        if there is None:
            return Side(title, f"Not compared: git could not write the files of {name}.")
        try:
            if not (there / plan.name).is_file():
                return Side(title, f"{name} has no such plan.")
            before = _compiling.graph_of(there / plan.name, allow_unknown=compiled.graph.allow_unknown)[
                2
            ].graph
        except PlanInvalid as error:
            many = counted(len(error.problems), "mistake")
            return Side(title, f"Not compared: the plan of {name} has {many}.")
        except (RolloutError, OSError) as error:
            return Side(title, f"Not compared: {str(error).replace(f'{scratch}/tree/', '')}")
    return Side(title, f"Compared with {name} at {commit[:12]}.", compare(before, compiled.graph))


def _written(folder: Path, commit: str, scratch: Path) -> Path | None:
    """The same folder as the commit has it. The repository's own index and files are left as they are."""
    top, prefix = (_git.output(folder, "rev-parse", word) for word in ("--show-toplevel", "--show-prefix"))
    if top is None or prefix is None:
        return None
    index = {"GIT_INDEX_FILE": str(scratch / "index")}
    for words in (["read-tree", commit], ["checkout-index", "--all", f"--prefix={scratch / 'tree'}/"]):
        if _git.output(Path(top), *words, environment=index) is None:
            return None
    return scratch / "tree" / prefix
