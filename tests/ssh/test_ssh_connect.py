"""Against real sshd processes on loopback."""

import os
import re
import signal
import socket
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from rollout.errors import HostKeyRefused, HostUnreachable, SshError, SshUnsupported
from rollout.ssh import connect
from rollout.ssh.output import CAPACITY, is_cut
from tests.ssh.loopback_sshd import Sshd, Start, free_port, keygen, public


@pytest.fixture(autouse=True)
def _nothing_is_left_open() -> Iterator[None]:
    threads, files = set(threading.enumerate()), len(os.listdir("/proc/self/fd"))  # noqa: PTH208  no I/O of its own
    yield
    assert set(threading.enumerate()) <= threads
    assert len(os.listdir("/proc/self/fd")) <= files  # noqa: PTH208


def run(variables: dict[str, Any], command: str = "echo here") -> str:
    with connect("web1", variables) as connection:
        return connection.run(command).out.strip()


def with_args(sshd: Sshd, args: str) -> dict[str, Any]:
    return sshd.variables(ansible_ssh_extra_args=args)


def hashed(sshd: Sshd) -> Path:
    path = sshd.known_hosts(name="hashed")
    subprocess.run(["ssh-keygen", "-H", "-f", str(path)], check=True, capture_output=True)
    return path


def test_a_command_gives_its_code_and_both_streams(sshd: Sshd) -> None:
    with connect("web1", sshd.variables()) as connection:
        ran = connection.run("echo out; echo err >&2; exit 3")
        again = connection.run("printf '%s' \"it's\"")
    assert (ran.code, ran.out, ran.err) == (3, "out\n", "err\n")
    assert again.out == "it's"


def test_bytes_that_are_no_text_are_replaced(sshd: Sshd) -> None:
    assert run(sshd.variables(), r"printf 'a\377b'") == "a\N{REPLACEMENT CHARACTER}b"


def test_a_command_finds_its_standard_input_empty(sshd: Sshd) -> None:
    assert run(sshd.variables(), "cat; echo end") == "end"


def test_a_command_that_a_signal_ends_has_no_good_code(sshd: Sshd) -> None:
    with connect("web1", sshd.variables()) as connection:
        assert connection.run("kill -9 $$").code == -1
        assert connection.run("true").code == 0


def test_ten_megabytes_on_both_streams_are_read_and_cut(sshd: Sshd) -> None:
    script = "head -c 10000000 /dev/zero | tr '\\0' x; head -c 10000000 /dev/zero | tr '\\0' y >&2; echo end"
    with connect("web1", sshd.variables()) as connection:
        ran = connection.run(script)
    assert ran.code == 0
    assert ran.out[:CAPACITY] == "x" * CAPACITY
    assert ran.err[:CAPACITY] == "y" * CAPACITY
    assert is_cut(ran.out)
    assert is_cut(ran.err)


def test_a_hung_command_is_no_answer(sshd: Sshd) -> None:
    with connect("web1", sshd.variables()) as connection, pytest.raises(HostUnreachable) as caught:
        connection.run("echo begun; sleep 5", timeout=0.3)
    assert str(caught.value) == "web1: the command gave no answer within 0.3 s"


def test_a_host_that_freezes_is_no_answer(sshd: Sshd) -> None:
    with connect("web1", sshd.variables()) as connection:
        session = int(connection.run("ps -o ppid= -p $PPID || echo $PPID").out.split()[0])
        server = int(connection.run("echo $PPID").out)
        for frozen in {session, server} - {sshd.process.pid}:
            os.kill(frozen, signal.SIGSTOP)
        try:
            with pytest.raises(HostUnreachable, match=r"gave no answer within 0\.3 s$"):
                connection.run("true", timeout=0.3)
        finally:
            for frozen in {session, server} - {sshd.process.pid}:
                os.kill(frozen, signal.SIGCONT)


def test_a_connection_that_dies_under_a_command_is_no_answer(sshd: Sshd) -> None:
    with (
        connect("web1", sshd.variables()) as connection,
        pytest.raises(HostUnreachable, match="broke while a command"),
    ):
        connection.run("kill -9 $PPID; sleep 5")


@pytest.mark.parametrize("form", ["plain", "hashed", "wildcard", "without the port", "second file"])
def test_every_form_of_a_known_host_is_read(sshd: Sshd, form: str) -> None:
    key = public(sshd.host_key)
    files: dict[str, Path | str] = {
        "plain": sshd.known_hosts(),
        "hashed": hashed(sshd),
        "wildcard": sshd.known_hosts(f"# ours\n\n[127.0.0.?]:*,!other {key} a comment\n", "wildcard"),
        "without the port": sshd.known_hosts(f"127.0.0.1 {key}\n", "portless"),
        "second file": f"/nonexistent/known {sshd.known_hosts()}",
    }
    assert run(sshd.variables(files[form])) == "here"


