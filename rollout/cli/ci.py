"""`rollout ci`: what a GitLab pipeline needs beside the commands themselves."""

from pathlib import Path

import click

from rollout.cli import _options


@click.group()
def command() -> None:
    """What GitLab pipelines need: a check of jobs, a button per wave."""


@command.command()
@click.argument("file", type=click.Path(path_type=Path), default=Path(".gitlab-ci.yml"))
def check(file: Path) -> int:
    """Warn of jobs that would leave hosts in the middle, or tell too much.

    FILE: the pipeline, `.gitlab-ci.yml` if none is named, with what it includes from the same repository and the component's template. Each
    warning with file, line and column. Exit code 0: nothing to warn of; 1: something; 65: the file is no pipeline.
    """
    from rollout.cli._ci import jobs, warnings
    from rollout.report.plain import counted

    pipeline = jobs.read(file)
    found = warnings.warnings(pipeline)
    for problem in found:
        click.echo(f"{problem.place}: warning: {problem.message}")
    for problem in warnings.notes(pipeline):
        click.echo(f"{problem.place}: note: {problem.message}")
    click.echo(f"{counted(len(pipeline.jobs), 'job')}, {counted(len(found), 'warning')}")
    return 1 if found else 0


@command.command()
@_options.plan
@click.option(
    "-o", "--output", type=click.Path(path_type=Path), metavar="FILE", help="Write it to this file."
)
@click.option("--environment", default="production", show_default=True, help="The GitLab environment.")
@click.option("--image", default="", help="The container image of the jobs.")
@click.option("--tag", "tags", multiple=True, help="A tag of the runners that reach the hosts.")
@click.option("--before", default="", help="A shell command before each job.")
@click.option("--max-duration", default="5h", show_default=True, help="How long one job carries the run on.")
@click.option("--job-timeout", default="6h", show_default=True, help="GitLab's time limit of the jobs.")
@click.option("--audience", default="rollout", show_default=True, help="For whom the jobs' identity is.")
@_options.allow_unknown
def pipeline(
    plan: Path,
    *,
    output: Path | None,
    environment: str,
    image: str,
    tags: tuple[str, ...],
    before: str,
    max_duration: str,
    job_timeout: str,
    audience: str,
    allow_unknown: bool,
) -> None:
    """Write a child pipeline with a button for each wave that the plan asks about.

    A job for what begins without being asked, then one for each rung of `waves.approve.after`, in this order: it approves, and carries the run
    on. For `trigger: include: artifact`.
    """
    from rollout.cli import _compiling
    from rollout.cli._ci import child
    from rollout.report.gitlab_pipeline import Setting

    source = _compiling.source(plan)
    read = _compiling.read_plan(source.plan_file)
    compiled = _compiling.compiled(
        read, _compiling.resolve(read), allow_unknown=source.allow_unknown or allow_unknown
    )
    setting = Setting(environment, image, tags, before, max_duration, job_timeout, audience)
    child.write(compiled.graph, source.plan_file, setting, output)
