"""Writing a child pipeline."""

import re
from pathlib import Path

import click
import yaml

from rollout.cli import _writing
from rollout.cli._ci.warnings import MARGIN, seconds
from rollout.errors import UsageError
from rollout.model.graph import Graph
from rollout.report.gitlab_pipeline import MOST_BYTES, Setting, pipeline
from rollout.report.plain import plain, spoken

_DURATION = re.compile(r"([0-9]+[smhd])+")
_ENVIRONMENT = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")
"""As the component's inputs."""


def write(graph: Graph, plan_file: Path, setting: Setting, output: Path | None) -> None:
    """To that file, or to stdout. Raises UsageError for what GitLab would not take, and for jobs that it would kill."""
    _refuse_what_is_killed(setting)
    jobs = pipeline(graph, str(plan_file), setting)
    text = yaml.safe_dump(jobs, sort_keys=False, allow_unicode=True, width=10_000)
    if len(text.encode()) > MOST_BYTES:
        raise UsageError(
            f"the pipeline would be {len(text.encode())} bytes, and GitLab takes {MOST_BYTES}: ask after fewer rungs"
        )
    if output is None:
        click.echo(text, nl=False)
        return
    _writing.whole(output, text)
    click.echo(
        f"{output}: {len(jobs) - 1} jobs; `trigger: include: artifact` of a job that keeps it begins them"
    )


def _refuse_what_is_killed(setting: Setting) -> None:
    if not _ENVIRONMENT.fullmatch(setting.environment):
        raise UsageError("--environment takes letters, digits, dash and underscore")
    if not _DURATION.fullmatch(setting.max_duration):
        raise UsageError(f"--max-duration {plain(setting.max_duration)} is no duration such as 5h or 2h30m")
    most, limit = seconds(setting.max_duration) or 0.0, seconds(setting.job_timeout)
    if limit is None:
        raise UsageError(f"--job-timeout {plain(setting.job_timeout)} is no duration such as 6h")
    if limit < MARGIN * most:
        raise UsageError(
            f"--job-timeout {spoken(limit)} is too short for --max-duration {spoken(most)} and what is in flight then: take {spoken(MARGIN * most)} or more"
        )
