"""What goes wrong with jobs that carry out upgrades, and is not seen before it does."""

import re
from collections.abc import Iterable, Iterator
from typing import Any

from rollout.cli._ci.jobs import Job, Pipeline
from rollout.errors import Problem
from rollout.report.plain import listed, plain, spoken

_CALL = r"(?:^|[\s;&|(`/])rollout(?:\s+-\S+)*\s+"
_CARRIES = re.compile(_CALL + r"(apply|resume)\b(?!.*\s--dry-run)")
_RESUMES = re.compile(_CALL + r"(resume|apply)\b")
_APPROVES = re.compile(_CALL + r"approve\b")
_TELLS = re.compile(_CALL + r"(plan|report|hosts|status|events|graph|show|failures)\b")
_MAX = re.compile(r"--max-duration[=\s]+[\"']?([^\s\"']+)")
_JOURNAL = re.compile(r"(?:--journal[=\s]+|ROLLOUT_JOURNAL=)[\"']?([^\s\"']+)")
_PARTS = re.compile(r"(\d+(?:\.\d+)?)\s*(w|d|h|m|s)[a-z]*", re.IGNORECASE)
_NOT_SCHEDULED = re.compile(r"!=\s*[\"']schedule[\"']")
_SECONDS = {"w": 604800, "d": 86400, "h": 3600, "m": 60, "s": 1}

DEFAULT_TIMEOUT = 3600.0
"""GitLab's, if neither job nor project say otherwise (CI/CD settings, `timeout`)."""

MARGIN = 1.1
"""Of a job's time-out over --max-duration: hosts in flight may take longer than thought."""

RUNNER_FAULTS = frozenset(
    {
        "runner_system_failure",
        "stuck_or_timeout_failure",
        "scheduler_failure",
        "api_failure",
        "stale_schedule",
        "data_integrity_failure",
        "archived_failure",
        "runner_unsupported",
    }
)
"""Of GitLab's `retry:when`: what says nothing of the hosts."""


def warnings(pipeline: Pipeline) -> list[Problem]:
    """By place. `unseen` includes are no warnings."""
    carriers = [job for job in pipeline.jobs if any(map(_CARRIES.search, job.lines()))]
    found = [*pipeline.doubled, *_tick(pipeline.jobs, carriers), *_twice(carriers)]
    for job in carriers:
        found += [
            Problem(job.place, f"job {plain(job.name)}: {said}")
            for said in (*_time(job), *_stops(job), *_state(job))
        ]
    for job in pipeline.jobs:
        found += [
            Problem(job.place, f"job {plain(job.name)}: {said}") for said in (*_readers(job), *_who(job))
        ]
    return sorted(set(found))


def seconds(text: Any) -> float | None:
    """GitLab's durations (`3 hours 30 minutes`, `1h 30m`) and ours."""
    parts = _PARTS.findall(str(text))
    if not parts or _PARTS.sub("", str(text)).strip(" ,and"):
        return None
    return sum(float(number) * _SECONDS[unit[0].lower()] for number, unit in parts)


def _time(job: Job) -> Iterator[str]:
    most = [seconds(found) for line in job.lines() if _CARRIES.search(line) for found in _MAX.findall(line)]
    carrying = sum(1 for line in job.lines() if _CARRIES.search(line))
    if len(most) < carrying:
        yield "no --max-duration: GitLab kills it when its time is over, and hosts are left in the middle until the next one finds them"
    written = job.keys.get("timeout")
    limit = DEFAULT_TIMEOUT if written is None else seconds(written)
    if limit is None:
        yield f"its timeout {plain(str(written))} cannot be read as a duration"
        return
    longest = max((one for one in most if one is not None), default=None)
    if longest is not None and limit < MARGIN * longest:
        said = (
            "it has no timeout, and GitLab's default is 60 minutes"
            if written is None
            else f"its timeout is {spoken(limit)}"
        )
        yield f"{said}: too short for --max-duration {spoken(longest)} and what is in flight then; take {spoken(MARGIN * longest)} or more"


def _stops(job: Job) -> Iterator[str]:
    calls = [line for line in job.lines() if _CARRIES.search(line)]
    if _is_of_a_schedule(job) and not all("--unattended" in line for line in calls):
        yield "it runs by schedule, and without --unattended its word counts as a person's: it lifts pauses, and goes on after what a gate has stopped"
    if job.keys.get("interruptible") is not False:
        yield "without `interruptible: false` a newer pipeline may cancel it"
    retry = job.keys.get("retry")
    when = retry.get("when", "always") if isinstance(retry, dict) else "always"
    words = {str(one) for one in (when if isinstance(when, list) else [when])}
    if retry and (unfit := words - RUNNER_FAULTS):
        yield f"it is tried again for {listed(sorted(unfit))}: only faults of the runner say nothing of the hosts (`retry: when: [runner_system_failure, ...]`)"


