"""The classes of failure: what Ansible, sudo, ssh and Python were seen to say, and what that means for the host.

The texts are from ansible-core 2.19.14, sudo 1.9.13, OpenSSH 9.2 and CPython 2.7, 3.6 and 3.7, on real hosts.
"""

import json
from pathlib import Path
from typing import Any

import pytest

from rollout.errors import HostKeyRefused, HostUnreachable
from rollout.executors._outcome import judge, read_events, task_in_progress
from rollout.executors._printed import last_failure
from rollout.executors._unit import Result
from rollout.executors._way import cause_asked
from rollout.model.seams import Connection, Ending, Ran
from tests.executors.ansible_bench import Answers

FAILED, MISFIT, REFUSED, UNREACHABLE = Ending.FAILED, Ending.MISFIT, Ending.REFUSED, Ending.UNREACHABLE
JSON = "Module result deserialization failed: No start of json char found"
SENT = 'Task failed: Data could not be sent to remote host "198.19.60.10". Make sure this host can be reached over ssh: '
HOME_FULL = "Task failed: Failed to create temporary directory. In some cases, you may have been able to authenticate and did not have permissions"
PY37 = """Traceback (most recent call last):
  File "<stdin>", line 274, in <module>
  File "/tmp/ansible_command_payload_x/ansible_command_payload.zip/ansible/module_utils/_internal/__init__.py", line 50
    def import_controller_module(_module_name: str, /) -> t.Any:
                                                    ^
SyntaxError: invalid syntax
"""
PY36 = '  File "<stdin>", line 3\nSyntaxError: future feature annotations is not defined\n'
PY27 = '  File "<stdin>", line 40\n    zip_data: str,\n            ^\nSyntaxError: invalid syntax\n'
DISK = 'Traceback (most recent call last):\n  File "<stdin>", line 266, in <module>\nOSError: [Errno 28] No space left on device\n'
CONFFILE = (
    "dpkg: error processing package labos-base (--configure):\n end of file on stdin at conffile prompt"
)
NO_VAULT = "Task failed: Finalization of task args for 'ansible.builtin.debug' failed: Attempting to decrypt but no vault secrets found."

TOO_OLD = (
    "the host's Python is too old for this ansible-core (set ansible_python_interpreter to a newer one): "
)
NO_PYTHON = "there is no Python on the host where Ansible looks for it (ansible_python_interpreter): "
SUDO_ASKS = "sudo wants a password, and the inventory gives none (ansible_become_password): "
MISSING = "something that the playbook names is missing on the controller: "


def module(stderr: str, code: int = 1, message: str = JSON) -> dict[str, Any]:
    return {"msg": message, "module_stdout": "", "module_stderr": stderr, "rc": code}


def program(stderr: str, code: int = 100) -> dict[str, Any]:
    return {"msg": "non-zero return code", "rc": code, "stderr": stderr, "stdout": ""}


