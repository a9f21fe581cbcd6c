"""What hosts share on the way to them, and whether they let us in."""

from pathlib import Path
from typing import Any

import pytest

from rollout.errors import HostUnreachable, SshError, SshUnsupported
from rollout.ssh.path import may_share, way
from tests.ssh.loopback_sshd import USER, Sshd, Start, free_port, keygen


def named(host: str, **variables: Any) -> str:
    found = way(
        host, {"ansible_user": "ops", "ansible_ssh_common_args": "-F none -o IdentityAgent=none", **variables}
    )
    assert found is not None
    return str(found.path)


@pytest.fixture
def key(tmp_path: Path) -> Path:
    return keygen(tmp_path / "key")


def test_hosts_of_one_credential_share_a_path_whatever_their_address(key: Path) -> None:
    one = named("g1", ansible_host="198.18.0.1", ansible_ssh_private_key_file=str(key))
    other = named("g2", ansible_host="198.18.9.2", ansible_port=2222, ansible_ssh_private_key_file=str(key))
    assert one == other == f"as ops with {key}"


def test_another_key_user_password_or_bastion_is_another_path(tmp_path: Path, key: Path) -> None:
    mine = {"ansible_ssh_private_key_file": str(key)}
    jump = "-F none -o IdentityAgent=none -J ops@b1,root@b2:2222"
    names = [
        named("g1", **mine),
        named("g1", ansible_ssh_private_key_file=str(keygen(tmp_path / "another"))),
        named("g1", **mine, ansible_ssh_user="root"),
        named("g1", **mine, ansible_password="xyzzy"),
        named("g1", **mine, ansible_ssh_common_args=jump),
    ]
    assert len(set(names)) == len(names)
    assert names[3] == f"as ops with {key} or the inventory's password"
    assert names[4] == f"through ops@b1:22 and root@b2:2222 as ops with {key}"
    assert "xyzzy" not in "".join(names)


def test_a_proxy_command_is_the_same_for_hosts_that_differ_in_their_name_alone(key: Path) -> None:
    args = "-F none -o IdentityAgent=none -o 'ProxyCommand=nc -X connect -x proxy:8080 %h %p'"
    one, other = (
        named(host, ansible_host=f"{host}.example.org", ansible_ssh_private_key_file=str(key), ansible_ssh_common_args=args)
        for host in ("g1", "g11")
    )  # fmt: skip
    assert one == other == f"through nc -X connect -x proxy:8080 HOST 22 as ops with {key}"


def test_this_machine_has_no_path() -> None:
    assert way("g1", {"ansible_connection": "local"}) is None


def test_an_option_that_cannot_be_honoured_is_no_path() -> None:
    with pytest.raises(SshUnsupported):
        named("g1", ansible_ssh_common_args="-o Tunnel=yes")


def test_what_the_inventory_says_otherwise_is_seen_without_asking_ssh(key: Path) -> None:
    mine = {"ansible_ssh_private_key_file": str(key)}
    known = way("g1", {**mine, "ansible_host": "198.18.0.1"})
    assert known is not None
    assert may_share("g2", {**mine, "ansible_host": "198.18.0.2", "ansible_port": 2222}, known.access)
    for other in (
        {},
        {**mine, "ansible_user": "ops"},
        {**mine, "ansible_password": "xyzzy"},
        {"ansible_connection": "local"},
    ):
        assert not may_share("g2", other, known.access)
    assert not may_share("g2", {**mine, "ansible_ssh_common_args": "-o Tunnel=yes"}, known.access)


def test_a_knock_is_answered_by_a_host_that_lets_us_in(sshd: Sshd) -> None:
    found = way("web1", sshd.variables())
    assert found is not None
    found.knock(20.0)
    assert found.bastion is None
    with pytest.raises(SshError, match="web1 has no bastion"):
        found.knock(20.0, at_bastion=True)


def test_a_key_that_is_not_taken_is_no_answer(sshd: Sshd, key: Path) -> None:
    found = way("web1", sshd.variables(ansible_ssh_private_key_file=str(key)))
    assert found is not None
    with pytest.raises(HostUnreachable, match="does not let us in"):
        found.knock(20.0)


def test_a_bastion_and_the_host_behind_it_are_asked_apart(start: Start, tmp_path: Path) -> None:
    bastion, behind = start(), start()
    config = tmp_path / "config"
    config.write_text(
        f"Host jump\n  HostName 127.0.0.1\n  Port {bastion.port}\n  User {USER}\n  IdentityFile {bastion.client_key}\n"
        f"Host *\n  IdentitiesOnly yes\n  IdentityAgent none\n  GlobalKnownHostsFile none\n"
        f"  UserKnownHostsFile {bastion.known_hosts(bastion.known + behind.known)}\n"
    )
    variables = {
        "ansible_host": "127.0.0.1",
        "ansible_port": behind.port,
        "ansible_user": USER,
        "ansible_ssh_private_key_file": str(behind.client_key),
        "ansible_ssh_common_args": f"-F {config} -J jump",
    }
    found = way("web1", variables)
    assert found is not None
    assert found.bastion == f"{USER}@127.0.0.1:{bastion.port}"
    found.knock(20.0)
    found.knock(20.0, at_bastion=True)

    gone = way("web1", {**variables, "ansible_port": free_port()})
    assert gone is not None
    gone.knock(20.0, at_bastion=True)
    with pytest.raises(HostUnreachable, match="cannot connect"):
        gone.knock(20.0)
