"""`rollout ci`: what a GitLab pipeline needs beside the commands themselves."""

from pathlib import Path

import click

from rollout.cli import _options


@click.group()
def command() -> None:
    """What GitLab pipelines need: a note, a check of jobs, buttons."""


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


token_file = click.option(
    "--token-file",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Read the token from this file, instead of ROLLOUT_GITLAB_TOKEN.",
)


@command.command()
@_options.plan
@_options.journal
@click.option("--environment", default="production", show_default=True, help="The GitLab environment.")
@click.option(
    "--against",
    metavar="REVISION",
    help="Compare with the plan of this revision, instead of the merge request's base.",
)
@token_file
@click.option("--dry-run", is_flag=True, help="Print the note; reach no server.")
@_options.allow_unknown
def comment(
    plan: Path,
    *,
    journal: str | None,
    environment: str,
    against: str | None,
    token_file: Path | None,
    dry_run: bool,
    allow_unknown: bool,
) -> None:
    """Keep one note on the merge request: what the plan does, and what differs.

    One for each plan and environment, written once and changed from then on: hosts, canaries, known errors, how long, what is out of service,
    and what differs from what the journal's newest run has applied, and from the branch that it goes into. For a plan with mistakes the note
    shows these, and the exit code is 65. Needs a project access token (scope `api`, role Reporter) in ROLLOUT_GITLAB_TOKEN.
    """
    from rollout.cli._ci import comment as notes

    wanted = notes.Wanted(plan, environment, journal, against, allow_unknown)
    notes.write(wanted, notes.token_of(token_file), dry_run=dry_run)


@command.command()
@_options.plan
@click.option("--environment", default="production", show_default=True, help="The GitLab environment.")
@token_file
@_options.allow_unknown
def drift(plan: Path, *, environment: str, token_file: Path | None, allow_unknown: bool) -> None:
    """Tell what has changed in the plan since its merge request was reviewed.

    Compares with the note that `rollout ci comment` kept on the merge request that brought this commit. Exit code 6: something has changed, or
    nobody has reviewed it.
    """
    from rollout.cli._ci import comment as notes

    notes.compare_with_reviewed(
        notes.Wanted(plan, environment, allow_unknown=allow_unknown),
        notes.token_of(token_file),
    )