def test_a_host_may_be_known_by_its_alias(sshd: Sshd) -> None:
    known = sshd.known_hosts(f"compute-1 {public(sshd.host_key)}\n", "alias")
    assert run(sshd.variables(known, ansible_ssh_extra_args="-o HostKeyAlias=compute-1")) == "here"


def test_an_unknown_key_is_refused_and_never_learned(sshd: Sshd) -> None:
    known = sshd.known_hosts("", "empty")
    with pytest.raises(HostKeyRefused) as caught:
        connect("web1", sshd.variables(known))
    printed = subprocess.run(
        ["ssh-keygen", "-l", "-f", str(sshd.host_key)], check=True, capture_output=True, text=True
    ).stdout.split()[1]
    assert str(caught.value) == (
        f"web1 ([127.0.0.1]:{sshd.port}) shows an unknown host key: it offers ssh-ed25519 {printed} (looked in {known})"
    )
    assert known.read_text() == ""


def test_a_changed_key_is_refused(sshd: Sshd, tmp_path: Path) -> None:
    other = public(keygen(tmp_path / "other"))
    known = sshd.known_hosts(f"[127.0.0.1]:{sshd.port} {other}\n", "changed")
    with pytest.raises(
        HostKeyRefused, match=r"has changed: it offers .*, but .*/changed:1 says ssh-ed25519 SHA256:"
    ):
        connect("web1", sshd.variables(known))


def test_a_key_of_another_type_than_the_known_one_is_refused(sshd: Sshd, tmp_path: Path) -> None:
    other = public(keygen(tmp_path / "other", "-t", "ecdsa"))
    known = sshd.known_hosts(f"[127.0.0.1]:{sshd.port} {other}\n", "other_type")
    with pytest.raises(HostKeyRefused, match="has changed"):
        connect("web1", sshd.variables(known))


def test_a_revoked_key_is_refused_though_it_is_known(sshd: Sshd) -> None:
    known = sshd.known_hosts(f"{sshd.known}@revoked * {public(sshd.host_key)}\n", "revoked")
    with pytest.raises(HostKeyRefused, match=r"/revoked:2 revokes"):
        connect("web1", sshd.variables(known))


def test_a_certificate_authority_is_not_taken_on_trust(sshd: Sshd) -> None:
    known = sshd.known_hosts(f"@cert-authority * {public(sshd.host_key)}\n", "authority")
    with pytest.raises(HostKeyRefused, match="only by a certificate authority"):
        connect("web1", sshd.variables(known))


def test_the_key_type_that_is_known_is_asked_for_first(start: Start, tmp_path: Path) -> None:
    rsa = keygen(tmp_path / "rsa", "-t", "rsa", "-b", "2048")
    sshd = start(f"HostKey {rsa}")
    known = sshd.known_hosts(f"[127.0.0.1]:{sshd.port} {public(rsa)}\n")
    assert run(sshd.variables(known)) == "here"


def test_a_refused_port_says_so() -> None:
    port = free_port()
    with pytest.raises(HostUnreachable) as caught:
        connect("web1", {"ansible_host": "127.0.0.1", "ansible_port": port, "ansible_ssh_args": "-F none"})
    assert str(caught.value) == f"web1: cannot connect to 127.0.0.1 port {port}: Connection refused"


def test_a_name_that_is_not_known_says_so() -> None:
    with pytest.raises(HostUnreachable, match=r"^web1: the name nowhere\.invalid cannot be looked up: "):
        connect("web1", {"ansible_host": "nowhere.invalid", "ansible_ssh_args": "-F none"})


@pytest.mark.parametrize(
    ("banner", "time", "said"),
    [(b"", 0.5, "no connection within 0.5 s"), (b"HTTP/1.1 400 Bad\r\n\r\n", 30.0, "does not speak SSH")],
)
def test_a_port_that_does_not_speak_ssh_is_unreachable(
    monkeypatch: pytest.MonkeyPatch, banner: bytes, time: float, said: str
) -> None:
    monkeypatch.setattr("rollout.ssh.remote.CONNECT_TIME", time)
    with socket.create_server(("127.0.0.1", 0)) as server:
        answered = threading.Thread(target=_answer, args=(server, banner))
        answered.start()
        variables = {
            "ansible_host": "127.0.0.1",
            "ansible_port": server.getsockname()[1],
            "ansible_ssh_args": "-F none",
        }
        with pytest.raises(HostUnreachable, match=said):
            connect("web1", variables)
        answered.join()


def _answer(server: socket.socket, banner: bytes) -> None:
    client, _ = server.accept()
    with client:
        client.sendall(banner)
        if banner:
            client.shutdown(socket.SHUT_WR)
        while client.recv(4096):
            pass