TABLE: list[tuple[dict[str, Any], Ending, str]] = [
    ({"msg": "Task failed: Missing sudo password"}, MISFIT, f"{SUDO_ASKS}Missing sudo password"),
    (module("sudo: a terminal is required to read the password; either use -S\nsudo: a password is required\n"), MISFIT, SUDO_ASKS),
    ({"msg": "Task failed: Incorrect sudo password"}, MISFIT, "the password for sudo is wrong: Incorrect sudo password"),
    (module("op is not in the sudoers file.\n"), MISFIT, "sudo does not allow it to our user: op is not in the sudoers file."),
    (module("Sorry, user op is not allowed to execute '/bin/sh' as root on h1.\n"), MISFIT, "sudo does not allow it to our user: Sorry"),
    (
        {"msg": "Task failed: Premature end of stream waiting for become success.\n>>> Standard Error\n/bin/sh: 1: sudo: not found"},
        MISFIT, "there is no sudo on the host: ",
    ),
    (module("sudo: unknown user ghost\nsudo: error initializing audit plugin sudoers_audit\n"), MISFIT, "sudo refuses to work: sudo: unknown user"),
    (
        {"msg": "Task failed: Timeout (12s) waiting for privilege escalation prompt:"},
        FAILED, "sudo waited at a prompt, or was too slow: Timeout (12s)",
    ),
    (module(""), FAILED, "the module ended with exit code 1 and said nothing, as under a sudo that refuses"),
    (module(PY36), MISFIT, f'{TOO_OLD}File "<stdin>", line 3 / SyntaxError: future feature annotations is not defined'),
    (module(PY37), MISFIT, f"{TOO_OLD}SyntaxError: invalid syntax"),
    (module(PY27), MISFIT, TOO_OLD),
    ({"msg": "ansible-core requires a minimum of Python version 3.9. Current version: 3.8.18 (default)"}, MISFIT, TOO_OLD),
    (module('  File "/tmp/x/ansible_mine_payload.zip/ansible/modules/mine.py", line 3\nSyntaxError: bad\n'), FAILED, "File "),
    (module("/bin/sh: 1: /usr/bin/python3: not found\n", 127, "The module interpreter '/usr/bin/python3' was not found."), MISFIT, NO_PYTHON),
    (module("bash: line 1: /usr/bin/python3.11: No such file or directory\n", 127), MISFIT, NO_PYTHON),
    (
        {"msg": "Failed to import the required Python library (libdnf5) on h1's Python /usr/bin/python3."},
        MISFIT, "the host lacks a Python library that the module needs: ",
    ),
    (module(DISK), MISFIT, "no space is left on the host: OSError: [Errno 28] No space left on device"),
    (program("E: You don't have enough free space in /var/cache/apt/archives/."), MISFIT, "no space is left on the host: exit code 100: E: You"),
    (program("tar: x: Cannot open: Read-only file system", 2), MISFIT, "a file system of the host is read-only: exit code 2: "),
    (program(CONFFILE), MISFIT, "a program on the host asked a question that nobody can answer: exit code 100: dpkg: error"),
    ({"msg": "Task failed: nobody is there to answer: [Confirm] Are you sure:"}, MISFIT, "the playbook asks a person: nobody is there to answer: [Confirm]"),
    ({"msg": NO_VAULT}, MISFIT, "a vault value cannot be read here: "),
    ({"reason": "the role 'nonesuch' was not found in /p/roles:/etc/ansible/roles"}, MISFIT, f"{MISSING}the role 'nonesuch'"),
    (
        {"msg": "Unexpected AnsibleActionFail error: Could not find or access 'x'\nSearched in:\n\t/p/files/x on the Ansible Controller."},
        MISFIT, f"{MISSING}Could not find or access 'x'",
    ),
    ({"msg": "All items completed", "results": [{"msg": "ok"}, {"failed": True, **module(DISK)}]}, MISFIT, "no space is left on the host: "),
    ({"censored": "hidden", "msg": "Missing sudo password"}, FAILED, "the task's result is hidden (no_log)"),
    (program("Host key verification failed.\nfatal: Could not read from remote repository.", 128), FAILED, "exit code 128: Host key"),
    ({"msg": "Failed to download remote objects and refs: Host key verification failed."}, FAILED, "Failed to download remote"),
    (module("sudo: unable to resolve host h1: Name or service not known\nKeyError: 'x'\n"), FAILED, "sudo: unable to resolve host h1"),
    (
        module("sudo: unable to resolve host h1: Name or service not known\nsudo: unable to open /etc/sudoers.d/x: Permission denied\n"),
        MISFIT, "sudo refuses to work: sudo: unable to resolve",
    ),
    (program("E: Unable to fetch some archives"), FAILED, "exit code 100: E: Unable to fetch some archives"),
]  # fmt: skip


def play(kind: str, result: dict[str, Any], *before: dict[str, Any]) -> list[dict[str, Any]]:
    count = "dark" if kind == "runner_on_unreachable" else "failures"
    return [
        *before,
        {"event": kind, "event_data": {"host": "h1", "task": "Work", "res": result}},
        {"event": "playbook_on_stats", "event_data": {count: {"h1": 1}}},
    ]


def stored(folder: Path, events: list[dict[str, Any]]) -> list[Any]:
    """By way of the files that Ansible's callback writes."""
    (folder / "unit" / "job_events").mkdir(parents=True)
    for number, event in enumerate(events):
        text = json.dumps({"created": f"2026-01-01T00:00:{number:02}", **event})
        (folder / "unit" / "job_events" / f"{number}.json").write_text(text)
    return list(read_events(folder, ()))


@pytest.mark.parametrize(("result", "ending", "because"), TABLE, ids=[row[2][:40] for row in TABLE])
def test_a_failing_task_is_put_in_its_class(
    tmp_path: Path, result: dict[str, Any], ending: Ending, because: str
) -> None:
    found = judge("h1", stored(tmp_path, play("runner_on_failed", result)), 2, "")
    assert found is not None
    assert (found.ending, found.because[: len(because)], found.task) == (ending, because, "Work")


