"""Approvals of whole plans: who gives one, whether there is one, and who wrote the plan."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import takewhile
from pathlib import Path
from typing import NamedTuple

from rollout.cli import _git, _runs
from rollout.errors import ApprovalMissing, PlanStale
from rollout.journal import ApprovalRow, Journal, RunRow
from rollout.model.graph import Graph
from rollout.model.zones import UTC, Zone, told
from rollout.report.plain import plain

SHORT = 12
"""Characters of a digest, as it is shown."""


@dataclass(frozen=True, slots=True)
class Approver:
    """Who approves. `names`: all that the person is known by, in small letters; `claims` as of ApprovalRow."""

    shown: str
    names: frozenset[str]
    claims: Mapping[str, str] = field(default_factory=dict)


class Author(NamedTuple):
    name: str
    email: str


def approver(graph: Graph) -> Approver:
    """By the token that the plan wants, or as the machine tells. Raises ApprovalMissing."""
    if graph.identity is None:
        me = _runs.me()
        return Approver(me, frozenset({me.rpartition("@")[0].lower(), me.lower()}))
    from rollout import identity

    found = identity.person(graph.identity)
    return Approver(
        found.shown,
        frozenset({*_names(found.login, found.email), found.claims.get("user_id", "")} - {""}),
        found.claims,
    )


def _names(login: str, email: str) -> set[str]:
    local, at, server = email.lower().partition("@")
    return {login.lower(), email.lower(), f"{local.partition('+')[0]}{at}{server}"}


def refuse_the_author(plan_file: Path, who: Approver) -> None:
    """Raises ApprovalMissing under four eyes when they are the same two, or nobody can tell."""
    # of a link it counts who wrote what it leads to, and who made it
    real = plan_file.resolve()
    for author in map(_author, [plan_file] if real == plan_file.absolute() else [plan_file, real]):
        if not who.names & _known_as(author):
            continue
        raise ApprovalMissing(
            f"the plan wants four eyes: {plain(author.name)} <{plain(author.email)}> wrote {plain(str(plan_file))} last, so somebody else than {plain(who.shown)} must approve it"
        )


def _known_as(author: Author) -> set[str]:
    """In small letters. GitLab's private address of a commit is `42-login@users.noreply.SERVER`, which stays when the login changes."""
    email = author.email.lower()
    local, _, server = email.partition("@")
    plus = local.partition("+")[0]
    number, _, login = local.partition("-")
    private = {login, number} if server.startswith("users.noreply.") and number.isdigit() else set()
    return {email, local, plus, f"{plus}@{server}", author.name.lower(), *private} - {""}


def _author(plan_file: Path) -> Author:
    """Of the newest commit of the plan's file."""
    folder, name = plan_file.absolute().parent, f"./{plan_file.name}"
    # a name with an asterisk is no other file
    changes = _git.output(folder, "--literal-pathspecs", "status", "--porcelain", "--", name)
    if changes:
        raise _unknown(plan_file, "it has changes that are in no commit")
    commits = _git.output(folder, "--literal-pathspecs", "log", "-1", "--format=%H%n%an%n%ae", "--", name)
    said = commits.splitlines() if commits is not None and changes is not None else []
    if len(said) != 3:
        raise _unknown(plan_file, "no commit of this repository holds it")
    commit, *author = said
    if _git.output(folder, "rev-parse", "--is-shallow-repository") != "false" and commit in _boundaries(
        folder
    ):
        raise _unknown(
            plan_file,
            "the clone is shallow, and does not reach back to who wrote it: `GIT_DEPTH: 0` in the job",
        )
    return Author(*author)


def _boundaries(folder: Path) -> str:
    found = folder / (_git.output(folder, "rev-parse", "--git-path", "shallow") or "")
    return found.read_text(encoding="ascii", errors="replace") if found.is_file() else ""


def _unknown(plan_file: Path, why: str) -> ApprovalMissing:
    return ApprovalMissing(
        f"the plan wants four eyes, and who wrote {plain(str(plan_file))} is not known: {why}"
    )


def fitting(book: Journal, graph: Graph, run: str | None) -> ApprovalRow | None:
    """The newest approval of exactly this graph, for that run to go on, or else for a new one to begin."""
    return next(
        (
            one
            for one in book.approvals(graph.plan)
            if one.digest == graph.digest and _holds(book, one, graph, run)
        ),
        None,
    )


def _holds(book: Journal, one: ApprovalRow, graph: Graph, run: str | None) -> bool:
    """One approval lets one run begin, which goes on by it until it is amended."""
    if graph.identity is not None and one.claims.get("iss") != graph.identity.issuer:
        return False
    return run in {one.run, _begun_by(book, one)} if run else _is_open(book, one)


def _is_open(book: Journal, one: ApprovalRow) -> bool:
    return one.run is None and _begun_by(book, one) is None


def _begun_by(book: Journal, one: ApprovalRow) -> str | None:
    """The first run of the plan that began since. An approval of another digest is over then, too."""
    since = [row.id for row in _since(book, one) if row.plan == one.plan]
    return since[-1] if since else None


def _since(book: Journal, one: ApprovalRow) -> Iterator[RunRow]:
    """Not by the clock: one that is put back would let a second run begin."""
    return takewhile(lambda row: row.id != one.newest, book.runs())


def require(book: Journal, graph: Graph, plan_file: Path, *, run: str | None = None) -> ApprovalRow:
    """The approval by which it may begin, or by which `run` may go on. Raises ApprovalMissing, or PlanStale where another plan was approved."""
    found = fitting(book, graph, run)
    if found is not None:
        return found
    what = f"run {plain(run)} goes on by" if run else f"plan {plain(graph.plan)} is by now"
    how = f"`rollout approve {plain(str(plan_file))} --reason WHY`"
    last = next(
        (one for one in book.approvals(graph.plan) if one.digest != graph.digest and _is_open(book, one)),
        None,
    )
    if last is not None:
        raise PlanStale(
            f"{told_of(last)} approved digest {last.digest[:SHORT]}, and {what} digest {graph.digest[:SHORT]}: "
            f"look at what has changed (`rollout plan {plain(str(plan_file))} --expect {last.digest[:SHORT]}`), then {how}"
        )
    raise ApprovalMissing(
        f"nobody has approved it: {what} digest {graph.digest[:SHORT]}; look at it, then {how}"
    )


def told_of(one: ApprovalRow) -> str:
    """By whom, and when."""
    return f"{plain(one.by)}, on {told(Zone(UTC), one.at, one.at + 40 * 86400)} UTC,"
