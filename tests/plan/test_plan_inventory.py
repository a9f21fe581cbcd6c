"""The inventory as Ansible itself resolves it: every kind of source, patterns, what is kept, and what goes wrong."""

import json
import os
import stat
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from rollout.errors import InventoryError, PlanInvalid
from rollout.model.plan import Plan
from rollout.plan import asking
from rollout.plan.inventory import Inventory, resolve

STATIC = """\
[zeta]
h1 hw_model="Dell R650" rack=r1

[alpha]
h2 rack=r2 ansible_host=198.18.0.2
h3

[nobody]

[site:children]
alpha
zeta

[site:vars]
site=tokyo
"""

YAML = """\
all:
  children:
    alpha: {hosts: {"h[2:3]": {}}}
  hosts: {h9: }
"""

SCRIPT = """\
#!/bin/sh
echo asked >> "$(dirname "$0")/asked"
echo '{"compute": {"hosts": ["h1"]}, "_meta": {"hostvars": {"h1": {"rack": "r1"}}}}'
"""


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("ANSIBLE_HOME", str(tmp_path / ".ansible"))


@pytest.fixture(name="plan")
def _static_plan(tmp_path: Path) -> Plan:
    (tmp_path / "hosts.ini").write_text(STATIC)
    return _plan(tmp_path)


def _plan(folder: Path, inventory: tuple[str, ...] = ("hosts.ini",)) -> Plan:
    return Plan("tokyo", str(folder / "plan.yml"), inventory, "all", {"rack": "rack"}, (), ())


@pytest.fixture
def resolved(tmp_path: Path) -> Callable[[Plan], Inventory]:
    return lambda plan: resolve(plan, tmp_path / ".rollout")


Resolve = Callable[[Plan], Inventory]


def test_a_static_file(plan: Plan, resolved: Resolve) -> None:
    inventory = resolved(plan)
    assert sorted(inventory.all_hosts) == ["h1", "h2", "h3"]
    assert inventory.variables("h1") == {"hw_model": "Dell R650", "rack": "r1", "site": "tokyo"}
    assert inventory.groups("h2") == ("alpha", "site")
    assert inventory.variables("h9") == {}
    assert len({inventory.digest(host) for host in inventory.all_hosts}) == 3


@pytest.mark.parametrize(
    ("pattern", "hosts"),
    [
        ("site:!alpha", ["h1"]),
        ("alpha:&site:!h3:zeta:!nobody", ["h2", "h1"]),
        ("~h[13]", ["h1", "h3"]),
        ("alpha[0]", ["h2"]),
    ],
)
def test_a_host_pattern_means_what_ansible_says(
    plan: Plan, resolved: Resolve, pattern: str, hosts: list[str]
) -> None:
    assert sorted(resolved(replace(plan, hosts=pattern)).hosts) == sorted(hosts)


@pytest.mark.parametrize(
    ("pattern", "message"),
    [
        ("alpha:!zetta", 'no group or host of the inventory is called "zetta"; did you mean "zeta"?'),
        ("~[", '"~[" is not an Ansible host pattern'),
        (":", '":" is not an Ansible host pattern'),
        ("localhost", "the pattern selects localhost, which the inventory does not name"),
    ],
)
def test_a_pattern_that_means_nothing_is_a_mistake(
    plan: Plan, resolved: Resolve, pattern: str, message: str
) -> None:
    with pytest.raises(PlanInvalid) as caught:
        resolved(replace(plan, hosts=pattern))
    assert caught.value.problems[0].message == message


def test_folders_and_several_sources_with_variables_beside_them(tmp_path: Path, resolved: Resolve) -> None:
    (tmp_path / "site" / "group_vars").mkdir(parents=True)
    (tmp_path / "site" / "hosts.yml").write_text(YAML)
    (tmp_path / "site" / "group_vars" / "alpha.yml").write_text("rack: r7\n")
    (tmp_path / "host_vars").mkdir()
    (tmp_path / "host_vars" / "h9.yml").write_text("rack: r9\n")
    inventory = resolved(_plan(tmp_path, inventory=("site", "h8,")))
    assert sorted(inventory.all_hosts) == ["h2", "h3", "h8", "h9"]
    assert inventory.variables("h2") == {"rack": "r7"}
    assert inventory.variables("h9") == {"rack": "r9"}


