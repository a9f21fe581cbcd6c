"""A journal that would be thrown away with the job: seen before anything begins."""

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from rollout.errors import UsageError
from rollout.journal import is_url
from rollout.report.plain import plain

MOUNTS = Path("/proc/self/mountinfo")

PASSING = frozenset({"overlay", "aufs", "tmpfs", "ramfs", "fuse-overlayfs"})
"""File systems of a container's own, which go with it; so does whatever `/` is, by other drivers."""

OF_THE_RUNNER = re.compile(
    r"/kubernetes\.io~empty-dir/|/volumes/([0-9a-f]{64}|runner-[^/]*-cache-[^/]*)/_data"
)
"""Kubernetes' volumes of one pod, and those that the runner's Docker executor makes for each place of a job."""

ESCAPED = re.compile(r"\\([0-7]{3})")
"""How the kernel writes blanks in /proc/self/mountinfo."""

WAY_OUT = "take a database (ROLLOUT_JOURNAL=postgresql://..., as a CI/CD variable of protected branches), or a path that stays with the runner"


def refuse_if_thrown_away(journal: str) -> None:
    """Raises UsageError for a file that a later GitLab job would not find: the run could not be resumed, and hosts would be upgraded twice."""
    if is_url(journal) or os.environ.get("GITLAB_CI") != "true":
        return
    try:
        mounts = MOUNTS.read_text(errors="replace")
    except OSError:
        mounts = ""
    because = thrown_away(Path(journal).resolve(), os.environ, mounts)
    if because:
        raise UsageError(f"journal {plain(journal)} {because}; {WAY_OUT}")


def thrown_away(path: Path, environment: Mapping[str, str], mounts: str) -> str:
    """Why the next job would not find that file; empty if it would. `mounts`: as of /proc/self/mountinfo.

    GitLab says `CI_DISPOSABLE_ENVIRONMENT` where a job has an environment of its own (containers). There only a mount from outside stays.
    """
    checkout = environment.get("CI_PROJECT_DIR", "")
    if checkout and path.is_relative_to(Path(checkout).resolve()):
        return "lies in the checkout, which GitLab cleans before each job"
    if environment.get("CI_DISPOSABLE_ENVIRONMENT", "").lower() != "true":
        return ""
    found = _mount_of(path, mounts)
    if found is None:
        return "is a file, the job's environment is thrown away, and what is mounted there could not be found out"
    if found.kind.removeprefix("fuse.") in PASSING or found.point == Path("/"):
        return "lies in the job's container, which is thrown away with it"
    if OF_THE_RUNNER.search(found.root):
        return "lies in a volume that the runner has made for its jobs, and which another job does not find"
    return ""


class _Mount(NamedTuple):
    """`root`: the folder of the file system that is mounted at `point`; `kind`: of that file system."""

    point: Path
    root: str
    kind: str


def _mount_of(path: Path, mounts: str) -> _Mount | None:
    """The one that holds the path; None: not to be found out. A later mount on the same place hides an earlier one."""
    best: _Mount | None = None
    for line in mounts.splitlines():
        fields, dash, rest = line.partition(" - ")
        words = fields.split()
        if not dash or len(words) < 5 or not rest:
            continue
        point = Path(ESCAPED.sub(lambda found: chr(int(found[1], 8)), words[4]))
        if path.is_relative_to(point) and (best is None or len(point.parts) >= len(best.point.parts)):
            best = _Mount(point, words[3], rest.split()[0])
    return best
