"""Approving a whole plan: nothing begins without a record of it, and only what was looked at begins."""

import getpass
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from rollout import journal
from rollout.cli import _runs
from rollout.executors.rehearsal import World
from rollout.identity import TOKEN
from rollout.journal import ApprovalRow
from tests.cli.worlds import PLAN, Typist, a_plan_folder, failing
from tests.identity.issuer import AUDIENCE, PROJECT, Issuer, serving

JOURNAL = ".rollout/journal.sqlite3"
AUTHOR = ("-c", "user.name=Ben", "-c", "user.email=ben@example.com")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    a_plan_folder(tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def issuer() -> Iterator[Issuer]:
    with serving() as found:
        yield found


def asks(folder: Path, approve: str) -> None:
    """The plan wants an approval of this kind."""
    plan = folder / "plan.yml"
    plan.write_text(plan.read_text().replace("waves: {", f"waves: {{approve: {{{approve}}}, "))


def committed(folder: Path, *who: str) -> None:
    for words in (("init", "-q"), ("add", "."), ("commit", "-q", "-m", "a plan")):
        subprocess.run(["git", "-C", folder, *(who or AUTHOR), *words], check=True)


def approvals() -> list[ApprovalRow]:
    with journal.open(JOURNAL) as book:
        return book.approvals("imagined")


def proven(issuer: Issuer, more: str = "") -> str:
    return (
        f"begin: true, identity: {{issuer: {issuer.url!r}, audience: {AUDIENCE}, project: {PROJECT}}}{more}"
    )


def test_nothing_begins_without_an_approval(rollout: Typist, folder: Path) -> None:
    asks(folder, "begin: true")
    for words in (["--approved"], ["--yes"], []):
        typed = rollout("apply", "plan.yml", *words)
        assert typed.code == 7, typed.err
        assert "nobody has approved it: plan imagined is by now digest" in typed.err
        assert "`rollout approve plan.yml --reason WHY`" in typed.err
    with journal.open(JOURNAL) as book:
        assert book.runs() == []


def test_an_approval_lets_exactly_one_run_begin(rollout: Typist, folder: Path, world: World) -> None:
    asks(folder, "begin: true")
    typed = rollout("approve", "plan.yml", "--reason", "change 4711")
    assert typed.code == 0, typed.err
    assert f"3 hosts: approved by {_runs.me()}; `rollout apply plan.yml --approved` begins it" in typed.out
    (kept,) = approvals()
    assert (kept.by, kept.because, kept.claims) == (_runs.me(), "change 4711", {})
    again = rollout("approve", "plan.yml", "--reason", "a job that is tried again")
    assert again.code == 0
    assert "approved already by" in again.out
    assert len(approvals()) == 1
    done = rollout("apply", "plan.yml", "--approved")
    assert done.code == 0, done.out + done.err
    assert f"approved by {_runs.me()}, on " in done.out
    assert "change 4711" in done.out
    more = rollout("apply", "plan.yml", "--approved")
    assert more.code == 0, more.out
    assert "of exactly this plan is over, and nobody has approved another: finished: 3 verified" in more.out
    plan = folder / "plan.yml"
    plan.write_text(plan.read_text().replace("at_once: 2", "at_once: 1"))
    other = rollout("apply", "plan.yml", "--approved")
    assert other.code == 7, other.out
    with journal.open(JOURNAL) as book:
        assert len(book.runs()) == 1


def test_approved_is_wanted_of_any_plan_when_asked_for(rollout: Typist, folder: Path) -> None:
    assert rollout("apply", "plan.yml", "--approved").code == 7
    assert rollout("apply", "plan.yml", "--approved", "--yes").code == 64


@pytest.mark.parametrize("file", ["plan.yml", "playbooks/step.yml", "inventory.yml"])
def test_what_was_not_looked_at_is_refused(rollout: Typist, folder: Path, file: str) -> None:
    asks(folder, "begin: true")
    assert rollout("approve", "plan.yml", "--reason", "looks well").code == 0
    path = folder / file
    new = {"plan.yml": ("at_once: 2", "at_once: 1"), "inventory.yml": ("rack: r2", "rack: r9")}
    path.write_text(path.read_text().replace(*new.get(file, ("tasks: []", "tasks: [{ping: }]"))))
    typed = rollout("apply", "plan.yml", "--approved")
    assert typed.code == 6, typed.err
    assert f"{_runs.me()}, on " in typed.err
    assert "approved digest" in typed.err
    assert rollout("approve", "plan.yml", "--reason", "looked again").code == 0
    assert len(approvals()) == 2


def test_a_digest_that_is_another_is_refused(rollout: Typist, folder: Path) -> None:
    typed = rollout("approve", "plan.yml", "--reason", "x", "--digest", "0123456789ab")
    assert typed.code == 6
    assert "not 0123456789ab: look at that one" in typed.err


def test_either_a_plan_or_a_rung(rollout: Typist, folder: Path) -> None:
    typed = rollout("approve", "--reason", "x")
    assert typed.code == 64
    assert "what is approved: a PLAN that may begin, or --through RUNG of a run?" in typed.err


def test_an_amended_run_goes_on_once_the_amendment_is_approved(
    rollout: Typist, folder: Path, world: World
) -> None:
    asks(folder, "begin: true")
    step = folder / "playbooks" / "step.yml"
    world.faults = failing("a1") | failing("b1") | failing("a2")
    assert rollout("approve", "plan.yml", "--reason", "go").code == 0
    assert rollout("apply", "plan.yml", "--approved").code == 3
    step.write_text(step.read_text().replace("tasks: []", "tasks: [{ping: }]"))
    asked_less = folder / "plan.yml"
    asked_less.write_text(asked_less.read_text().replace("begin: true", "begin: false, after: 1"))
    assert rollout("amend", "plan.yml", "--yes", "--reason", "mended").code == 0
    refused = rollout("resume", "plan.yml")
    assert refused.code == 7, refused.err
    assert "nobody has approved it: run imagined-" in refused.err
    approved = rollout("approve", "plan.yml", "--reason", "the mended step")
    assert approved.code == 0, approved.err
    assert "`rollout resume` carries it on" in approved.out
    assert "approve" not in rollout("resume", "plan.yml").err


def test_the_author_is_refused_under_four_eyes(
    rollout: Typist, folder: Path, issuer: Issuer, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    asks(folder, proven(issuer, ", four_eyes: true"))
    committed(folder)
    for login, email in (
        ("ben", "ben@example.com"),
        ("other", "BEN@example.com"),
        ("ben", "private@example.com"),
    ):
        monkeypatch.setenv(TOKEN, issuer.token(user_login=login, user_email=email))
        typed = rollout("approve", "plan.yml", "--reason", "mine")
        assert typed.code == 7, typed.err
        assert "Ben <ben@example.com> wrote plan.yml last (commit " in typed.err
        assert "), so somebody else than" in typed.err
    assert approvals() == []
    monkeypatch.setenv(TOKEN, issuer.token())
    assert rollout("approve", "plan.yml", "--reason", "looked at !12").code == 0
    (kept,) = approvals()
    assert kept.by == f"ana ({issuer.url}, job 99)"
    assert kept.claims["project_path"] == PROJECT
    assert rollout("apply", "plan.yml", "--approved").code == 0


def test_who_wrote_it_must_be_known_under_four_eyes(rollout: Typist, folder: Path, issuer: Issuer) -> None:
    asks(folder, "begin: true, four_eyes: true")
    typed = rollout("approve", "plan.yml", "--reason", "x")
    assert typed.code == 7
    assert "who wrote plan.yml is not known: Git finds no repository that it trusts there" in typed.err
    subprocess.run(["git", "init", "-q", folder], check=True)
    typed = rollout("approve", "plan.yml", "--reason", "x")
    assert typed.code == 7
    assert "it has changes that are in no commit: ?? plan.yml" in typed.err
    committed(folder)
    assert rollout("plan", "plan.yml").code == 0
    (folder / "plan.yml").write_text((folder / "plan.yml").read_text() + "# more\n")
    typed = rollout("approve", "plan.yml", "--reason", "x")
    assert typed.code == 7
    assert "it has changes that are in no commit" in typed.err


def test_whoever_changed_a_playbook_is_an_author_too(
    rollout: Typist, folder: Path, issuer: Issuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    asks(folder, proven(issuer, ", four_eyes: true"))
    committed(folder)
    playbook = next((folder / "playbooks").glob("*.yml"))
    playbook.write_text(playbook.read_text() + "# more\n")
    monkeypatch.setenv(TOKEN, issuer.token(user_login="cleo", user_email="cleo@example.com"))
    typed = rollout("approve", "plan.yml", "--reason", "mine")
    assert typed.code == 7
    assert "who wrote what plan.yml runs is not known: it has changes that are in no commit: M " in typed.err
    committed(folder, "-c", "user.name=Cleo", "-c", "user.email=cleo@example.com")
    typed = rollout("approve", "plan.yml", "--reason", "mine")
    assert typed.code == 7
    assert "Cleo <cleo@example.com> changed what plan.yml runs last (commit " in typed.err
    monkeypatch.setenv(TOKEN, issuer.token())
    assert rollout("approve", "plan.yml", "--reason", "looked at it").code == 0


def test_of_a_submodule_it_counts_who_took_it_in(
    rollout: Typist, folder: Path, issuer: Issuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    asks(folder, proven(issuer, ", four_eyes: true"))
    books = folder / "playbooks"
    committed(books, "-c", "user.name=Dana", "-c", "user.email=dana@example.com")
    committed(folder, "-c", "user.name=Cleo", "-c", "user.email=cleo@example.com")
    (folder / "plan.yml").write_text((folder / "plan.yml").read_text() + "# more\n")
    committed(folder)
    for login, code in (("cleo", 7), ("ben", 7), ("dana", 0)):
        monkeypatch.setenv(TOKEN, issuer.token(user_login=login, user_email="", user_id="7"))
        assert rollout("approve", "plan.yml", "--reason", "mine").code == code, login


def test_what_git_is_told_to_ignore_has_no_author(
    rollout: Typist, folder: Path, issuer: Issuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    asks(folder, proven(issuer, ", four_eyes: true"))
    (folder / ".gitignore").write_text("playbooks/\n")
    committed(folder)
    monkeypatch.setenv(TOKEN, issuer.token())
    assert rollout("approve", "plan.yml", "--reason", "x").code == 0


def test_the_machines_user_is_no_second_pair_of_eyes(rollout: Typist, folder: Path) -> None:
    asks(folder, "begin: true, four_eyes: true")
    committed(folder, "-c", f"user.name={getpass.getuser()}", "-c", "user.email=somebody@example.com")
    assert rollout("approve", "plan.yml", "--reason", "x").code == 7


def test_a_clock_that_is_put_back_lets_no_second_run_begin(
    rollout: Typist, folder: Path, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    asks(folder, "begin: true")
    world.faults = failing("a1")
    now = time.time
    assert rollout("approve", "plan.yml", "--reason", "go").code == 0
    monkeypatch.setattr(time, "time", lambda: now() - 3600)
    assert rollout("apply", "plan.yml", "--approved").code == 3
    assert rollout("resume", "plan.yml").code == 3, "it goes on by the same approval"
    assert rollout("apply", "plan.yml", "--approved", "--new-run").code == 7


def test_what_began_by_an_approval_is_amended_by_one(rollout: Typist, folder: Path, world: World) -> None:
    world.faults = failing("a1")
    assert rollout("approve", "plan.yml", "--reason", "go").code == 0
    assert rollout("apply", "plan.yml", "--approved").code == 3
    step = folder / "playbooks" / "step.yml"
    step.write_text(step.read_text().replace("tasks: []", "tasks: [{ping: }]"))
    amended = rollout("amend", "plan.yml", "--yes")
    assert amended.code == 0
    assert (
        "is amended; once it is approved (`rollout approve plan.yml --reason WHY`), `rollout resume`"
        in amended.out
    )
    for words in (("apply", "plan.yml", "--approved"), ("resume", "plan.yml", "--unattended")):
        refused = rollout(*words)
        assert refused.code == 7, refused.out
        assert "nobody has approved it: run imagined-" in refused.err
    assert rollout("approve", "plan.yml", "--reason", "the mended step").code == 0
    assert rollout("resume", "plan.yml").code == 3


def test_an_amendment_does_not_change_who_proves_it(
    rollout: Typist, folder: Path, issuer: Issuer, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    asks(folder, proven(issuer))
    world.faults = failing("a1")
    monkeypatch.setenv(TOKEN, issuer.token())
    assert rollout("approve", "plan.yml", "--reason", "go").code == 0
    assert rollout("apply", "plan.yml", "--approved").code == 3
    (folder / "plan.yml").write_text(PLAN)
    with serving() as theirs:
        asks(folder, proven(theirs))
        assert rollout("amend", "plan.yml", "--yes").code == 0
        monkeypatch.setenv(TOKEN, theirs.token(user_login="mallory"))
        refused = rollout("approve", "plan.yml", "--reason", "mine")
    assert refused.code == 7, refused.out
    assert "does not prove who approves" in refused.err


def test_an_amendment_that_asks_less_than_was_proven_is_approved_itself(
    rollout: Typist, folder: Path, issuer: Issuer, world: World
) -> None:
    asks(folder, proven(issuer, ", after: 1").replace("begin: true, ", ""))
    assert rollout("apply", "plan.yml", "--yes").code == 7
    (folder / "plan.yml").write_text(PLAN)
    assert rollout("amend", "plan.yml", "--yes").code == 0
    refused = rollout("resume", "plan.yml")
    assert refused.code == 7, refused.out
    assert "nobody has approved it" in refused.err
    assert rollout("approve", "plan.yml", "--reason", "x").code == 7, "without a token"


@pytest.mark.parametrize(
    "address", ["ben+work@example.com", "BEN@elsewhere.example", "42-before@users.noreply.gitlab.example.com"]
)
def test_an_author_is_known_by_other_addresses(
    rollout: Typist, folder: Path, issuer: Issuer, monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    asks(folder, proven(issuer, ", four_eyes: true"))
    committed(folder, "-c", "user.name=Benjamin", "-c", f"user.email={address}")
    monkeypatch.setenv(TOKEN, issuer.token(user_login="ben", user_email="ben@example.com"))
    assert rollout("approve", "plan.yml", "--reason", "mine").code == 7
    monkeypatch.setenv(TOKEN, issuer.token(user_id="7"))
    assert rollout("approve", "plan.yml", "--reason", "yours").code == 0


def test_a_link_hides_no_author(
    rollout: Typist, folder: Path, issuer: Issuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    asks(folder, proven(issuer, ", four_eyes: true"))
    (folder / "plan.yml").rename(folder / "spring.yml")
    (folder / "plan.yml").symlink_to("spring.yml")
    committed(folder, "-c", "user.name=Cleo", "-c", "user.email=cleo@example.com")
    (folder / "spring.yml").write_text((folder / "spring.yml").read_text() + "# more\n")
    committed(folder)
    for login in ("ben", "cleo"):
        monkeypatch.setenv(TOKEN, issuer.token(user_login=login, user_email="", user_id="7"))
        assert rollout("approve", "plan.yml", "--reason", "mine").code == 7


def test_a_rung_is_approved_by_whoever_did_not_write_what_runs(
    rollout: Typist, folder: Path, issuer: Issuer, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    asks(folder, proven(issuer, ", after: 1, four_eyes: true").replace("begin: true, ", ""))
    committed(folder)
    waits = rollout("apply", "plan.yml", "--yes")
    assert waits.code == 7
    assert "(not by whoever wrote the plan)" in waits.out
    written = (folder / "plan.yml").read_text()
    (folder / "plan.yml").write_text(written + "# by somebody else\n")
    committed(folder, "-c", "user.name=Cleo", "-c", "user.email=cleo@example.com")
    monkeypatch.setenv(TOKEN, issuer.token(user_login="ben", user_email="ben@example.com"))
    refused = rollout("approve", "plan.yml", "--through", "1", "--reason", "mine")
    assert refused.code == 6, refused.out
    assert "was begun with other files" in refused.err


def test_a_shallow_clone_does_not_know_who_wrote_it(
    rollout: Typist, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asks(folder, "begin: true, four_eyes: true")
    committed(folder)
    (folder / "other").write_text("")
    committed(folder, "-c", "user.name=Eve", "-c", "user.email=eve@example.com")
    subprocess.run(["git", "clone", "-q", "--depth", "1", f"file://{folder}", tmp_path / "clone"], check=True)
    monkeypatch.chdir(tmp_path / "clone")
    beside = tmp_path / "beside"
    subprocess.run(["git", "worktree", "add", "-q", "-b", "other", beside], check=True)
    for plan in ("plan.yml", str(beside / "plan.yml")):
        typed = rollout("approve", plan, "--reason", "x")
        assert typed.code == 7
        assert "the clone is shallow" in typed.err


def test_a_name_with_an_asterisk_is_no_other_file(
    rollout: Typist, folder: Path, issuer: Issuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    asks(folder, proven(issuer, ", four_eyes: true"))
    (folder / "plan.yml").rename(folder / "pl*.yml")
    committed(folder)
    (folder / "plain.yml").write_text("")
    committed(folder, "-c", "user.name=Cleo", "-c", "user.email=cleo@example.com")
    monkeypatch.setenv(TOKEN, issuer.token(user_login="ben", user_email=""))
    assert rollout("approve", "pl*.yml", "--reason", "mine").code == 7


def test_a_forged_token_approves_nothing(
    rollout: Typist, folder: Path, issuer: Issuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    asks(folder, proven(issuer))
    monkeypatch.setenv(TOKEN, issuer.token(project_path="mallory/fleet"))
    typed = rollout("approve", "plan.yml", "--reason", "x")
    assert typed.code == 7
    assert typed.err.count("\n") <= 2
    assert issuer.token() not in typed.err
    assert approvals() == []


def test_a_record_without_a_token_does_not_count_where_one_is_wanted(
    rollout: Typist, folder: Path, issuer: Issuer
) -> None:
    asks(folder, proven(issuer))
    said = rollout("plan", "plan.yml", "--json").out
    digest = said.split('"digest": "', 1)[1].split('"', 1)[0]
    (folder / ".rollout").mkdir(exist_ok=True)
    with journal.open(JOURNAL) as book:
        book.approve(ApprovalRow("imagined", digest, None, "root@here", "by hand"))
    assert rollout("apply", "plan.yml", "--approved").code == 7


def test_the_plan_says_who_is_asked(rollout: Typist, folder: Path, issuer: Issuer) -> None:
    asks(folder, proven(issuer, ", four_eyes: true"))
    said = rollout("plan", "plan.yml").out
    assert (
        f"a person approves exactly this plan before anything begins; a token of {PROJECT} proves who it is; it cannot be whoever wrote it"
        in said
    )
