"""Servers that OpenSSH's would not be: passwords without PAM, a second factor, an `exec` that is never answered."""

import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import paramiko
import pytest

from rollout.errors import HostUnreachable
from rollout.ssh import connect
from tests.ssh.loopback_sshd import keygen, public


class Server(paramiko.ServerInterface):
    """Lets in whoever has the password; asks for a code besides with `second`; never answers `exec`."""

    def __init__(self, second: bool, asking: bool) -> None:
        self.second = second
        self.asking = asking
        self.over = threading.Event()

    def get_allowed_auths(self, username: str) -> str:
        del username
        return "keyboard-interactive" if self.asking else "password"

    def check_auth_password(self, username: str, password: str) -> int:
        if (username, password) != ("ops", "secret") or self.asking:
            return int(paramiko.common.AUTH_FAILED)
        return int(
            paramiko.common.AUTH_PARTIALLY_SUCCESSFUL if self.second else paramiko.common.AUTH_SUCCESSFUL
        )

    def check_auth_interactive(self, username: str, submethods: str) -> Any:
        del username, submethods
        query = paramiko.server.InteractiveQuery("", "")
        query.add_prompt("Password:", echo=False)
        return query

    def check_auth_interactive_response(self, responses: list[str]) -> int:
        right = list(responses) == ["secret"]
        return int(paramiko.common.AUTH_SUCCESSFUL if right else paramiko.common.AUTH_FAILED)

    def check_channel_request(self, kind: str, chanid: int) -> int:
        del kind, chanid
        return int(paramiko.common.OPEN_SUCCEEDED)

    def check_channel_exec_request(self, channel: paramiko.Channel, command: bytes) -> bool:
        del channel, command
        self.over.wait(30)
        return False


@pytest.fixture
def served(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[dict[str, Any]]:
    """The hostvars of such a server; the parameter is its settings."""
    key = keygen(tmp_path / "host_key")
    server = Server(**{"second": False, "asking": False, **getattr(request, "param", {})})
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
        (tmp_path / "known_hosts").write_text(f"[127.0.0.1]:{port} {public(key)}\n")
        transports: list[paramiko.Transport] = []

        def serve() -> None:
            sock, _ = listening.accept()
            transport = paramiko.Transport(sock)
            transports.append(transport)
            transport.add_server_key(paramiko.Ed25519Key.from_private_key_file(str(key)))
            transport.start_server(server=server, event=threading.Event())

        thread = threading.Thread(target=serve)
        thread.start()
        yield {
            "ansible_host": "127.0.0.1",
            "ansible_port": port,
            "ansible_user": "ops",
            "ansible_password": "secret",
            "ansible_ssh_args": f"-F none -o UserKnownHostsFile={tmp_path}/known_hosts -o IdentityAgent=none "
            "-o IdentitiesOnly=yes -i /nonexistent/key",
        }
        thread.join()
        server.over.set()
        for transport in transports:
            transport.close()
            transport.join()


def test_a_password_lets_us_in_and_an_exec_without_an_answer_is_given_up(served: dict[str, Any]) -> None:
    with connect("web1", served) as connection, pytest.raises(HostUnreachable) as caught:
        connection.run("true", timeout=0.2)
    assert str(caught.value) == "web1: the command gave no answer within 0.2 s"


@pytest.mark.parametrize("served", [{"asking": True}], indirect=True)
def test_a_host_that_asks_for_the_password_is_answered(served: dict[str, Any]) -> None:
    with connect("web1", served):
        pass


def test_a_wrong_password_is_not_shown(served: dict[str, Any]) -> None:
    with pytest.raises(HostUnreachable, match=r"does not let us in: the inventory's password \(") as caught:
        connect("web1", {**served, "ansible_password": "mistaken"})
    assert "mistaken" not in str(caught.value)


@pytest.mark.parametrize("served", [{"second": True}], indirect=True)
def test_a_second_factor_is_said_to_be_wanted(served: dict[str, Any]) -> None:
    with pytest.raises(HostUnreachable, match=r"password \(taken, but password is wanted besides\)"):
        connect("web1", served)