def test_a_login_that_fails_says_what_was_tried(sshd: Sshd, tmp_path: Path) -> None:
    stranger = keygen(tmp_path / "stranger")
    with pytest.raises(HostUnreachable) as caught:
        connect("web1", sshd.variables(ansible_ssh_private_key_file=str(stranger)))
    assert re.search(rf"does not let us in: {stranger} \(Authentication failed", str(caught.value))


def test_a_key_with_a_passphrase_says_so(sshd: Sshd, tmp_path: Path) -> None:
    locked = keygen(tmp_path / "locked")
    subprocess.run(["ssh-keygen", "-q", "-p", "-P", "", "-N", "secret", "-f", str(locked)], check=True)
    with pytest.raises(HostUnreachable, match=r"locked \(cannot be used: .*(passphrase|password|encrypted)"):
        connect("web1", sshd.variables(ansible_ssh_private_key_file=str(locked)))


def test_a_missing_key_file_says_so(sshd: Sshd) -> None:
    with pytest.raises(HostUnreachable, match=r"no key to try: /nonexistent/key not found"):
        connect("web1", sshd.variables(ansible_ssh_private_key_file="/nonexistent/key"))


def test_the_agent_uses_a_key_whose_file_is_locked(sshd: Sshd, tmp_path: Path) -> None:
    sock = tmp_path / "agent"
    agent = subprocess.Popen(["ssh-agent", "-D", "-a", str(sock)], stdout=subprocess.DEVNULL)
    try:
        for _ in range(200):
            if sock.exists():
                break
            threading.Event().wait(0.01)
        environment = {**os.environ, "SSH_AUTH_SOCK": str(sock)}
        subprocess.run(
            ["ssh-add", "-q", str(sshd.client_key)], check=True, env=environment, capture_output=True
        )
        only_public = tmp_path / "key"
        only_public.with_name("key.pub").write_text(public(sshd.client_key) + "\n")
        only_public.write_text("locked away")
        variables = sshd.variables(
            ansible_ssh_private_key_file=str(only_public), ansible_ssh_args=f"-o IdentityAgent={sock}"
        )
        assert run(variables) == "here"
    finally:
        agent.terminate()
        agent.wait()


def test_ssh_config_is_read_as_ssh_reads_it(sshd: Sshd, tmp_path: Path) -> None:
    included = tmp_path / "included"
    included.write_text(
        f"Host web?\n  HostName 127.0.0.1\n  Port {sshd.port}\n  IdentityFile {sshd.client_key}\n"
    )
    config = tmp_path / "config"
    config.write_text(
        f"Include {included}\nMatch host 127.0.0.1\n  UserKnownHostsFile {sshd.known_hosts()}\n"
        "Host *\n  StrictHostKeyChecking no\n  ControlMaster auto\n  ControlPath /nonexistent/%C\n  ForwardAgent yes\n"
    )
    assert run({"ansible_ssh_common_args": f"-F {config}"}) == "here"
    sshd.known_hosts("")
    with pytest.raises(HostKeyRefused, match="unknown host key"):
        connect("web1", {"ansible_ssh_common_args": f"-F {config}"})


def test_a_host_is_reached_through_jump_hosts(start: Start, sshd: Sshd, tmp_path: Path) -> None:
    first, second = start(), start()
    config = tmp_path / "config"
    config.write_text(
        "".join(
            f"Host {name}\n  HostName 127.0.0.1\n  Port {hop.port}\n  IdentityFile {hop.client_key}\n"
            f"  IdentitiesOnly yes\n  UserKnownHostsFile {hop.known_hosts()}\n"
            for name, hop in (("first", first), ("second", second), ("web1", sshd))
        )
        + "Host web1\n  ProxyJump first,second\n"
    )
    variables = {"ansible_ssh_common_args": f"-F {config}"}
    assert run(variables, "echo $SSH_CONNECTION").split()[3] == str(sshd.port)
    assert run({"ansible_ssh_common_args": f"-F {config} -J second"}) == "here"
    second.known_hosts("")
    with pytest.raises(
        HostKeyRefused, match=rf"^web1 \(\[127.0.0.1\]:{second.port}\) shows an unknown host key"
    ):
        connect("web1", variables)
    second.known_hosts()
    closed = free_port()
    with pytest.raises(
        HostUnreachable, match=rf"the jump host .*:{second.port} cannot connect to 127.0.0.1 port {closed}"
    ):
        connect("web1", {**variables, "ansible_port": closed})


def test_a_loop_of_jump_hosts_is_an_error(tmp_path: Path) -> None:
    config = tmp_path / "config"
    config.write_text("Host web1\n  ProxyJump web2\nHost web2\n  ProxyJump web1\n")
    with pytest.raises(SshUnsupported, match="a loop"):
        connect("web1", {"ansible_ssh_common_args": f"-F {config}"})


