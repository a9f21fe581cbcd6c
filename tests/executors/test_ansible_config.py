"""What of the user's configuration and environment reaches a unit."""

import configparser
import json
from pathlib import Path

from rollout.executors._config import (
    BECOME,
    PATHS,
    SSH,
    WORDS,
    ansible_cfg,
    environment,
    passed_through,
    users_file,
)
from rollout.executors._inventory import write_inventory
from rollout.executors._secrets import secrets_of


def read(text: str) -> configparser.RawConfigParser:
    parser = configparser.RawConfigParser()
    parser.read_string(text)
    return parser


def test_the_users_environment_is_let_through_by_a_list() -> None:
    found = environment({
        "PATH": "/bin", "SSH_AUTH_SOCK": "/s", "OS_CLOUD": "tokyo", "ANSIBLE_ROLES_PATH": "/r", "ANSIBLE_CONFIG": "/x",
        "ANSIBLE_HOST_KEY_CHECKING": "False", "ANSIBLE_STRATEGY": "free", "ANSIBLE_FORKS": "50", "JOB_ID": "7",
        "AWX_LIB_DIRECTORY": "/a", "ROLLOUT_MARK": "m", "ROLLOUT_JOURNAL": "postgresql://me:pw@db/x", "PGPASSWORD": "pw", "LC_ALL": "ja_JP", "ANSIBLE_VAULT_PASSWORD_FILE": "vault",
    }, Path("/home/me"))  # fmt: skip
    assert found == {
        "PATH": "/bin", "SSH_AUTH_SOCK": "/s", "OS_CLOUD": "tokyo", "ANSIBLE_ROLES_PATH": "/r",
        "ANSIBLE_VAULT_PASSWORD_FILE": "/home/me/vault", "LC_ALL": "C.UTF-8",
    }  # fmt: skip


def test_the_users_file_is_let_through_by_a_list_with_absolute_paths(tmp_path: Path) -> None:
    file = tmp_path / "ansible.cfg"
    file.write_text("""
[defaults]
strategy = free
forks = 50
host_key_checking = False
roles_path = roles:/opt/roles:{{CONFIG_DIR}}/more
vault_identity_list = dev@vault/dev, ops@prompt
remote_user = admin ; not root
[ssh_connection]
retries = 3
ssh_args = -F ssh.cfg -o ControlPath=/tmp/%h -oControlMaster=no -o ProxyJump=bastion
""")
    users = passed_through(users_file(tmp_path, {}))
    assert users["defaults"] == {
        "roles_path": f"{tmp_path}/roles:/opt/roles:{tmp_path}/more",
        "vault_identity_list": f"dev@{tmp_path}/vault/dev, ops@prompt",
        "remote_user": "admin",
    }
    ours = read(ansible_cfg(users))
    assert ours["ssh_connection"]["ssh_args"].endswith("-o BatchMode=yes -F ssh.cfg -o ProxyJump=bastion")
    assert ours["ssh_connection"]["retries"] == "0"
    assert (ours["defaults"]["forks"], ours["defaults"]["host_key_checking"]) == ("1", "True")
    assert "strategy" not in ours["defaults"]


def test_the_guide_lists_every_key() -> None:
    guide = (Path(__file__).parents[2] / "docs" / "guides" / "execution.md").read_text()
    missing = [key for key in (*PATHS, *WORDS, *BECOME, *SSH) if f"`{key}`" not in guide]
    assert not missing


def test_a_host_with_a_password_may_be_asked_for_it() -> None:
    assert "BatchMode" not in read(ansible_cfg({}, password=True))["ssh_connection"]["ssh_args"]


def test_a_file_in_a_world_writable_folder_is_not_the_users(tmp_path: Path) -> None:
    (tmp_path / "ansible.cfg").write_text("[defaults]\nremote_user = mallory\n")
    tmp_path.chmod(0o777)
    assert "remote_user" not in passed_through(users_file(tmp_path, {})).get("defaults", {})


def test_a_file_that_is_no_configuration_passes_nothing(tmp_path: Path) -> None:
    file = tmp_path / "mine.cfg"
    file.write_text("no section\n")
    assert passed_through(users_file(tmp_path, {"ANSIBLE_CONFIG": str(file)})) == {}


def test_an_inventory_of_one_host_knows_its_groups(tmp_path: Path) -> None:
    write_inventory(tmp_path, "h1", {"rack": "r1"}, ("all", "compute", "ungrouped"))
    assert json.loads((tmp_path / "inventory.json").read_text()) == {
        "_meta": {"hostvars": {"h1": {"rack": "r1"}}},
        "all": {"hosts": ["h1"]},
        "compute": {"hosts": ["h1"]},
        "ungrouped": {"hosts": ["h1"]},
    }


def test_secrets_are_known_by_their_names(tmp_path: Path) -> None:
    variables = {
        "ansible_become_pass": "alpha-1", "api_key": 12345, "db": {"passwords": ["beta-2", {"old": "gamma-3"}]}, "rack": "r1",
        "vault_password_file": "/path", "password": "abc", "token": "{{ lookup('env', 'T') }}", "secret_enabled": True,
    }  # fmt: skip
    write_inventory(tmp_path, "h1", variables, ())
    assert set(secrets_of(tmp_path / "inventory.json")) == {"alpha-1", "12345", "beta-2", "gamma-3"}
    assert secrets_of(tmp_path / "none.json") == ()
