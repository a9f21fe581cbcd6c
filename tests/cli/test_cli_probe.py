"""`plan --probe` and `init --from`, on hosts that are this machine."""

import json
import shlex
import stat
import sys
from pathlib import Path

import pytest

from tests.cli.worlds import Typist

HERE = f"{{ansible_connection: local, rollout_probe_become: false, ansible_python_interpreter: {shlex.quote(sys.executable)}}}"

PLAN = """rollout: probed
inventory: hosts.yml
hosts: all
factors: {os: {probe: os}, kernel: "{kernel}"}
combos: [{name: all, match: {os: "*"}, to: {os: debian-99}}]
steps: [{name: upgrade, playbook: upgrade.yml, once: true}]
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two hosts that answer, and one that does not."""
    (tmp_path / "hosts.yml").write_text(
        f"all:\n  vars: {HERE}\n  hosts:\n    a: {{rack: r1}}\n    b: {{bmc_password: hunter2-hunter2, rack: r2}}\n"
        "    gone: {ansible_connection: ssh, ansible_host: 127.0.0.1, ansible_port: 9, rack: r2}\n"
    )
    (tmp_path / "plan.yml").write_text(PLAN)
    (tmp_path / "upgrade.yml").write_text("- hosts: all\n")
    return tmp_path


def _known(folder: Path) -> dict[str, dict[str, str | list[str]]]:
    lines = (folder / ".rollout" / "probe" / "hosts.jsonl").read_text().splitlines()
    return {host: facts for host, _, _, facts in map(json.loads, lines)}


def test_a_probe_supplies_what_the_inventory_lacks(rollout: Typist, folder: Path) -> None:
    said = rollout("validate", "plan.yml")
    assert said.code == 65
    assert "factor os: 3 hosts (a, b, gone) have no hostvar, fact or probe result" in said.err
    assert "`rollout plan --probe`" in said.err

    said = rollout("plan", "plan.yml", "--probe")
    assert said.code == 65
    assert "probed 2 of 3 hosts\n  gone could not be asked: unreachable, " in said.err
    assert "factor os: host gone has no hostvar, fact or probe result" in said.err
    assert _known(folder).keys() == {"a", "b"}
    assert _known(folder)["a"]["kernel"]
    assert "hunter2" not in (folder / ".rollout" / "probe" / "hosts.jsonl").read_text()
    assert {path.name for path in (folder / ".rollout").iterdir()} == {"inventory", "probe"}

    (folder / "plan.yml").write_text(PLAN.replace("hosts: all", 'hosts: "!gone:all"'))
    said = rollout("plan", "plan.yml")
    assert said.code == 0, said.err
    assert "facts of 2 hosts: probed less than a minute ago" in said.out
    first = json.loads(rollout("plan", "plan.yml", "--json").out.splitlines()[0])
    assert (
        first["digest"]
        == json.loads(rollout("plan", "plan.yml", "--probe", "--json").out.splitlines()[0])["digest"]
    )


def test_a_host_that_does_not_answer_keeps_what_it_said_before(rollout: Typist, folder: Path) -> None:
    rollout("plan", "plan.yml", "--probe")
    before = _known(folder)
    hosts = (folder / "hosts.yml").read_text()
    (folder / "hosts.yml").write_text(
        hosts.replace("a: {rack: r1}", "a: {rack: r1, ansible_connection: ssh, ansible_port: 9}")
    )
    said = rollout("plan", "plan.yml", "--probe")
    assert "a could not be asked: unreachable, " in said.err
    assert "; what an earlier probe has found stays" in said.err
    assert _known(folder) == before


OWN = """- hosts: all
  gather_facts: false
  tasks:
    - ansible.builtin.set_stats:
        data: {rollout_found: {probe: ["os\\tmine", "leak\\tx {{ bmc_password | default('') }}", "pci\\ta", "pci\\tb", "told\\tall"]}}
"""


def test_a_probe_beside_the_plan_is_ones_own_and_no_secret_is_kept(rollout: Typist, folder: Path) -> None:
    (folder / "playbooks").mkdir()
    (folder / "playbooks" / "probe.yml").write_text(OWN)
    (folder / "plan.yml").write_text(
        PLAN.replace(', kernel: "{kernel}"', "").replace("hosts: all", 'hosts: "!gone:all"')
    )
    said = rollout("plan", "plan.yml", "--probe")
    assert said.code == 0, said.err
    assert _known(folder) == {
        "a": {"os": "mine", "leak": "x", "pci": ["a", "b"]},
        "b": {"os": "mine", "leak": "x ********", "pci": ["a", "b"]},
    }


