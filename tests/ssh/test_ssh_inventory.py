"""What the inventory's words become, and which are refused. No connection is made."""

import subprocess
import sys
from typing import Any

import pytest

from rollout.errors import SshUnsupported
from rollout.ssh.become import Become
from rollout.ssh.endpoint import resolve
from rollout.ssh.inventory import Access, read
from rollout.ssh.printable import printable

ARGUMENTS = {
    "-C -o ControlMaster=auto -o ControlPersist=60s": [],
    "-qT -o ServerAliveInterval=5 -oBatchMode=yes -o 'LogLevel ERROR'": [],
    "-J bastion,other": ["-o", "ProxyJump=bastion,other"],
    "-p2222 -l ops -4": ["-o", "Port=2222", "-o", 'User="ops"', "-4"],
    "-qp 2222": ["-o", "Port=2222"],
    "-i '~/.ssh/a key'": ["-o", 'IdentityFile="~/.ssh/a key"'],
    "-F ./ssh_config": ["-F", "./ssh_config"],
    "-o StrictHostKeyChecking=accept-new -o stricthostkeychecking=yes": [],
    "-o UserKnownHostsFile=/srv/known": ["-o", "UserKnownHostsFile=/srv/known"],
    "-o 'ProxyCommand=ssh -W %h:%p -q bastion'": ["-o", "ProxyCommand=ssh -W %h:%p -q bastion"],
    '-o ProxyCommand="ssh -o User=me -W %h:%p b"': ["-o", "ProxyCommand=ssh -o User=me -W %h:%p b"],
    "-o 'ConnectTimeout 7'": ["-o", "ConnectTimeout=7"],
}


@pytest.mark.parametrize("text", ARGUMENTS)
def test_options_are_honoured_or_knowingly_ignored(text: str) -> None:
    assert list(read("web1", {"ansible_ssh_common_args": text}).arguments) == ARGUMENTS[text]


REFUSED = {
    "-o Ciphers=aes128-ctr": "`-o Ciphers=aes128-ctr` in ansible_ssh_common_args cannot be honoured",
    "-o PubkeyAuthentication=no": "`-o PubkeyAuthentication=no` in",
    "-o StrictHostKeyChecking=no": "`-o StrictHostKeyChecking=no` in ansible_ssh_common_args is refused: host keys are",
    "-o StrictHostKeyChecking off": "`-o StrictHostKeyChecking` in ansible_ssh_common_args lacks its value",
    "-o 'StrictHostKeyChecking off'": "is refused: host keys are always checked",
    "-L 80:x:80": "`-L` in ansible_ssh_common_args cannot be honoured",
    "-vE /tmp/log": "`-E` in ansible_ssh_common_args cannot be honoured",
    "-p": "`-p` in ansible_ssh_common_args lacks its value",
    "-o Port": "`-o Port` in ansible_ssh_common_args lacks its value",
    "-o 'Port=22": "cannot be split into words",
    "bastion": "`bastion` in ansible_ssh_common_args is not an option of ssh",
    "-o '\x1b[2JFoo=1'": "`-o [2JFoo=1` in",
}


@pytest.mark.parametrize("text", REFUSED)
def test_an_option_that_cannot_be_honoured_is_named(text: str) -> None:
    with pytest.raises(SshUnsupported) as caught:
        read("web1", {"ansible_ssh_common_args": text})
    assert str(caught.value).startswith("web1: ")
    assert REFUSED[text] in str(caught.value)
    assert str(caught.value).isprintable()


VAULT = {"__ansible_vault": "$ANSIBLE_VAULT;1.1;AES256\n6162"}
VARIABLES_REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"ansible_host": "{{ address }}"}, "ansible_host is a Jinja template"),
    (
        {"ansible_become": True, "ansible_become_password": VAULT},
        "ansible_become_password is an inline vault value",
    ),
    ({"ansible_host": "-oProxyCommand=x"}, "ansible_host is not an address"),
    ({"ansible_host": "a b"}, "ansible_host is not an address"),
    ({"ansible_host": ["10.0.0.1"]}, "ansible_host is not a plain value"),
    (
        {"ansible_connection": "community.docker.docker"},
        "ansible_connection is 'community.docker.docker': only",
    ),
    ({"ansible_become": True, "ansible_become_method": "doas"}, "ansible_become_method is 'doas': only sudo"),
    ({"ansible_become": True, "ansible_become_flags": "-H -i"}, "ansible_become_flags is '-H -i': only"),
    ({"ansible_become": "perhaps"}, "ansible_become is neither yes nor no: 'perhaps'"),
    ({"ansible_ssh_host_key_checking": False}, "host keys are always checked"),
    ({"ansible_ssh_executable": "/opt/ssh"}, "ansible_ssh_executable cannot be honoured"),
    ({"ansible_timeout": "soon"}, "ansible_timeout is not a number of seconds: 'soon'"),
]


