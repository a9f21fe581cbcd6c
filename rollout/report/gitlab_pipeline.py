"""A child pipeline for GitLab: a button for each point at which the plan asks a person."""

import shlex
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from rollout.errors import UsageError
from rollout.model.graph import Graph
from rollout.model.people import approvals_before
from rollout.report.plain import counted, plain

MOST_JOBS = 1000
MOST_BYTES = 5_000_000
"""GitLab takes no more of one pipeline (project limits, `ci_pipeline_size`; `ci_max_total_yaml_size_bytes`)."""

LONGEST_NAME = 200
"""Of a job, in characters; GitLab takes 255 bytes."""

ORANGE = [4, 7, 8, 75]
"""Exit codes after which the next button, or the schedule, goes on."""


@dataclass(frozen=True, slots=True)
class Setting:
    """What the jobs need that no plan knows; as of the component's inputs."""

    environment: str
    image: str = ""
    tags: Sequence[str] = ()
    before: str = ""
    max_duration: str = "5h"
    job_timeout: str = "6h"
    audience: str = "rollout"


def pipeline(graph: Graph, plan_file: str, setting: Setting) -> dict[str, Any]:
    """The jobs, in the order in which the plan asks. The plan as a whole is approved before, in the pipeline above.

    Raises UsageError for a plan that asks nobody, or too often for GitLab.
    """
    if not graph.approvals:
        between = list(graph.rungs)[:-1]
        how = (
            f": `waves: {{approve: {{after: [{', '.join(between)}]}}}}`" if between else "; there is but one"
        )
        raise UsageError(
            f"plan {plain(graph.plan)} asks nobody between its waves, so there is nothing to press; name the rungs after which it asks{how}"
        )
    if len(graph.approvals) + 1 > MOST_JOBS:
        raise UsageError(
            f"plan {plain(graph.plan)} asks {len(graph.approvals)} times, and GitLab takes {MOST_JOBS} jobs in a pipeline: ask after fewer rungs, or take larger waves"
        )
    file, at_most = shlex.quote(plan_file), shlex.quote(setting.max_duration)
    freed = _freed(graph)
    first = f"1. {counted(freed[''], 'host')} before any approval"
    jobs: dict[str, Any] = {
        "stages": ["rollout"],
        first: _job(setting, [f"rollout apply {file} --approved --unattended --max-duration {at_most}"], []),
    }
    before = first
    for number, rung in enumerate(graph.approvals, 2):
        name = f"{number}. {counted(freed[rung], 'host')} after {plain(rung)}"[:LONGEST_NAME]
        script = [
            f'rollout approve {file} --through {shlex.quote(rung)} --digest {graph.digest} --reason "${{ROLLOUT_REASON:-$CI_PIPELINE_URL}}"',
            f"rollout resume {file} --max-duration {at_most}",
        ]
        jobs[name] = {
            **_job(setting, script, [before]),
            "retry": 0,  # by a second try this word would lift a pause that somebody has asked for since
            "rules": [
                {"when": "manual"}
            ],  # a rule that said more about failures would take the exit codes away
            "manual_confirmation": f"Let what comes after {plain(rung)} begin?",
            "id_tokens": {"ROLLOUT_ID_TOKEN": {"aud": setting.audience}},
        }
        before = name
    return jobs


def _job(setting: Setting, script: list[str], needs: list[str]) -> dict[str, Any]:
    job: dict[str, Any] = {"stage": "rollout", "needs": needs, "script": script}
    job |= {"image": setting.image} if setting.image else {}
    job |= {"tags": list(setting.tags)} if setting.tags else {}
    job |= {"before_script": [setting.before]} if setting.before else {}
    return {
        **job,
        "variables": {"GIT_DEPTH": "0", "GIT_CLEAN_FLAGS": "-ffdx -e .rollout/"},
        "interruptible": False,
        "timeout": setting.job_timeout,
        "resource_group": f"rollout-{setting.environment}",
        "environment": {"name": setting.environment},
        "retry": {
            "max": 2,
            "when": ["runner_system_failure", "stuck_or_timeout_failure", "scheduler_failure", "api_failure"],
        },
        "allow_failure": {"exit_codes": list(ORANGE)},
    }


def _freed(graph: Graph) -> Counter[str]:
    """How many hosts each approval lets begin; the empty text: without any."""
    freed: Counter[str] = Counter()
    for wave in graph.waves.values():
        freed["".join(approvals_before(graph, wave.id)[-1:])] += len(wave.hosts)
    return freed
