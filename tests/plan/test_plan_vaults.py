"""What our own connections need of a host's variables: vault values opened by Ansible itself, names put in."""

import subprocess
from pathlib import Path

import pytest

from rollout.errors import SshUnsupported
from rollout.plan.asking import program
from rollout.plan.vaults import Vaults


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("plan")
    for name in ("dev", "ops"):
        (folder / f"{name}.pw").write_text(f"password of {name}\n")
    (folder / "ansible.cfg").write_text("[defaults]\nvault_identity_list = dev@dev.pw, ops@ops.pw\n")
    return folder


def sealed(folder: Path, text: str, identity: str) -> dict[str, str]:
    """As `ansible-inventory --list` gives an inline value."""
    command = [program("ansible-vault"), "encrypt", "--output=-", f"--encrypt-vault-id={identity}"]
    done = subprocess.run(command, cwd=folder, input=text, capture_output=True, text=True, check=True)
    return {"__ansible_vault": done.stdout}


def test_connection_variables_are_opened_and_no_others(folder: Path, tmp_path: Path) -> None:
    dev, ops = sealed(folder, "sudo of dev", "dev"), sealed(folder, "sudo of ops", "ops")
    variables = {
        "ansible_become_password": "{{ sudo }}", "sudo": "{{ vault_sudo }}", "vault_sudo": dev, "ansible_password": ops, "db_password": dev,
        "ansible_host": "{{ a }}-{{ b }}", "ansible_user": "{{ nobody }}", "ansible_port": 22, "ansible_loop": "{{ loop }}", "loop": "{{ loop }}",
    }  # fmt: skip
    vaults = Vaults(folder)
    found = vaults.opened("h1", variables)
    assert found == variables | {"ansible_become_password": "sudo of dev", "ansible_password": "sudo of ops"}
    vaults._folder = tmp_path / "gone"  # a value that is known is not asked for again
    assert vaults.opened("h2", {"ansible_password": dev})["ansible_password"] == "sudo of dev"
    plain = {"ansible_host": "h1", "db_password": dev}
    assert vaults.opened("h1", plain) is plain


def test_a_value_that_no_password_opens_says_so(folder: Path, tmp_path: Path) -> None:
    variables = {"ansible_become_password": sealed(folder, "x", "dev")}
    with pytest.raises(SshUnsupported) as caught:
        Vaults(tmp_path).opened("h1", variables)
    said = str(caught.value)
    assert said.startswith("h1: ansible_become_password is a vault value: ansible-vault cannot decrypt it: ")
    assert "vault" in said.partition("decrypt it: ")[2]
