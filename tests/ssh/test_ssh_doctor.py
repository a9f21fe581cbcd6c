"""What the doctor says of the ways to hosts: real keys, real known_hosts, and a real sshd for --reach."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from rollout.cli._doctor import ways
from rollout.cli._doctor.finding import Finding, Situation
from rollout.plan.inventory import Inventory
from tests.ssh.loopback_sshd import Sshd, free_port

Variables = Mapping[str, dict[str, Any]]


def a_situation(folder: Path, hosts: Variables) -> Situation:
    inventory = Inventory(tuple(hosts), tuple(hosts), (), dict(hosts), dict.fromkeys(hosts, ()))
    return Situation(folder, "journal", "the default", inventory=inventory)


def found(folder: Path, hosts: Variables, *, reach: bool = False) -> dict[str, Finding]:
    return {one.name: one for one in ways.ways(a_situation(folder, hosts), reach=reach)}


def test_a_host_whose_key_and_host_key_are_there_is_well(sshd: Sshd, tmp_path: Path) -> None:
    said = found(tmp_path, {"a1": sshd.variables(), "a2": sshd.variables()})
    assert {name: one.word for name, one in said.items()} == {"key": "ok", "host keys": "ok"}
    assert said["key"].value == f"{sshd.client_key}, for 2 of 2 hosts"
    assert said["host keys"].source == str(sshd.folder / "known_hosts")


def test_keys_that_others_can_read_or_that_are_not_there(sshd: Sshd, tmp_path: Path) -> None:
    open_to_all = tmp_path / "key"
    open_to_all.write_bytes(sshd.client_key.read_bytes())
    open_to_all.chmod(0o644)
    said = found(tmp_path, {
        "a1": sshd.variables(ansible_ssh_private_key_file=str(open_to_all)),
        "a2": sshd.variables(ansible_ssh_private_key_file=str(tmp_path / "nowhere")),
    })  # fmt: skip
    assert said["key"].word == said["keys"].word == "bad"
    assert said["key"].advice.startswith(f"chmod 600 {open_to_all}")
    assert said["keys"].value == "none for a2"
    assert str(tmp_path / "nowhere") in said["keys"].source


def test_a_host_whose_key_nobody_knows(sshd: Sshd, tmp_path: Path) -> None:
    empty = sshd.known_hosts("", "known_nothing")
    said = found(tmp_path, {"a1": sshd.variables(), "a2": sshd.variables(empty)})
    assert (said["host keys"].word, said["host keys"].value) == ("bad", "unknown of a2")


def test_what_our_own_connection_cannot_honour_is_named(sshd: Sshd, tmp_path: Path) -> None:
    said = found(tmp_path, {"a1": sshd.variables(ansible_connection="winrm")})
    assert said["way"].word == "bad"
    assert "only ssh and local are supported" in said["way"].advice


def test_with_reach_one_host_of_each_path_is_asked(sshd: Sshd, tmp_path: Path) -> None:
    dead = sshd.variables(ansible_port=free_port())
    said = list(
        ways.ways(a_situation(tmp_path, {"a1": sshd.variables(), "a2": sshd.variables()}), reach=True)
    )
    assert [(one.word, one.value) for one in said if one.name == "reach"] == [("ok", "a1 lets us in")]
    (refused,) = [
        one for one in ways.ways(a_situation(tmp_path, {"b1": dead}), reach=True) if one.name == "reach"
    ]
    assert refused.word == "bad"
    assert refused.value == "b1 does not let us in"


def test_of_a_large_fleet_a_sample_is_looked_at(
    sshd: Sshd, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ways, "SAMPLE", 2)
    said = found(tmp_path, {f"a{number}": sshd.variables() for number in range(5)})
    assert said["host keys"].value == "known of 2 of 5 hosts"


def test_an_agent_that_does_not_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    here = a_situation(tmp_path, {})
    monkeypatch.setenv("SSH_AUTH_SOCK", str(tmp_path / "nothing"))
    assert [one.word for one in ways.agent(here)] == ["warn"]
    monkeypatch.delenv("SSH_AUTH_SOCK")
    assert [one.value for one in ways.agent(here)] == ["none"]
    assert [one.word for one in ways.client(here)] == ["ok"]
    monkeypatch.setenv("PATH", str(tmp_path))
    assert [one.word for one in ways.client(here)] == ["bad"]