def test_a_plan_is_drafted_for_an_inventory_and_its_hosts(rollout: Typist, folder: Path) -> None:
    (folder / "upgrade.yml").unlink()
    said = rollout("init", "new", "--from", "hosts.yml", "--hosts", "!gone:all", "--probe")
    assert said.code == 0, said.err
    assert "2 hosts in 1 combo" in said.out
    written = (folder / "new" / "plan.yml").read_text()
    assert written.startswith("# yaml-language-server: $schema=plan.schema.json\n")
    assert 'inventory: "../hosts.yml"\n' in written
    assert json.loads((folder / "new" / "plan.schema.json").read_text())["properties"]["rollout"]
    said = rollout("validate", "new/plan.yml")
    assert said.code == 0, said.err
    assert stat.S_IMODE((folder / "new" / ".rollout").stat().st_mode) == 0o700


def test_blanks_of_a_drafted_plan_are_named_at_their_place(rollout: Typist, tmp_path: Path) -> None:
    (tmp_path / "hosts.yml").write_text(
        "all: {hosts: {a: {os_release: centos-7}, b: {os_release: debian-12}}}"
    )
    said = rollout("init", "--from", "hosts.yml")
    assert "2 hosts in 2 combos; 1 blank to fill in" in said.out
    said = rollout("validate", "plan.yml")
    lines = (tmp_path / "plan.yml").read_text().splitlines()
    (number,) = [number for number, line in enumerate(lines, 1) if "FILL IN" in line]
    assert said.code == 65
    assert said.err.splitlines() == [f"plan.yml:{number}:7: os has no value"]
    (tmp_path / "plan.yml").write_text(
        (tmp_path / "plan.yml").read_text().replace("os:            #", "os: rocky-8 #")
    )
    assert rollout("validate", "plan.yml").code == 0


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("--from", "nowhere.yml"), 64, "inventory nowhere.yml does not exist"),
        (("--from", "hosts.yml", "--hosts", "compte"), 64, 'no group or host of the inventory is called "compte"; did you mean "compute"?'),
        (("--from", "hosts.yml", "--hosts", "empty"), 64, "the pattern empty selects no host of hosts.yml"),
        (("--from", "hosts.yml"), 64, "nothing in the inventory tells what the hosts run"),
        (("--hosts", "compute"), 64, "--hosts and --probe need --from INVENTORY"),
        (("--from", "broken.yml"), 1, "ansible-inventory failed"),
        (("here", "--from", "hosts.yml"), 64, "here/plan.yml: already there; --force overwrites"),
    ],
)  # fmt: skip
def test_what_cannot_be_drafted_is_one_clear_error(
    rollout: Typist, tmp_path: Path, words: tuple[str, ...], code: int, said: str
) -> None:
    (tmp_path / "hosts.yml").write_text("compute: {hosts: {a: {x: 1}}}\nempty: {hosts: {}}\n")
    (tmp_path / "broken.yml").write_text("all: [")
    (tmp_path / "here").mkdir()
    (tmp_path / "here" / "plan.yml").write_text("mine")
    found = rollout("init", *words)
    assert (found.code, said in found.err) == (code, True), found.err
    assert not (tmp_path / "plan.yml").exists()
    assert (tmp_path / "here" / "plan.yml").read_text() == "mine"


def test_playbooks_that_are_there_stay(rollout: Typist, tmp_path: Path) -> None:
    (tmp_path / "hosts.yml").write_text("all: {hosts: {a: {os_release: debian-12}}}")
    (tmp_path / "playbooks").mkdir()
    (tmp_path / "playbooks" / "upgrade.yml").write_text("- hosts: mine\n")
    assert rollout("init", "--from", "hosts.yml").code == 0
    assert [path.name for path in (tmp_path / "playbooks").iterdir()] == ["upgrade.yml"]
    assert rollout("init", "--from", "hosts.yml").code == 64
    assert rollout("init", "--from", "hosts.yml", "--force").code == 0
    assert "mine" not in (tmp_path / "playbooks" / "upgrade.yml").read_text()