@pytest.mark.parametrize(("variables", "said"), VARIABLES_REFUSED)
def test_a_variable_that_cannot_be_honoured_is_named(variables: dict[str, Any], said: str) -> None:
    with pytest.raises(SshUnsupported) as caught:
        read("web1", variables)
    assert str(caught.value).startswith("web1: ")
    assert said in str(caught.value)


def test_without_variables_the_name_is_the_address() -> None:
    assert read("web1", {"ansible_host": "", "ansible_port": None}) == Access("web1", "web1")


def test_what_ansible_puts_first_on_its_command_line_is_first_here() -> None:
    access = read(
        "web1",
        {
            "ansible_ssh_args": "-o ConnectTimeout=3",
            "ansible_port": 2222,
            "ansible_user": {"__ansible_unsafe": "ops"},
            "ansible_ssh_common_args": "-J bastion",
            "ansible_ssh_extra_args": "-4",
        },
    )
    words = '-o ConnectTimeout=3 -o Port=2222 -o User="ops" -o ProxyJump=bastion -4'
    assert " ".join(access.arguments) == words


def test_of_two_names_the_one_that_ansible_reads_last_wins() -> None:
    access = read(
        "web1", {"ansible_ssh_host": "10.0.0.2", "ansible_host": "10.0.0.1", "ansible_ssh_pass": "secret"}
    )
    assert access.address == "10.0.0.2"
    assert access.password == "secret"
    assert "secret" not in repr(access)


def test_sudo_is_described_without_its_password() -> None:
    variables = {"ansible_become": "true", "ansible_become_pass": "secret", "ansible_sudo_user": "ops"}
    access = read("web1", {**variables, "ansible_become_flags": "-H -S -n"})
    assert access.become == Become("ops", "secret", "sudo")
    assert "secret" not in repr(access)


def test_an_endpoint_is_what_ssh_would_use(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSH_AUTH_SOCK", "/run/agent")
    words = ["-F", "none", "-o", "Port=2222", "-o", 'User="ops"', "-o", "IdentityFile=/keys/%h-%r"]
    words += [
        "-o",
        "UserKnownHostsFile=/a b /c",
        "-o",
        "GlobalKnownHostsFile=none",
        "-o",
        "ProxyCommand=relay %h %p %%",
    ]
    endpoint = resolve("web1", "WEB1.example", tuple(words))
    assert (endpoint.port, endpoint.user, endpoint.agent) == (2222, "ops", "/run/agent")
    assert endpoint.names == (f"[{endpoint.address.lower()}]:2222", endpoint.address.lower())
    assert [str(path) for path in endpoint.identities] == [f"/keys/{endpoint.address}-ops"]
    assert [str(path) for path in endpoint.known_hosts] == ["/a b", "/c"]
    assert endpoint.proxy_command == f"relay {endpoint.address} 2222 %"


def test_a_token_that_is_not_known_is_an_error() -> None:
    with pytest.raises(SshUnsupported, match="the token %C of ssh_config"):
        resolve("web1", "web1", ("-F", "none", "-o", "ProxyCommand=relay %C"))


def test_the_room_costs_nothing_until_it_connects() -> None:
    script = (
        "import sys, rollout.ssh; sys.exit(bool({'paramiko', 'subprocess', 'socket'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0


def test_text_from_a_host_becomes_one_harmless_line() -> None:
    assert printable("a\x1b[31m\r\n\tb\u202e\x00c") == "a [31m b c"
    assert printable("x" * 400, 10) == "x" * 9 + "…"
