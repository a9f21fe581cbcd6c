"""Exit codes, and that every error is one clear message."""

import errno
import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from rollout import cli, journal
from rollout.journal import Owner
from rollout.model.event import Event, Kind
from tests.cli.worlds import PLAN, Typist, a_plan_folder, a_run, failing
from tests.fleet import a_graph

USAGE = [
    (["statu"], "there is no command statu. Did you mean 'status'?"),
    (["frobnicate"], "`rollout --help` lists the commands."),
    (["bad\x1b[31mname"], r"there is no command bad\x1b[31mname"),
    (["plan"], "Missing argument 'PLAN'"),
    (["status", "--frob"], "No such option"),
    (["hosts", "--status", "lost"], "'lost' is not one of"),
    (["retry", "a1"], "Missing option '--reason'"),
    (["resolve", "a1", "--as", "maybe", "--reason", "x"], "'maybe' is not one of"),
    (["apply", "plan.yml", "--run", "a/b"], "--run takes letters"),
    (["apply", "nowhere.yml"], "nowhere.yml: No such file or directory"),
    (["show", "plan.yml"], "plan.yml is not a saved plan"),
]


@pytest.mark.parametrize(("words", "message"), USAGE, ids=lambda value: repr(value)[:40])
def test_a_command_line_that_cannot_be_understood_is_64(
    rollout: Typist, tmp_path: Path, words: list[str], message: str
) -> None:
    (tmp_path / "plan.yml").write_text(PLAN)
    said = rollout(*words)
    assert said.code == 64
    assert message in said.err
    assert "Traceback" not in said.err


def test_without_a_journal_it_says_where_it_looked(rollout: Typist) -> None:
    said = rollout("status")
    assert (said.code, said.out) == (1, "")
    assert said.err.startswith(
        "rollout: there is no journal at .rollout/journal.sqlite3: run this in the plan's folder"
    )


def test_a_journal_that_is_none_is_an_error(rollout: Typist, tmp_path: Path) -> None:
    (tmp_path / "j").write_text("not a database, but long enough to be looked at as one" * 100)
    said = rollout("status", "--journal", "j")
    assert said.code == 1
    assert said.err.count("\n") == 1


def test_a_plan_with_mistakes_is_65_and_each_line_begins_with_its_place(
    rollout: Typist, tmp_path: Path
) -> None:
    plan = a_plan_folder(tmp_path / "here")
    plan.write_text(PLAN.replace("hosts: all", "hoosts: all"))
    said = rollout("validate", "here/plan.yml")
    assert said.code == 65
    assert all(line.startswith("here/plan.yml:") for line in said.err.splitlines())
    assert "hoosts" in said.err


def test_a_run_held_by_a_living_controller_is_5(rollout: Typist, tmp_path: Path) -> None:
    path = a_run(tmp_path, a_graph({"a": 2}), failing("a1"))
    a_plan_folder(tmp_path / "there")
    with journal.open(str(path)) as book:
        book.claim("run", Owner.current())
    for words in (["resume"], ["resume", "--run", "run"]):
        said = rollout(*words)
        assert said.code == 5
        assert "run 'run' is held by" in said.err
        assert " since " in said.err