def test_a_proxy_command_is_run_and_ended(sshd: Sshd) -> None:
    relay = sshd.folder / "relay.py"
    relay.write_text(
        "import os, select, socket, sys\n"
        "peer = socket.create_connection((sys.argv[1], int(sys.argv[2])))\n"
        "while True:\n"
        "    for ready in select.select([0, peer], [], [])[0]:\n"
        "        data = os.read(ready if ready == 0 else peer.fileno(), 65536)\n"
        "        if not data: sys.exit()\n"
        "        os.write(peer.fileno() if ready == 0 else 1, data)\n"
    )
    assert run(with_args(sshd, f"-o ProxyCommand='python3 {relay} %h %p'")) == "here"


def test_a_proxy_command_that_fails_has_the_last_word(sshd: Sshd) -> None:
    with pytest.raises(HostUnreachable, match=r"does not speak SSH with us: no route to %h$"):
        connect("web1", with_args(sshd, "-o ProxyCommand='sh -c \"echo no route to %%h >&2\"'"))


def test_a_setting_of_ssh_config_that_cannot_be_honoured_is_named(tmp_path: Path) -> None:
    config = tmp_path / "config"
    config.write_text("Host *\n  RevokedHostKeys /etc/ssh/revoked\n")
    with pytest.raises(
        SshUnsupported, match="ssh_config sets revokedhostkeys to '/etc/ssh/revoked' for web1"
    ):
        connect("web1", {"ansible_ssh_common_args": f"-F {config}"})


def test_ssh_itself_may_refuse_its_configuration(tmp_path: Path) -> None:
    with pytest.raises(SshUnsupported, match="ssh refuses its configuration: Can't open user config file"):
        connect("web1", {"ansible_ssh_common_args": f"-F {tmp_path}/missing"})


def test_a_machine_without_ssh_is_told_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    with pytest.raises(SshError, match="install openssh-client"):
        connect("web1", {})


FAKE_SUDO = """#!/bin/sh
# takes `secret`; -n refuses when NOPASS is not beside it
echo "We trust you have received the usual lecture" >&2
case " $* " in
*" -n "*) [ -e "$0.free" ] || { echo "sudo: a password is required" >&2; exit 1; } ;;
*" -S "*) read -r given; [ "$given" = secret ] || { echo "sudo: no password was provided" >&2; exit 1; } ;;
esac
while [ "$1" != -- ]; do [ "$1" = -u ] && export BECAME="$2"; shift; done
shift
exec "$@"
"""


@pytest.fixture
def sudo(tmp_path: Path) -> Path:
    path = tmp_path / "sudo"
    path.write_text(FAKE_SUDO)
    path.chmod(0o755)
    return path


def become(sshd: Sshd, sudo: Path, **more: Any) -> dict[str, Any]:
    user: dict[str, Any] = {
        "ansible_become": True,
        "ansible_become_exe": str(sudo),
        "ansible_become_user": "someone",
    }
    return sshd.variables(**user, **more)


def test_become_gives_sudo_its_password_and_the_command_none_of_it(sshd: Sshd, sudo: Path) -> None:
    with connect("web1", become(sshd, sudo, ansible_become_password="secret")) as connection:
        ran = connection.run("echo $BECAME; cat; echo words >&2; exit 4")
    assert (ran.code, ran.out, ran.err) == (4, "someone\n", "words\n")


def test_become_without_a_password_never_asks(sshd: Sshd, sudo: Path) -> None:
    sudo.with_name("sudo.free").touch()
    assert run(become(sshd, sudo), "echo $BECAME") == "someone"


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({}, "web1: sudo did not become someone: sudo: a password is required"),
        (
            {"ansible_become_password": "wrong"},
            "web1: sudo did not become someone: sudo: no password was provided",
        ),
        ({"ansible_become_exe": "/nonexistent/sudo"}, "not found|No such file"),
    ],
)
def test_a_sudo_that_refuses_is_not_the_commands_answer(
    sshd: Sshd, sudo: Path, more: dict[str, Any], said: str
) -> None:
    variables = {**become(sshd, sudo), **more}
    with connect("web1", variables) as connection, pytest.raises(HostUnreachable, match=said) as caught:
        connection.run("true")
    assert "wrong" not in str(caught.value)


def test_whoever_is_that_user_already_needs_no_sudo(sshd: Sshd) -> None:
    user = sshd.variables()["ansible_user"]
    missing: dict[str, Any] = {
        "ansible_become": "yes",
        "ansible_become_exe": "/nonexistent/sudo",
        "ansible_become_user": user,
    }
    assert run(sshd.variables(**missing)) == "here"
