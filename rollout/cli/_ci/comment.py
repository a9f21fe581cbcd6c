"""The note of a merge request: written, kept, and read again once it is merged."""

import os
import re
import time
from dataclasses import dataclass, replace
from pathlib import Path

import click

from rollout import gitlab
from rollout.cli import _compiling, _git
from rollout.cli._ci import compared
from rollout.errors import PlanInvalid, PlanStale, UsageError
from rollout.report import merge_request
from rollout.report.merge_request import Marker

REQUEST, COMMIT, PIPELINE = "CI_MERGE_REQUEST_IID", "CI_COMMIT_SHA", "CI_PIPELINE_ID"
BRANCH = "CI_COMMIT_BRANCH"
"""Where this pipeline runs, unless it is that of a tag."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the note is about. `journal`: as it was given; `against`: a revision of the repository."""

    plan: Path
    environment: str
    journal: str | None = None
    against: str | None = None
    allow_unknown: bool = False

    def marker(self) -> Marker:
        """Of its note, by this pipeline."""
        prefix = _git.output(self.plan.absolute().parent, "rev-parse", "--show-prefix")
        name = f"{prefix or ''}{self.plan.name}"
        number = os.environ.get(PIPELINE, "")
        return Marker(
            merge_request.key(self.environment, name),
            int(number) if re.fullmatch("[0-9]{1,18}", number) else 0,
        )


def write(wanted: Wanted, token: str | None, *, dry_run: bool) -> None:
    """Keep the note. A plan with mistakes gets one too, then its PlanInvalid is raised. `dry_run`: print it instead."""
    if dry_run:
        text, invalid = _text(wanted)
        click.echo(text, nl=False)
    else:
        number = _merge_request()
        access = gitlab.from_job(token)  # a mistake there is told before the plan is compiled
        text, invalid = _text(wanted)
        mine = merge_request.marker(text)
        if mine is None:
            raise AssertionError("a note begins with its marker")
        with gitlab.GitLab(*access) as server:
            kept = server.keep(
                number, text, lambda body: _is_of(body, mine), lambda body: _is_newer(body, mine)
            )
        words = {"newer": "left alone: a newer pipeline has written it"}.get(kept, kept)
        click.echo(f"merge request {number}: the note of {wanted.environment} is {words}")
    if invalid is not None:
        raise invalid


def compare_with_reviewed(wanted: Wanted, token: str | None) -> None:
    """Raises PlanStale, with what has changed since the note of the merge request that brought this commit; or if there was none."""
    access = gitlab.from_job(token)
    commit = os.environ.get(COMMIT, "")
    if not commit:
        raise UsageError(f"this is no job of GitLab: {COMMIT} is not set")
    graph = _compiling.graph_of(wanted.plan, allow_unknown=wanted.allow_unknown)[2].graph
    mine = wanted.marker()
    with gitlab.GitLab(*access) as server:
        requests = server.merged(commit, os.environ.get(BRANCH) or None)
        if not requests:
            raise PlanStale(
                f"commit {commit[:12]} came with no merge request, so nobody has reviewed its plan: look at it"
            )
        number = requests[0]
        found = [merge_request.marker(note.body) for note in server.notes(number) if _is_of(note.body, mine)]
    reviewed = found[0] if found else None
    if reviewed is None or reviewed.digest == "none":
        raise PlanStale(
            f"merge request {number} has no note of this plan in {wanted.environment}, so nobody has reviewed it: look at it"
        )
    said = merge_request.drift(reviewed, graph)
    if said:
        raise PlanStale(
            f"the plan is not the one that merge request {number} showed:"
            + "".join(f"\n  {line}" for line in said[: _compiling.SHOWN])
            + (f"\n  and {len(said) - _compiling.SHOWN} more" if len(said) > _compiling.SHOWN else "")
            + "\nlook at what this pipeline plans, before it is approved"
        )
    click.echo(f"digest {graph.digest[:12]}: the plan is the one that merge request {number} showed")


def token_of(file: Path | None) -> str | None:
    """What the file holds; None for no file. Raises UsageError when it cannot be read."""
    if file is None:
        return None
    try:
        return file.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{file}: {getattr(error, 'strerror', None) or 'it is no text'}") from error


def _merge_request() -> str:
    number = os.environ.get(REQUEST, "")
    if not re.fullmatch("[0-9]{1,18}", number):
        raise UsageError(
            f"this is no pipeline of a merge request: {REQUEST} is not set (`--dry-run` prints the note)"
        )
    return number


def _is_of(body: str, mine: Marker) -> bool:
    found = merge_request.marker(body)
    return found is not None and found.key == mine.key


def _is_newer(body: str, mine: Marker) -> bool:
    found = merge_request.marker(body)
    return found is not None and found.pipeline > mine.pipeline


def _text(wanted: Wanted) -> tuple[str, PlanInvalid | None]:
    marker = wanted.marker()
    try:
        compiled = _compiling.graph_of(wanted.plan, allow_unknown=wanted.allow_unknown)[2]
    except PlanInvalid as error:
        return merge_request.refused(marker, wanted.environment, error.problems), error
    graph = compiled.graph
    marker = replace(marker, digest=graph.digest, parts=graph.parts)
    sides = compared.sides(compiled, wanted.plan, wanted.journal, wanted.against)
    return merge_request.note(marker, wanted.environment, compiled, sides, time.time()), None
