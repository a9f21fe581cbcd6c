"""GitLab pipelines, run for real on this machine: jobs of the shipped component, in a repository of their own."""

import csv
import os
import re
import shutil
import subprocess
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any

import yaml

from rollout.cli._ci.jobs import shipped

HERE = Path(__file__).parent
MODULES = HERE / "node_modules"
RUNNER = MODULES / "gitlab-ci-local" / "dist" / "index.js"
AUTHOR = {
    "GIT_AUTHOR_NAME": "Ben",
    "GIT_AUTHOR_EMAIL": "ben@example.com",
    "GIT_COMMITTER_NAME": "Ben",
    "GIT_COMMITTER_EMAIL": "ben@example.com",
}
MERGE_REQUEST, SCHEDULE = "merge_request_event", "schedule"


def missing() -> str:
    """What is not here; nothing, if pipelines can be run."""
    if not RUNNER.is_file():
        return f"{RUNNER} (`make setup` installs it)"
    return "" if shutil.which("rsync") else "rsync"


def words() -> list[str]:
    """The command: by the node that came with it, for Debian 12 has an older one."""
    own = [path for path in MODULES.glob("node-linux-*/bin/node") if os.access(path, os.X_OK)]
    return [str(own[0]) if own else "node", str(RUNNER)]


@dataclass(frozen=True, slots=True)
class Repository:
    """A folder with a pipeline that includes the component, as a team has it."""

    folder: Path

    def write(self, *jobs: Mapping[str, Any], **inputs: Any) -> None:
        """The component, the pipeline with these inputs, and one commit of all that is there."""
        template = self.folder / "templates" / "rollout.yml"
        template.parent.mkdir(exist_ok=True)
        template.write_text(shipped().read_text())
        given = {"image": "debian:12", "tags": ["lab"], "environment": "lab", **inputs}
        pipeline = {"include": [{"local": "templates/rollout.yml", "inputs": given}]}
        for job in jobs:
            pipeline |= job
        (self.folder / ".gitlab-ci.yml").write_text(yaml.safe_dump(pipeline))
        (self.folder / ".gitignore").write_text(".rollout/\n.gitlab-ci-local/\n*.sqlite3\n__pycache__/\n")
        self.commit("a plan")

    def commit(self, what: str) -> None:
        """All that is there; the branch is the default one of a remote."""
        if not (self.folder / ".git").exists():
            self.git("init", "-q", "-b", "main")
            self.git("remote", "add", "origin", "git@gitlab.example.com:infra/fleet.git")
        self.git("add", "-A")
        self.git("commit", "-q", "-m", what)
        self.git("update-ref", "refs/remotes/origin/main", "HEAD")
        self.git("symbolic-ref", "refs/remotes/origin/HEAD", "refs/remotes/origin/main")

    def git(self, *asked: str) -> str:
        """What it prints. Raises CalledProcessError."""
        done = subprocess.run(
            ["git", "-C", self.folder, *asked],
            check=True,
            env={**os.environ, **AUTHOR},
            capture_output=True,
            text=True,
            timeout=60,
        )
        return done.stdout.strip()

    def command(self, *asked: str, **variables: str) -> list[str]:
        """What runs the pipeline, or jobs of it, with these CI/CD variables; in the folder."""
        given = [word for name, value in variables.items() for word in ("--variable", f"{name}={value}")]
        quiet = [
            "--ignore-predefined-vars",
            "CI_PIPELINE_SOURCE,CI_COMMIT_BRANCH,CI_MERGE_REQUEST_IID,CI_JOB_STARTED_AT,CI_API_V4_URL,CI_PROJECT_ID",
        ]
        return [*words(), *quiet, "--no-color", "--force-shell-executor", *asked, *given]

    def jobs(self, **variables: str) -> dict[str, dict[str, str]]:
        """The jobs that such a pipeline would have, by name. What is never run is not among them."""
        done = self._run("--list-csv", **variables)
        assert done.returncode == 0, done.stdout + done.stderr
        table = done.stdout[done.stdout.index("name;") :]
        return {row["name"]: row for row in csv.DictReader(StringIO(table), delimiter=";")}

    def expanded(self) -> str:
        """The whole pipeline as GitLab would see it: includes, inputs and `extends` put in."""
        done = self._run("--preview")
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout[done.stdout.index("---") :] if "---" in done.stdout else done.stdout

    def _run(self, *asked: str, **variables: str) -> subprocess.CompletedProcess[str]:
        words = self.command(*asked, **variables)
        return subprocess.run(words, cwd=self.folder, capture_output=True, text=True, timeout=60, check=False)


_FINISHED = re.compile(r"^(.+?) +finished in [\d.]+ \S+(?: +(?:FAIL|WARN) +(\d+))?", re.MULTILINE)


def exit_codes(said: str) -> dict[str, int]:
    """Of the jobs that came to an end, by name. The runner's own exit code tells nothing of a job that may fail."""
    found = {job: int(code or 0) for job, code in _FINISHED.findall(said)}
    return {job: code for job, code in found.items() if job not in {"parsing and downloads", "pipeline"}}


def named(jobs: Iterable[str]) -> set[str]:
    """Without the environment."""
    return {job.rpartition(" ")[0] for job in jobs}