def test_static_files_are_kept_for_their_owner_alone_until_one_changes(
    plan: Plan, resolved: Resolve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = resolved(plan)
    (kept,) = (tmp_path / ".rollout" / "inventory").iterdir()
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert stat.S_IMODE(kept.parent.stat().st_mode) == 0o700

    with monkeypatch.context() as away:
        away.setattr(asking, "program", _refuse)
        assert resolved(plan) == first
        (tmp_path / "group_vars").mkdir()
        (tmp_path / "group_vars" / "alpha.yml").write_text("rack: r7\n")
        with pytest.raises(InventoryError, match="asked again"):
            resolved(plan)

    assert resolved(plan).variables("h3")["rack"] == "r7"
    (other,) = (tmp_path / ".rollout" / "inventory").iterdir()
    assert other != kept


def _refuse(name: str) -> str:
    raise InventoryError(f"{name} is asked again")


def test_a_file_that_is_not_whole_is_asked_for_again(plan: Plan, resolved: Resolve, tmp_path: Path) -> None:
    first = resolved(plan)
    (kept,) = (tmp_path / ".rollout" / "inventory").iterdir()
    kept.write_text(kept.read_text()[:-20])
    assert resolved(plan) == first


def test_a_script_is_asked_each_time_and_never_kept(tmp_path: Path, resolved: Resolve) -> None:
    script = tmp_path / "hosts.sh"
    script.write_text(SCRIPT)
    script.chmod(0o755)
    plan = _plan(tmp_path, inventory=("hosts.sh",))
    assert resolved(plan).variables("h1") == {"rack": "r1"}
    assert resolved(plan).hosts == ("h1",)
    assert (tmp_path / "asked").read_text() == "asked\nasked\n"
    assert not (tmp_path / ".rollout").exists()


def test_what_is_ours_alone_becomes_no_variable_of_a_host(
    plan: Plan, tmp_path: Path, resolved: Resolve, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ROLLOUT_ID_TOKEN", "of whoever approves")
    monkeypatch.setenv("SITE", "fra")
    (tmp_path / "more.yml").write_text(
        "plugin: ansible.builtin.constructed\ncompose:\n"
        "  seen: lookup('env', 'ROLLOUT_ID_TOKEN')\n  site: lookup('env', 'SITE')\n"
    )
    found = resolved(replace(plan, inventory=("hosts.ini", "more.yml"))).variables("h1")
    assert "of whoever approves" not in str(found["seen"])
    assert "fra" in str(found["site"])


def test_a_plugin_is_asked_each_time(plan: Plan, tmp_path: Path, resolved: Resolve) -> None:
    (tmp_path / "racks.yml").write_text(
        "plugin: ansible.builtin.constructed\nkeyed_groups:\n  - {key: rack, prefix: rack}\n"
    )
    inventory = resolved(replace(plan, inventory=("hosts.ini", "racks.yml")))
    assert inventory.groups("h1") == ("rack_r1", "site", "zeta")
    assert not (tmp_path / ".rollout").exists()


def test_vaults_open_with_the_users_own_password_and_stay_sealed_without(
    plan: Plan, tmp_path: Path, resolved: Resolve
) -> None:
    (tmp_path / "password").write_text("open sesame\n")
    (tmp_path / "group_vars").mkdir()
    secret = tmp_path / "group_vars" / "zeta.yml"
    secret.write_text("bmc_password: hunter2\n")
    _vault(tmp_path, "encrypt", str(secret))
    sealed = _vault(tmp_path, "encrypt_string", "hunter3", "--name", "inline")
    (tmp_path / "group_vars" / "alpha.yml").write_text(sealed)

    with pytest.raises(InventoryError, match=r"(?i)vault|decrypt"):
        resolved(plan)

    (tmp_path / "ansible.cfg").write_text("[defaults]\nvault_password_file = password\n")
    inventory = resolved(plan)
    assert inventory.variables("h1")["bmc_password"] == "hunter2"
    assert inventory.variables("h2")["inline"]["__ansible_vault"].startswith("$ANSIBLE_VAULT")


def _vault(folder: Path, *words: str) -> str:
    done = asking._run(
        [asking.program("ansible-vault"), *words, "--vault-password-file", "password"],
        folder,
        dict(os.environ),
        60,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.decode()


def test_a_broken_source_is_an_error_with_its_cause(tmp_path: Path, resolved: Resolve) -> None:
    (tmp_path / "hosts.yml").write_text("all: {hosts: [\n")
    with pytest.raises(InventoryError, match="ansible-inventory failed") as caught:
        resolved(_plan(tmp_path, inventory=("hosts.yml",)))
    assert "hosts.yml" in str(caught.value)
    assert "flow node did not find expected node content" in str(caught.value)


def test_a_failing_script_is_an_error_with_its_words(tmp_path: Path, resolved: Resolve) -> None:
    script = tmp_path / "hosts.sh"
    script.write_text("#!/bin/sh\nprintf 'token expired \\033[31m' >&2; exit 3\n")
    script.chmod(0o755)
    with pytest.raises(InventoryError, match="token expired") as caught:
        resolved(_plan(tmp_path, inventory=("hosts.sh",)))
    assert r"the script said: token expired \x1b[31m" in str(caught.value)


def test_an_inventory_that_hangs_is_ended_with_all_it_started(tmp_path: Path) -> None:
    script = tmp_path / "hosts.sh"
    script.write_text('#!/bin/sh\n(sleep 3; touch "$(dirname "$0")/alive") & sleep 60\n')
    script.chmod(0o755)
    with pytest.raises(InventoryError, match="did not finish within 2 seconds"):
        asking.listed([str(script)], tmp_path, patience=2)
    time.sleep(2)
    assert not (tmp_path / "alive").exists()


def test_a_missing_ansible_is_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("sys.executable", str(tmp_path / "python"))
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(InventoryError, match="ansible-inventory is not installed"):
        asking.program("ansible-inventory")


@pytest.mark.parametrize("name", ["a\nb", "a\x1b[31mb", "a\u202eb", " "])
def test_a_name_that_cannot_be_printed_is_refused(tmp_path: Path, resolved: Resolve, name: str) -> None:
    script = tmp_path / "hosts.sh"
    script.write_text(f"#!/bin/sh\ncat <<'END'\n{json.dumps({'compute': {'hosts': ['h1', name]}})}\nEND\n")
    script.chmod(0o755)
    with pytest.raises(PlanInvalid, match="cannot be printed") as caught:
        resolved(_plan(tmp_path, inventory=("hosts.sh",)))
    assert caught.value.problems[0].message.isprintable()


def test_a_number_where_a_version_was_meant_is_noted(tmp_path: Path, resolved: Resolve) -> None:
    (tmp_path / "hosts.ini").write_text("h1 rack=24.10\n")
    (note,) = resolved(_plan(tmp_path)).notes
    assert (
        note
        == "factor rack: rack is a number in the inventory, such as 24.1; quote it, or 24.10 is read as 24.1"
    )


def test_cached_facts_do_not_change_a_digest() -> None:
    def host(**variables: object) -> str:
        return Inventory(("h",), ("h",), (), {"h": variables}, {}).digest("h")

    facts = {"module_setup": True, "ansible_host": "198.18.0.1"}
    assert host(**facts, ansible_uptime_seconds=1) == host(**facts, ansible_uptime_seconds=2)
    assert host(ansible_uptime_seconds=1) != host(ansible_uptime_seconds=2)
    assert host(**facts) != host(**{**facts, "ansible_host": "198.18.0.2"})
