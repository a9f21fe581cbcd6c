"""A journal that would be thrown away with the job: seen before anything begins."""

import os
from collections.abc import Mapping
from pathlib import Path

from rollout.errors import UsageError
from rollout.journal import is_url
from rollout.report.plain import plain

MOUNTS = Path("/proc/self/mountinfo")

PASSING = frozenset({"overlay", "aufs", "tmpfs", "ramfs", "fuse-overlayfs"})
"""File systems of a container's own, which go with it."""

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
    kind = _kind_of_mount(path, mounts)
    if kind is None:
        return "is a file, the job's environment is thrown away, and what is mounted there could not be found out"
    return "lies in the job's container, which is thrown away with it" if kind in PASSING else ""


def _kind_of_mount(path: Path, mounts: str) -> str | None:
    """The file system that holds the path; None: not to be found out. A later mount on the same place hides an earlier one."""
    best: tuple[int, str] | None = None
    for line in mounts.splitlines():
        fields, dash, rest = line.partition(" - ")
        words = fields.split()
        if not dash or len(words) < 5 or not rest:
            continue
        point = Path(words[4].encode().decode("unicode_escape"))
        if path.is_relative_to(point) and (best is None or len(point.parts) >= best[0]):
            best = (len(point.parts), rest.split()[0])
    return None if best is None else best[1]
