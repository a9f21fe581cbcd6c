"""`rollout ci comment` and `rollout ci drift`: one note on the merge request, and what is not as it says once that is merged."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.worlds import Typist, a_plan_folder, a_run
from tests.gitlab.notes import TOKEN, Server, serving


def git(folder: Path, *words: str) -> str:
    identity = ["-c", "user.name=ana", "-c", "user.email=ana@example.com"]
    done = subprocess.run(
        ["git", "-C", str(folder), *identity, *words], check=True, capture_output=True, text=True
    )
    return done.stdout.strip()


@pytest.fixture
def server() -> Iterator[Server]:
    with serving() as found:
        yield found


@pytest.fixture
def plan(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, server: Server) -> Path:
    """In a job of merge request 3, in a repository with one commit."""
    found = a_plan_folder(tmp_path / "fleet")
    git(tmp_path, "init", "-q", "-b", "main")
    git(tmp_path, "add", "-A")
    git(tmp_path, "commit", "-qm", "begin")
    for name, value in {
        "CI_API_V4_URL": server.url,
        "CI_PROJECT_ID": "infra/fleet",
        "CI_MERGE_REQUEST_IID": "3",
        "CI_PIPELINE_ID": "41",
        "CI_MERGE_REQUEST_DIFF_BASE_SHA": git(tmp_path, "rev-parse", "HEAD"),
        "CI_MERGE_REQUEST_TARGET_BRANCH_NAME": "main",
        "ROLLOUT_GITLAB_TOKEN": TOKEN,
    }.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("ROLLOUT_JOURNAL", raising=False)
    monkeypatch.chdir(tmp_path)
    return found


def change(plan: Path) -> None:
    (plan.parent / "playbooks" / "step.yml").write_text(
        (plan.parent / "playbooks" / "step.yml").read_text() + "# mended\n"
    )


def test_one_note_follows_the_branch(rollout: Typist, plan: Path, server: Server) -> None:
    done = rollout("ci", "comment", str(plan))
    assert (done.code, done.out) == (0, "merge request 3: the note of production is written\n")
    assert "plan imagined: no difference, digest " in server.bodies[0]
    change(plan)
    done = rollout("ci", "comment", str(plan))
    assert (done.code, done.out) == (0, "merge request 3: the note of production is updated\n")
    assert rollout("ci", "comment", str(plan)).out.endswith("is unchanged\n")
    assert len(server.bodies) == 1
    assert "### Against the branch that it goes into\n\n```text\nCompared with main at " in server.bodies[0]
    assert "playbooks/step.yml has changed\n" in server.bodies[0]
    assert rollout("ci", "comment", str(plan), "--environment", "lab").out.endswith("of lab is written\n")
    assert len(server.bodies) == 2
    assert git(plan.parent, "status", "--porcelain", "--", "plan.yml", "inventory.yml") == ""


def test_a_job_of_an_older_pipeline_leaves_the_note(
    rollout: Typist, plan: Path, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    rollout("ci", "comment", str(plan))
    before = server.bodies
    change(plan)
    monkeypatch.setenv("CI_PIPELINE_ID", "40")
    done = rollout("ci", "comment", str(plan))
    assert (done.code, done.out) == (
        0,
        "merge request 3: the note of production is left alone: a newer pipeline has written it\n",
    )
    assert server.bodies == before


def test_a_plan_with_mistakes_has_a_note_of_them(rollout: Typist, plan: Path, server: Server) -> None:
    rollout("ci", "comment", str(plan))
    plan.write_text(plan.read_text().replace("combos:", "cobmos:"))
    done = rollout("ci", "comment", str(plan))
    assert done.code == 65
    assert "plan.yml:5:1: " in done.err
    assert len(server.bodies) == 1
    assert "mistake" in server.bodies[0].split("\n")[1]
    assert "plan.yml:5:1: " in server.bodies[0]
    assert "Digest" not in server.bodies[0]


def test_the_run_of_a_journal_is_what_is_applied(rollout: Typist, plan: Path, server: Server) -> None:
    from rollout.cli import _compiling

    graph = _compiling.graph_of(plan)[2].graph
    path = a_run(plan.parent, graph)
    change(plan)
    assert rollout("ci", "comment", str(plan)).code == 0
    said = server.bodies[0]
    assert "### Against what is applied\n" in said
    assert "ended with 0; hosts: 3 verified.\n" in said
    assert said.count("playbooks/step.yml has changed\n") == 2
    path.write_bytes(b"no journal")
    done = rollout("ci", "comment", str(plan))
    assert (done.code, str(path) in done.err) == (0, True)
    assert "Not compared: the journal could not be read; the job's log says why.\n" in server.bodies[0]
    assert str(path) not in server.bodies[0]


def test_a_branch_that_is_not_here_or_is_broken_is_told(
    rollout: Typist, plan: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def told(revision: str) -> str:
        monkeypatch.setenv("CI_MERGE_REQUEST_DIFF_BASE_SHA", revision)
        return rollout("ci", "comment", str(plan), "--dry-run").out

    assert "Not compared: main is not in this clone (a shallow one? set GIT_DEPTH to 0).\n" in told("0" * 40)
    assert "Not compared: main is not in this clone" in told("--help")
    good = plan.read_text()
    plan.write_text("plan: x\n")
    git(plan.parent, "commit", "-qam", "broken")
    broken = git(plan.parent, "rev-parse", "HEAD")
    plan.write_text(good)
    assert "Not compared: the plan of main has " in told(broken)
    git(plan.parent, "rm", "-q", "--cached", "plan.yml")
    git(plan.parent, "commit", "-qm", "none")
    assert "main has no such plan.\n" in told(git(plan.parent, "rev-parse", "HEAD"))


@pytest.mark.parametrize(
    ("missing", "said"),
    [
        ("CI_MERGE_REQUEST_IID", "this is no pipeline of a merge request: CI_MERGE_REQUEST_IID is not set"),
        ("CI_API_V4_URL", "this is no job of GitLab: CI_API_V4_URL is not set"),
        ("ROLLOUT_GITLAB_TOKEN", "ROLLOUT_GITLAB_TOKEN is empty: notes take a project access token"),
    ],
)
def test_what_a_job_has_to_know_is_named(
    rollout: Typist, plan: Path, server: Server, monkeypatch: pytest.MonkeyPatch, missing: str, said: str
) -> None:
    monkeypatch.delenv(missing)
    done = rollout("ci", "comment", str(plan))
    assert done.code == 64
    assert said in done.err
    assert server.asked == []


def test_a_token_may_be_in_a_file(
    rollout: Typist, plan: Path, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ROLLOUT_GITLAB_TOKEN", "another")
    file = plan.parent / "token"
    file.write_text(f"{TOKEN}\n")
    assert rollout("ci", "comment", str(plan), "--token-file", str(file)).code == 0
    assert len(server.bodies) == 1
    done = rollout("ci", "comment", str(plan), "--token-file", str(plan.parent / "none"))
    assert (done.code, "No such file" in done.err) == (64, True)


def test_drift_is_what_differs_from_the_reviewed_note(
    rollout: Typist, plan: Path, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    rollout("ci", "comment", str(plan))
    monkeypatch.setenv("CI_COMMIT_SHA", "abc123")
    done = rollout("ci", "drift", str(plan))
    assert (done.code, "commit abc123 came with no merge request" in done.err) == (6, True)
    monkeypatch.setenv("CI_COMMIT_BRANCH", "main")
    request = {"iid": 3, "state": "merged", "merged_at": "2026-11-01T00:00:00Z", "target_branch": "side"}
    server.merged["abc123"] = [request]
    assert rollout("ci", "drift", str(plan)).code == 6, "it was reviewed for another branch"
    request["target_branch"] = "main"
    done = rollout("ci", "drift", str(plan))
    assert done.code == 0
    assert done.out.endswith(": the plan is the one that merge request 3 showed\n")
    change(plan)
    inventory = plan.parent / "inventory.yml"
    inventory.write_text(inventory.read_text().replace("a1:", "a9:"))
    done = rollout("ci", "drift", str(plan))
    assert done.code == 6
    assert "the plan is not the one that merge request 3 showed:\n" in done.err
    assert "  playbooks/step.yml has changed\n" in done.err
    done = rollout("ci", "drift", str(plan), "--environment", "lab")
    assert done.code == 6
    assert "merge request 3 has no note of this plan in lab, so nobody has reviewed it" in done.err
