"""Writing a child pipeline."""

from pathlib import Path

import click
import yaml

from rollout.cli import _writing
from rollout.errors import UsageError
from rollout.model.graph import Graph
from rollout.report.gitlab_pipeline import MOST_BYTES, Setting, pipeline


def write(graph: Graph, plan_file: Path, setting: Setting, output: Path | None) -> None:
    """To that file, or to stdout. Raises UsageError for what GitLab would not take."""
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
