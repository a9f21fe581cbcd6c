"""Approvals of whole plans: who gives one, and whether there is one."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import takewhile
from pathlib import Path

from rollout.cli import _runs
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
