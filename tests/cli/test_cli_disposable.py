"""A journal in a throw-away container is refused before anything begins; one that stays is not."""

from pathlib import Path

import pytest

from rollout.cli._disposable import thrown_away
from rollout.executors.rehearsal import World
from tests.cli.worlds import Typist, a_plan_folder
from tests.journal import postgres_server

CONTAINER = """1 0 0:50 / / rw,relatime - overlay overlay rw,lowerdir=/l
2 1 0:51 / /proc rw - proc proc rw
3 1 8:1 /var/lib/docker/volumes/x/_data /builds rw - ext4 /dev/sda1 rw
4 1 0:60 / /scratch rw - tmpfs tmpfs rw
5 1 8:2 / /srv/with\\040space rw - xfs /dev/sdb rw
6 5 0:61 / /srv/with\\040space/x rw - tmpfs tmpfs rw
7 1 8:2 /state /srv/d\u00fcsseldorf rw - xfs /dev/sdb rw
8 1 8:1 /var/lib/kubelet/pods/ab/volumes/kubernetes.io~empty-dir/repo /pod rw - ext4 /dev/sda1 rw
9 1 8:1 /docker/volumes/runner-x-project-1-concurrent-0-cache-3c3f060a/_data /cache rw - ext4 /dev/sda1 rw
10 1 8:1 /docker/volumes/0000111122223333444455556666777788889999aaaabbbbccccddddeeeeffff/_data /anonymous rw - ext4 /dev/sda1 rw
11 1 8:3 / /claimed rw - ext4 /dev/sdc rw
"""
PODMAN = "1 0 0:50 / /var rw - fuse.fuse-overlayfs fuse-overlayfs rw\n"
SHELL = "1 0 8:1 / / rw - ext4 /dev/sda1 rw\n2 1 0:60 / /tmp rw - tmpfs tmpfs rw\n"
DISPOSABLE = {"CI_PROJECT_DIR": "/builds/infra/fleet", "CI_DISPOSABLE_ENVIRONMENT": "true"}
STAYS = {"CI_PROJECT_DIR": "/home/gitlab-runner/builds/x/0/infra/fleet"}


@pytest.mark.parametrize(
    ("path", "environment", "mounts", "said"),
    [
        ("/builds/infra/fleet/.rollout/j", DISPOSABLE, CONTAINER, "lies in the checkout"),
        ("/var/lib/rollout/j", DISPOSABLE, CONTAINER, "lies in the job's container"),
        ("/scratch/j", DISPOSABLE, CONTAINER, "lies in the job's container"),
        ("/srv/with space/x/j", DISPOSABLE, CONTAINER, "lies in the job's container"),
        ("/srv/with space/j", DISPOSABLE, CONTAINER, ""),
        ("/builds/other/j", DISPOSABLE, CONTAINER, ""),
        ("/srv/d\u00fcsseldorf/j", DISPOSABLE, CONTAINER, ""),
        ("/pod/j", DISPOSABLE, CONTAINER, "a volume that the runner has made"),
        ("/cache/j", DISPOSABLE, CONTAINER, "a volume that the runner has made"),
        ("/anonymous/j", DISPOSABLE, CONTAINER, "a volume that the runner has made"),
        ("/claimed/j", DISPOSABLE, CONTAINER, ""),
        ("/var/lib/rollout/j", DISPOSABLE, SHELL, "lies in the job's container"),
        ("/var/lib/rollout/j", DISPOSABLE, PODMAN, "lies in the job's container"),
        ("/srv/j", DISPOSABLE, "", "could not be found out"),
        ("/srv/j", DISPOSABLE, "nonsense\n\n - \n", "could not be found out"),
        ("/var/lib/rollout/j", STAYS, SHELL, ""),
        ("/tmp/j", STAYS, SHELL, ""),
        (f"{STAYS['CI_PROJECT_DIR']}/j", STAYS, SHELL, "lies in the checkout"),
        ("/srv/j", {}, SHELL, ""),
    ],
)  # fmt: skip
def test_what_the_next_job_would_find(path: str, environment: dict[str, str], mounts: str, said: str) -> None:
    found = thrown_away(Path(path), environment, mounts)
    assert said in found if said else found == ""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A job's checkout."""
    a_plan_folder(tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GITLAB_CI", "true")
    monkeypatch.setenv("CI_PROJECT_DIR", str(tmp_path))
    return tmp_path


@pytest.mark.parametrize(
    "words",
    [
        ("apply", "plan.yml", "--yes"),
        ("resume", "plan.yml"),
        ("approve", "plan.yml", "--reason", "x"),
        ("amend", "plan.yml", "--yes"),
    ],
)
def test_nothing_begins_in_a_jobs_checkout(rollout: Typist, folder: Path, words: tuple[str, ...]) -> None:
    typed = rollout(*words)
    assert typed.code == 64
    assert (
        "lies in the checkout, which GitLab cleans before each job; take a database (ROLLOUT_JOURNAL=postgresql://"
        in typed.err
    )
    assert not (folder / ".rollout").exists()


def test_reading_commands_do_not_mind(rollout: Typist, folder: Path) -> None:
    for words in (("plan", "plan.yml"), ("validate", "plan.yml")):
        assert rollout(*words).code == 0


def test_a_database_and_a_path_outside_are_taken(
    rollout: Typist, folder: Path, world: World, tmp_path_factory: pytest.TempPathFactory
) -> None:
    stays = str(tmp_path_factory.mktemp("stays") / "journal.sqlite3")
    for journal in (stays, postgres_server.shared().fresh()):
        typed = rollout("apply", "plan.yml", "--yes", "--journal", journal)
        assert typed.code == 0, typed.err
