"""From events and results to one sentence: tables of what Ansible really says."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rollout.executors._inventory import write_inventory
from rollout.executors._outcome import cause, judge, read_events, task_in_progress
from rollout.executors._secrets import hide, secrets_of
from rollout.executors._text import clean, last_lines, sentence
from rollout.model.seams import Ending

TRACEBACK = (
    "Traceback (most recent call last):\n  File x, line 1\nModuleNotFoundError: No module named 'apt'\n"
)
STATS: dict[str, Any] = {
    "event": "playbook_on_stats",
    "event_data": {"ok": {"h1": 2}, "failures": {}, "dark": {}},
}


def unreachable(message: str) -> list[dict[str, Any]]:
    return [
        {
            "event": "runner_on_unreachable",
            "event_data": {"host": "h1", "task": "Ping", "res": {"msg": message}},
        },
        {"event": "playbook_on_stats", "event_data": {"ok": {"h1": 1}, "dark": {"h1": 1}, "failures": {}}},
    ]


@pytest.mark.parametrize(
    ("result", "sentence"),
    [
        ({"msg": "No package matching 'nova'"}, "No package matching 'nova'"),
        (
            {"msg": "Module result deserialization failed: No start of json char found", "module_stderr": TRACEBACK, "rc": 1},
            "ModuleNotFoundError: No module named 'apt'",
        ),
        ({"msg": "MODULE FAILURE\nSee stdout/stderr for the exact error", "module_stdout": "sh: 1: python3: not found"}, "sh: 1: python3: not found"),
        ({"msg": "No start of json char found"}, "No start of json char found"),
        ({"msg": "non-zero return code", "rc": 2, "stderr": "", "stdout": "a\n\nb\nc\nd\n"}, "exit code 2: b / c / d"),
        ({"msg": "non-zero return code", "rc": 2}, "exit code 2, no output"),
        ({"msg": "", "stderr": "E: lock"}, "E: lock"),
        ({}, "the task failed and said nothing"),
        ({"censored": "the output has been hidden", "msg": "x"}, "the task's result is hidden (no_log)"),
        ({"msg": "All items completed", "results": [{"msg": "fine"}, {"failed": True, "msg": "second item"}]}, "second item"),
        ({"msg": ["a", "list"]}, "['a', 'list']"),
    ],
)  # fmt: skip
def test_the_cause_of_a_failure(result: dict[str, Any], sentence: str) -> None:
    assert cause(result) == sentence


@pytest.mark.parametrize(
    "message",
    [
        "Failed to connect to the host via ssh: Host key verification failed.",
        "@@@@ WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED! @@@@\nIt is possible that someone is doing something nasty!",
        "No ED25519 host key is known for h1 and you have requested strict checking.\r\nHost key verification failed.",
    ],
)
def test_a_refused_host_key_is_a_security_stop(message: str) -> None:
    result = judge("h1", unreachable(message), 4, "")
    assert result is not None
    assert result.ending == Ending.REFUSED


def test_the_frame_of_ssh_s_warning_does_not_push_out_the_cause() -> None:
    frame = "@" * 59
    warning = f"{frame}\n@    WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED!     @\n{frame}\nOffending ED25519 key in known_hosts:8\n"
    before = (
        'Data could not be sent to remote host "198.18.84.17". Make sure this host can be reached over ssh: '
    )

    result = judge("h1", unreachable(before + warning), 4, "")

    assert result is not None
    assert result.because == (
        "the host key was refused: WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED! Offending ED25519 key in known_hosts:8"
    )


def test_unreachable_is_told_from_a_syntax_error_of_the_same_exit_code() -> None:
    lost, wrong = (
        judge("h1", unreachable("Connection timed out"), 4, ""),
        judge("h1", [], 4, "ERROR! Syntax Error while loading YAML.\n\nmore"),
    )
    assert lost is not None
    assert wrong is not None
    assert (lost.ending, lost.because, lost.task) == (Ending.UNREACHABLE, "Connection timed out", "Ping")
    assert wrong.ending == Ending.MISFIT
    assert wrong.because == "the playbook has a mistake: Syntax Error while loading YAML."


@pytest.mark.parametrize(
    ("events", "code", "ending"),
    [
        ([STATS], 0, Ending.DONE),
        ([STATS], None, Ending.DONE),
        ([STATS], 250, Ending.FAILED),
        ([], 0, Ending.FAILED),
        ([], None, None),
        ([{"event": "runner_on_ok", "event_data": {"host": "h1"}}], None, None),
    ],
)
def test_events_decide_and_silence_is_no_success(
    events: list[dict[str, Any]], code: int | None, ending: Ending | None
) -> None:
    result = judge("h1", events, code, "")
    assert (result and result.ending) == ending


def test_a_failure_that_was_ignored_is_not_the_cause() -> None:
    failed = [
        {"event": "runner_on_failed", "event_data": {"host": "h1", "task": "A", "res": {"msg": "the cause"}}},
        {
            "event": "runner_on_failed",
            "event_data": {"host": "h1", "task": "B", "res": {"msg": "ignored"}, "ignore_errors": True},
        },
        {"event": "playbook_on_stats", "event_data": {"ok": {}, "dark": {}, "failures": {"h1": 1}}},
    ]
    result = judge("h1", failed, 2, "")
    assert result is not None
    assert (result.because, result.task) == ("the cause", "A")


def test_where_a_play_was_is_told() -> None:
    begun = {"event": "playbook_on_task_start", "event_data": {"name": "Upgrade"}}
    assert task_in_progress([]) == "no task had begun"
    assert task_in_progress([begun]) == "the last task begun was 'Upgrade', which did not end"
    ended = {"event": "runner_on_ok", "event_data": {}}
    assert task_in_progress([begun, ended]) == "the last task begun was 'Upgrade', which ended"


@given(st.text())
def test_no_text_harms_a_terminal(text: str) -> None:
    words = sentence(text)
    assert all(char.isprintable() for char in words)
    assert all(char.isprintable() or char == "\n" for char in clean(text) if not char.isspace())
    assert "\n" not in words


@given(st.text(min_size=1), st.integers(20, 600))
def test_a_sentence_keeps_to_its_limit(text: str, limit: int) -> None:
    assert len(sentence(text * 50, limit)) <= limit


def test_escape_sequences_go_whole() -> None:
    assert (
        clean("\x1b[1;31mred\x1b[0m \x1b]8;;http://x\x07link\x1b]8;;\x1b\\ \u202eabc\x9b2J")
        == "red link  abc 2J"
    )


def test_the_end_of_a_long_text_is_kept() -> None:
    words = sentence("begin " + "x " * 2000 + "the cause")
    assert (words[:5], words[-9:]) == ("begin", "the cause")


def test_a_traceback_is_its_last_line() -> None:
    assert last_lines(TRACEBACK) == "ModuleNotFoundError: No module named 'apt'"


def test_hiding_takes_the_longest_secret_first() -> None:
    assert hide("abcd-efgh and abcd", ("abcd-efgh", "abcd")) == "******** and ********"


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("cannot fetch https://bob:s3cret@mirror.example/debian", "cannot fetch https://bob:********@mirror.example/debian"),
        ("('https://:only-a-password@h', 404)", "('https://:********@h', 404)"),
        ("postgresql://bob:with@sign@h/x, ftp://a:b@c", "postgresql://bob:********@h/x, ftp://a:********@c"),
        ("https://mirror.example:8080/a@b and bob@host: no", "https://mirror.example:8080/a@b and bob@host: no"),
        ("ssh://bob@host:22/x", "ssh://bob@host:22/x"),
    ],
)  # fmt: skip
def test_a_password_in_a_url_is_blotted_out_whatever_its_variable_is_called(said: str, told: str) -> None:
    assert hide(said, ()) == told


PEM = "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIA\n-----END PRIVATE KEY-----\n"


@pytest.mark.parametrize(
    ("name", "secret", "shown"),
    [
        ("db_password", 'pa"ss\\wo  rd\té', "pa"),
        ("tls_private_key", PEM, "MC4CAQAwBQYDK2VwBCIEIA"),
        ("encryption_key", "enc-key-77", "enc-key"),
    ],
)
def test_a_secret_is_hidden_however_it_is_printed_and_before_a_text_is_cut(
    tmp_path: Path, name: str, secret: str, shown: str
) -> None:
    write_inventory(tmp_path, "h1", {name: secret, "ssh_public_key": "public-part"}, ())
    secrets = secrets_of(tmp_path / "inventory.json")
    for printed in (secret, json.dumps(secret), json.dumps(secret, ensure_ascii=False), *secret.splitlines()):
        assert shown not in hide(printed, secrets)
    assert hide("public-part", secrets) == "public-part"
    folder = tmp_path / "unit" / "job_events"
    folder.mkdir(parents=True)
    failed = {"task": secret, "res": {"msg": f"{'x' * 165}{secret}{'y' * 331}"}}
    for number, event in enumerate(
        (("runner_on_failed", failed), ("playbook_on_stats", {"failures": {"h1": 1}}))
    ):
        text = json.dumps({"event": event[0], "event_data": event[1], "created": number})
        (folder / f"{number}.json").write_text(text)
    result = judge("h1", read_events(tmp_path, secrets), 2, "")
    assert result is not None
    assert shown not in result.because + result.task


def test_a_password_that_is_a_word_of_ansible_changes_no_outcome(tmp_path: Path) -> None:
    folder = tmp_path / "unit" / "job_events"
    folder.mkdir(parents=True)
    (folder / "1.json").write_text('{"event": "playbook_on_stats", "event_data": {"ok": {"h1": 1}}}')
    result = judge("h1", read_events(tmp_path, ("playbook", "event", "h1")), 0, "")
    assert result is not None
    assert result.ending == Ending.DONE