@pytest.mark.parametrize(
    ("message", "ending", "because"),
    [
        (f"{SENT}Host key verification failed.", REFUSED, "the host key was refused: Host key verification failed."),
        (
            f"{SENT}No ED25519 host key is known for jump and you have requested strict checking.\r\nHost key verification failed.",
            REFUSED, "the host key was refused: No ED25519 host key is known for jump",
        ),
        (f"{SENT}@@@@@@\r\n@       WARNING: REVOKED HOST KEY DETECTED!               @\r\n@@@@@@", REFUSED, "the host key was refused: WARNING: REVOKED"),
        (f"{SENT}Certificate invalid: name is not a listed principal", REFUSED, "the host key was refused: Certificate invalid"),
        (
            f"{SENT}Unable to negotiate with 198.19.60.10 port 22: no matching host key type found. Their offer: ssh-rsa",
            MISFIT, "ssh here and the host's sshd have no algorithm in common: ",
        ),
        (f"{SENT}root@198.19.60.10: Permission denied (publickey).", UNREACHABLE, "root@198.19.60.10: Permission denied (publickey)."),
        (f"{SENT}ssh: Could not resolve hostname h1: Temporary failure", UNREACHABLE, "ssh: Could not resolve hostname h1"),
        (HOME_FULL, FAILED, "the host was reached, but no temporary folder can be made there: "),
    ],
)  # fmt: skip
def test_an_unreachable_host_is_put_in_its_class(
    tmp_path: Path, message: str, ending: Ending, because: str
) -> None:
    events = stored(tmp_path, play("runner_on_unreachable", {"msg": message}))
    found = judge("h1", events, 4, "")
    assert found is not None
    assert (found.ending, found.because[: len(because)]) == (ending, because)


@pytest.mark.parametrize(
    ("complaint", "ending", "because"),
    [
        ("[ERROR]: couldn't resolve module/action 'foo.bar.baz'.\nOrigin: /p/x.yml:6:7\n", MISFIT, f"{MISSING}couldn't resolve"),
        ("[ERROR]: the playbook: /p/x.yml could not be found\n", MISFIT, f"{MISSING}the playbook: /p/x.yml could not be found"),
        ("[ERROR]: YAML parsing failed: While parsing.\nOrigin: /p/x.yml:3:1\n", MISFIT, "the playbook has a mistake: YAML parsing"),
        ("[ERROR]: nobody is there to answer: Which release\n", MISFIT, "the playbook asks a person: nobody is there to answer: Which"),
        ("[ERROR]: The vault password file /p/pw was not found\n", MISFIT, "a vault value cannot be read here: The vault"),
        ("[ERROR]: something else\n", FAILED, "something else"),
        ("", FAILED, "ansible-playbook ended with 1 and said nothing"),
    ],
)  # fmt: skip
def test_what_ansible_refuses_before_it_begins_is_put_in_its_class(
    complaint: str, ending: Ending, because: str
) -> None:
    found = judge("h1", [], 1, complaint)
    assert found is not None
    assert (found.ending, found.because[: len(because)]) == (ending, because)


@pytest.mark.parametrize(
    ("before", "ending"),
    [
        ({"host": "h1", "res": {"invocation": {}, "changed": True}}, FAILED),
        ({"host": "h1", "res": {"changed": True, "rc": 0}}, MISFIT),
        ({"host": "other", "res": {"invocation": {}}}, MISFIT),
    ],
    ids=["a module", "a raw command", "elsewhere"],
)
def test_a_python_that_was_there_may_come_back_and_one_that_never_was_does_not(
    before: dict[str, Any], ending: Ending
) -> None:
    gone = module("/bin/sh: 1: /usr/bin/python3.11: not found\n", 127)
    found = judge(
        "h1", play("runner_on_failed", gone, {"event": "runner_on_ok", "event_data": before}), 2, ""
    )
    assert found is not None
    assert found.ending == ending
    assert ("went away in the middle" in found.because) == (ending == FAILED)


def printed(folder: Path, *lines: str) -> Path:
    path = folder / "stdout"
    path.write_text("".join(f"{line}\n" for line in lines))
    return path