def _state(job: Job) -> Iterator[str]:
    journal = _journal(job)
    if "image" not in job.keys or journal is None or _is_kept(journal):
        return
    if journal:
        yield f"journal {plain(journal)} lies in the checkout, and the job runs in a container that is thrown away: take postgresql://..., or a path that stays"
    else:
        yield 'it runs in a container and names no journal, and ends with 64 unless ROLLOUT_JOURNAL is a CI/CD variable: set it to postgresql://... for protected branches, and say so here: `export ROLLOUT_JOURNAL="$ROLLOUT_JOURNAL"`'


def notes(pipeline: Pipeline) -> list[Problem]:
    """What nobody can tell from the file."""
    found = list(pipeline.unseen)
    for job in pipeline.jobs:
        journal = _journal(job) if any(map(_CARRIES.search, job.lines())) else None
        if "image" in job.keys and journal and journal.startswith("/") and _is_kept(journal):
            said = f"job {plain(job.name)}: journal {plain(journal)} is a file: it is kept by a shell runner, or where the container mounts it from one"
            found.append(Problem(job.place, said))
    return found


def _journal(job: Job) -> str | None:
    """What is said of it last; the empty text: nothing; None: a variable, whose value nobody sees here."""
    variables = job.keys.get("variables")
    said = str(variables.get("ROLLOUT_JOURNAL", "")) if isinstance(variables, dict) else ""
    for line in job.lines():
        said = [said, *_JOURNAL.findall(line)][-1]
    return None if said.startswith("$") and not said.startswith("$CI_PROJECT_DIR") else said


def _is_kept(journal: str) -> bool:
    return "://" in journal or (journal.startswith("/") and not journal.startswith("/builds/"))


def _readers(job: Job) -> Iterator[str]:
    artifacts = job.keys.get("artifacts")
    if not isinstance(artifacts, dict) or not any(map(_TELLS.search, job.lines())):
        return
    if artifacts.get("access", "all") == "all" and artifacts.get("public") is not False:
        yield "its artifacts name hosts, and guests of the project may read them: `artifacts: access: developer`"


def _who(job: Job) -> Iterator[str]:
    if any(map(_APPROVES.search, job.lines())) and not job.keys.get("id_tokens"):
        yield "it approves without `id_tokens: ROLLOUT_ID_TOKEN`: the journal would keep the runner's user, not who has pressed the button"


def _tick(jobs: Iterable[Job], carriers: list[Job]) -> Iterator[Problem]:
    if not carriers or any(_scheduled(job) for job in jobs if any(map(_RESUMES.search, job.lines()))):
        return
    yield Problem(
        carriers[0].place,
        'no job resumes by schedule: a run whose time is used up, or whose job died, stands until somebody looks; add one with `rollout resume PLAN --unattended` for `$CI_PIPELINE_SOURCE == "schedule"`',
    )


def _is_of_a_schedule(job: Job) -> bool:
    """Made for it, and not just not kept from it."""
    rules = job.keys.get("rules")
    said = [rule.get("if") for rule in rules if isinstance(rule, dict)] if isinstance(rules, list) else []
    asked = any("schedule" in _NOT_SCHEDULED.sub("", str(one)) for one in said)
    return (asked and _scheduled(job)) or "schedules" in str(job.keys.get("only"))


def _scheduled(job: Job) -> bool:
    rules, only = job.keys.get("rules"), job.keys.get("only")
    if isinstance(rules, list):
        return any(
            isinstance(rule, dict)
            and rule.get("when") not in {"never", "manual"}
            and ("if" not in rule or "schedule" in _NOT_SCHEDULED.sub("", str(rule["if"])))
            for rule in rules
        )
    return only is None or "schedules" in str(only)


def _twice(carriers: list[Job]) -> Iterator[Problem]:
    """Jobs of one environment that nothing keeps apart. A tick needs no group: it gives way by itself (5)."""
    by: dict[str, Job] = {}
    for job in carriers:
        if any("--unattended" in line and "resume" in line for line in job.lines()):
            continue
        environment = job.keys.get("environment")
        name = str(environment.get("name", "") if isinstance(environment, dict) else environment or "")
        if not job.keys.get("resource_group"):
            yield Problem(
                job.place,
                f"job {plain(job.name)}: without a `resource_group` two pipelines run it at once, and one fails with 5",
            )
        elif (
            name and (other := by.setdefault(name, job)).keys["resource_group"] != job.keys["resource_group"]
        ):
            yield Problem(
                job.place,
                f"job {plain(job.name)}: environment {plain(name)} is that of job {plain(other.name)}, too, and their resource groups differ",
            )
