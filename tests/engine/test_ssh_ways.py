"""Which hosts share a path, as the inventory and ssh_config say it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from rollout.engine.ways import SshWays
from rollout.errors import InventoryError, SshUnsupported
from tests.fleet import a_graph
from tests.scheduler.test_scheduler_paths import at_sites

ALIKE = {"ansible_user": "ops", "ansible_ssh_private_key_file": "/nowhere/key"}


@pytest.fixture
def config(tmp_path: Path) -> str:
    """b1 is the bastion of all hosts but a4, by ssh_config alone."""
    path = tmp_path / "config"
    path.write_text("Host a4\n  ProxyJump none\nHost a*\n  ProxyJump ops@b1\nHost *\n  IdentityAgent none\n")
    return f"-F {path}"


def ways(config: str, gone: str = "", **of: Mapping[str, Any]) -> SshWays:
    def variables_of(host: str) -> Mapping[str, Any]:
        if host == gone:
            raise InventoryError("it has left the inventory")
        return {**ALIKE, "ansible_ssh_common_args": config, **of.get(host, {})}

    return SshWays(a_graph({"a": 6}), variables_of)


def test_the_first_hosts_of_the_same_path_are_found_by_ssh_config_too(config: str) -> None:
    found = ways(config, a2={"ansible_user": "root"}, a5={"ansible_port": 2222})
    assert found.path("a1") == "through ops@b1:22 as ops with no key"
    assert found.path("a4") == "as ops with no key"
    assert found.fellows("a1", ["a2", "a3", "a4", "a5", "a6"], 2) == ["a3", "a5"]
    assert found.fellows("a4", ["a2", "a3", "a5", "a6"], 2) == []


def test_a_host_whose_options_cannot_be_read_is_nobodys_fellow(config: str) -> None:
    found = ways(config, "a5", a2={"ansible_ssh_extra_args": "-o Tunnel=yes"})
    assert found.fellows("a1", ["a5", "a2", "a3"], 3) == ["a3"]
    with pytest.raises(SshUnsupported):
        found.path("a2")


def test_a_site_is_part_of_a_path() -> None:
    graph = at_sites({"x": 1, "y": 1})
    found = SshWays(
        graph, lambda _host: {**ALIKE, "ansible_ssh_common_args": "-F none -o IdentityAgent=none"}
    )
    assert found.path("x1") == "as ops with no key at site x"
    assert found.fellows("x1", ["y1"], 3) == []


def test_this_machine_has_no_fellows_and_lets_itself_in() -> None:
    found = SshWays(a_graph({"a": 2}), lambda _host: {"ansible_connection": "local"})
    assert (found.path("a1"), found.fellows("a1", ["a2"], 3)) == (None, [])
    assert (found.knock("a1"), found.knock_at_bastion("a1")) == ("", None)


def test_a_knock_that_fails_says_why_without_the_name() -> None:
    found = ways("-F none -o IdentityAgent=none", a1={"ansible_host": "127.0.0.1", "ansible_port": 1})
    assert found.knock("a1") == "cannot connect to 127.0.0.1 port 1: Connection refused"
    assert found.knock_at_bastion("a1") is None