def test_a_defect_is_one_line_that_says_how_to_see_more(
    rollout: Typist, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    a_run(tmp_path, a_graph({"a": 1}))

    def broken(*_: object, **__: object) -> None:
        raise ValueError("an \x1b[1munexpected\nvalue")

    monkeypatch.setattr("rollout.cli._runs.standing", broken)
    said = rollout("status")
    assert said.code == 1
    assert said.err.startswith("rollout: this is a defect in rollout: ValueError: an \\x1b[1munexpected")
    assert "--traceback" in said.err
    assert "Traceback" not in said.err
    assert "Traceback (most recent call last)" in rollout("--traceback", "status").err


def test_a_full_disk_is_not_called_a_defect(
    rollout: Typist, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    a_run(tmp_path, a_graph({"a": 1}))

    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("rollout.cli._runs.standing", full)
    said = rollout("status")
    assert said.code == 1
    assert "No space left on device" in said.err
    assert "defect" not in said.err


@pytest.mark.parametrize("words", [["apply", "--yes"], ["rehearse"]], ids=" ".join)
def test_a_run_cut_off_by_its_reader_is_not_done(tmp_path: Path, words: list[str]) -> None:
    plan = a_plan_folder(tmp_path / "folder")
    command = [sys.executable, "-m", "rollout", *words, str(plan)]
    with subprocess.Popen(
        command, cwd=tmp_path, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout
        assert process.stderr
        process.stdout.close()
        said = process.stderr.read().decode()
    assert (process.returncode, said) == (
        1,
        f"rollout: the output of `rollout {words[0]}` was closed before it had ended\n",
    )


def typed(script: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """A line as a shell reads it."""
    python = f"{shlex.quote(sys.executable)} -m rollout"
    kept = {name: value for name, value in os.environ.items() if not name.startswith("ROLLOUT_")}
    environment = {**kept, "PYTHONPATH": str(Path(__file__).parents[2])}
    return subprocess.run(
        ["bash", "-c", script.replace("rollout", python, 1)],
        cwd=folder, env=environment, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("rollout plan plan.yml --detailed-exitcode >&-", 2),
        ("rollout plan plan.yml --detailed-exitcode >&- 2>&- <&-", 2),
        ("rollout plan plan.yml --detailed-exitcode > >(exit 0)", 2),
        ("rollout plan plan.yml > >(exit 0)", 0),
        ("rollout plan nowhere.yml >&-", 65),
        ("rollout status >&-", 1),
    ],
)
def test_a_closed_output_changes_no_exit_code(tmp_path: Path, line: str, code: int) -> None:
    a_plan_folder(tmp_path / "here")
    said = typed(line, tmp_path / "here")
    assert said.returncode == code, said.stderr
    assert "defect" not in said.stderr
    assert said.stdout == ""


@pytest.mark.parametrize("words", [["status"], ["apply", "here/plan.yml", "--yes"]])
def test_a_journal_of_a_scheme_that_nobody_knows_is_no_file(
    rollout: Typist, tmp_path: Path, words: list[str]
) -> None:
    a_plan_folder(tmp_path / "here")
    said = rollout(*words, "--journal", "mysql://db/runs")
    assert said.code == 64
    assert "there is no journal of scheme mysql: it takes a path, or postgresql://..." in said.err
    assert not (tmp_path / "here" / ".rollout").exists()


def test_a_log_that_cannot_be_written_is_told_before_anything_begins(rollout: Typist, tmp_path: Path) -> None:
    a_plan_folder(tmp_path / "here")
    said = rollout("apply", "here/plan.yml", "--yes", "--log", "no/such/folder/log")
    assert said.code == 64
    assert "no/such/folder/log cannot be written: No such file or directory" in said.err
    assert not (tmp_path / "here" / ".rollout").exists()


def test_the_help_shows_no_marks_of_its_source(rollout: Typist) -> None:
    assert "\\" not in rollout("--help").out


def test_interrupts_are_130(rollout: Typist, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    a_run(tmp_path, a_graph({"a": 1}))

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("rollout.cli._runs.existing", interrupted)
    assert rollout("status").code == 130


def test_the_version_is_told(rollout: Typist) -> None:
    said = rollout("--version")
    assert said.code == 0
    assert said.out.startswith("rollout ")


def test_every_code_of_the_help_is_one_that_errors_use() -> None:
    from rollout import errors

    text = " ".join((cli.command.help or "").split())
    kinds = [
        kind
        for kind in vars(errors).values()
        if isinstance(kind, type) and issubclass(kind, errors.RolloutError)
    ]
    for code in {kind.exit_code for kind in kinds}:
        assert f"{code} " in text


def test_what_the_terminals_encoding_lacks_is_written_out(tmp_path: Path) -> None:
    """A host's words, which come while the run is carried out: an error there would end it."""
    a_run(tmp_path, a_graph({"a": 1}))
    with journal.open(str(tmp_path / ".rollout" / "journal.sqlite3")) as book:
        book.request("run", Event(Kind.RESOLVED, "日本", "a1", data={"as": "failed"}))
    done = subprocess.run(
        [sys.executable, "-m", "rollout", "events"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONIOENCODING": "latin-1"},
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert rb"\u65e5\u672c" in done.stdout


def test_the_last_line_of_a_gitlab_job_says_what_to_do_next_after_an_error_too(
    rollout: Typist, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    a_plan_folder(tmp_path)
    words = ("apply", "plan.yml", "--approved", "--journal", str(tmp_path / "runs.sqlite3"))
    assert "next:" not in rollout(*words).err
    monkeypatch.setenv("GITLAB_CI", "true")
    said = rollout(*words)
    assert said.code == 7
    assert said.err.splitlines()[-1].startswith("next: look at what the job `plan`")
    (tmp_path / "plan.yml").write_text("rollout: x\n")
    assert rollout(*words).err.splitlines()[-1].startswith("next: mend what the message names, and merge")
    assert "next: mend what" in rollout("resume", "--frob").err
    assert "next:" not in rollout("status", "--journal", "nowhere").err