def test_a_result_that_the_callback_emptied_is_read_from_what_ansible_printed(tmp_path: Path) -> None:
    long = json.dumps(
        {"msg": "non-zero return code", "rc": 3, "stderr": "the cause", "stdout": "x" * 800_000}
    )
    ignored = json.dumps({"msg": "not the cause"})
    text = printed(
        tmp_path,
        "TASK [Work] ****", f"fatal: [h1]: FAILED! => {long}", "TASK [Look] ****",
        f"fatal: [h1]: FAILED! => {ignored}", "...ignoring", "PLAY RECAP ****",
    )  # fmt: skip
    found = judge("h1", play("runner_on_failed", {}), 2, "", lambda: last_failure(text, ("the cause",)))
    assert found == Result(FAILED, "exit code 3: ********", "Work")


def test_an_emptied_result_of_a_loop_is_its_failing_item_s(tmp_path: Path) -> None:
    item = {"event": "runner_item_on_failed", "event_data": {"host": "h1", "res": module(DISK)}}
    found = judge("h1", play("runner_on_failed", {}, item), 2, "")
    assert found is not None
    assert found.ending == MISFIT
    line = 'failed: [h1 -> api] (item=a => {b) => {"failed": true, "msg": "the API said no"}'
    found = judge(
        "h1", play("runner_on_failed", {}), 2, "", lambda: last_failure(printed(tmp_path, line), ())
    )
    assert found == Result(FAILED, "the API said no", "Work")


@pytest.mark.parametrize("line", ["fatal: [h1]: FAILED! => {broken", "fatal: [h1]: FAILED!", "nothing"])
def test_an_emptied_result_that_cannot_be_read_says_that_it_was_too_long(tmp_path: Path, line: str) -> None:
    for text in (printed(tmp_path, line), tmp_path / "none"):
        found = judge("h1", play("runner_on_failed", {}), 2, "", lambda text=text: last_failure(text, ()))  # type: ignore[misc]
        assert found == Result(FAILED, "the task failed, and its result is too long to be kept", "Work")


def test_for_how_long_a_task_has_been_silent_is_told() -> None:
    begun = {
        "event": "playbook_on_task_start",
        "event_data": {"name": "Upgrade"},
        "created": "2026-01-01T00:00:00+00:00",
    }
    item = {"event": "runner_item_on_ok", "event_data": {}, "created": "2026-01-01T00:10:00"}
    midnight = 1767225600.0
    silent = "the last task begun was 'Upgrade', which did not end: nothing has been heard of it for"
    assert task_in_progress([begun], midnight + 1500) == f"{silent} 25 min"
    assert task_in_progress([begun, item], midnight + 1500) == f"{silent} 15 min"
    assert not task_in_progress([begun], midnight + 59).endswith("min")
    assert not task_in_progress([{**begun, "created": "?"}], midnight + 1500).endswith("min")


CLOSED = (
    "kex_exchange_identification: Connection closed by remote host Connection closed by UNKNOWN port 65535"
)


@pytest.mark.parametrize(
    ("because", "ours", "ending", "told"),
    [
        (CLOSED, HostKeyRefused("h1 (jump) shows an unknown host key"), REFUSED, "the host key was refused: h1 (jump) shows an unknown host key"),
        (CLOSED, HostUnreachable("h1: cannot connect to jump port 22"), UNREACHABLE, f"{CLOSED}; a connection of our own says: h1: cannot connect"),
        (CLOSED, OSError("no route"), UNREACHABLE, f"{CLOSED}; a connection of our own says: no route"),
        (CLOSED, None, UNREACHABLE, f"{CLOSED}; a connection of our own to h1 gets through by now"),
        ("Connection timed out", AssertionError("it is told already"), UNREACHABLE, "Connection timed out"),
        (f"on storage: {CLOSED}", AssertionError("it is another host"), UNREACHABLE, f"on storage: {CLOSED}"),
    ],
)  # fmt: skip
def test_what_ssh_keeps_to_itself_is_asked_on_a_connection_of_our_own(
    because: str, ours: Exception | None, ending: Ending, told: str
) -> None:
    def connect() -> Connection:
        if ours is not None:
            raise ours
        return Answers(Ran(0, "", ""))

    found = cause_asked(connect, "h1", Result(UNREACHABLE, because, "Work"))
    assert (found.ending, found.because[: len(told)], found.task) == (ending, told, "Work")
    failed = Result(FAILED, CLOSED)
    assert cause_asked(connect, "h1", failed) == failed
