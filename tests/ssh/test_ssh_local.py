"""`ansible_connection: local` and the public fake."""

import re
from pathlib import Path

import pytest

from rollout.errors import HostUnreachable
from rollout.model.seams import Ran
from rollout.ssh import connect
from rollout.ssh.output import CAPACITY, is_cut
from rollout.ssh.testing import FakeConnection

LOCAL = {"ansible_connection": "local"}


def test_a_local_connection_runs_commands_here(tmp_path: Path) -> None:
    with connect("here", LOCAL) as connection:
        ran = connection.run(f"touch {tmp_path}/made; cat; echo out; echo err >&2; exit 3")
    assert ran == Ran(3, "out\n", "err\n")
    assert (tmp_path / "made").exists()


def test_a_signal_is_no_good_code() -> None:
    with connect("here", LOCAL) as connection:
        assert connection.run("kill -9 $$").code == -1


def test_a_hung_command_is_killed_with_its_children() -> None:
    with connect("here", LOCAL) as connection:
        for script in ("sleep 5 & wait", "exec >/dev/null 2>&1; sleep 5"):
            with pytest.raises(HostUnreachable, match=r"^here: the command gave no answer within 0\.2 s$"):
                connection.run(script, timeout=0.2)


def test_much_output_is_cut() -> None:
    with connect("here", LOCAL) as connection:
        ran = connection.run("head -c 3000000 /dev/zero | tr '\\0' x")
    assert is_cut(ran.out)
    assert ran.out.count("x") == CAPACITY
    assert not is_cut(ran.err)


def test_sudo_serves_locally_too(tmp_path: Path) -> None:
    sudo = tmp_path / "sudo"
    sudo.write_text(
        '#!/bin/sh\nread -r given\n[ "$given" = secret ] || exit 1\nwhile [ "$1" != -- ]; do shift; done\nshift\nexec "$@"\n'
    )
    sudo.chmod(0o755)
    become = {"ansible_become": True, "ansible_become_user": "someone", "ansible_become_exe": str(sudo)}
    with connect("here", {**LOCAL, **become, "ansible_become_password": "secret"}) as connection:
        assert connection.run("cat; echo in") == Ran(0, "in\n", "")
    with connect("here", {**LOCAL, **become, "ansible_become_password": "wrong"}) as connection:
        refused = pytest.raises(HostUnreachable, match="sudo did not become someone: exit code 1")
        with refused:
            connection.run("true")


def test_the_fake_answers_from_its_table() -> None:
    answers: dict[str | re.Pattern[str], Ran | Exception] = {
        "true": Ran(0, "", ""),
        re.compile("^uname"): Ran(0, "6.1", ""),
        "boom": HostUnreachable("gone"),
    }
    with FakeConnection(answers) as connection:
        assert connection.run("true").code == 0
        assert connection.run("uname -r").out == "6.1"
        with pytest.raises(HostUnreachable, match="gone"):
            connection.run("boom")
        with pytest.raises(LookupError, match="'false'"):
            connection.run("false")
    assert connection.ran == ["true", "uname -r", "boom", "false"]
    assert connection.closed
