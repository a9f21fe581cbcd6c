"""A sudo password, a bastion and vault values: for Ansible's units, for gates and for take-up's questions alike, and told to nobody.

Behind the bastion `hop` two hosts take connections from its address alone. s1 is reached by ansible_ssh_common_args, its sudo
password is an inline vault value; s2 is reached by ssh_config, its password is in a vaulted file of another vault id.
"""

import re
import shlex
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml

from rollout.lab import HostSpec
from tests.end_to_end.operating import PROGRAMS, Operator, ended
from tests.end_to_end.plans import plan
from tests.executors.ansible_bench import wait_for

pytestmark = pytest.mark.lab

SUDO = {"s1": "Pw-of-sudo-one-4711", "s2": "Pw-of-sudo-two-4712"}
TOKEN, FOUND = "token-by-inline-vault-4713", "password-by-vaulted-file-4714"
VAULTS = {"dev": "vault-password-dev-4715", "ops": "vault-password-ops-4716"}
PLANTED = (*SUDO.values(), TOKEN, FOUND, *VAULTS.values())

USER = """
useradd -m -s /bin/bash op && echo op:{password} | chpasswd
mkdir -p /home/op/.ssh && cp /root/.ssh/authorized_keys /home/op/.ssh/ && chown -R op /home/op/.ssh
echo 'op ALL=(ALL) ALL' > /etc/sudoers.d/op
"""
BEHIND = "echo 'AllowUsers op@{bastion}' >> /etc/ssh/sshd_config; kill -HUP $(pgrep -o -x sshd)"
SLOW = """echo 'DPkg::Pre-Install-Pkgs {{"sleep {seconds}";}};' > /etc/apt/apt.conf.d/99slow"""
"""A controller waits for the job of a killed unit; that of s2 is to outlast it, whichever of the two began first."""
AT_WORK = "grep -l dist-upgrade /var/lib/rollout/guard/jobs/*/name 2>/dev/null | sed 's,name$,begun,' | xargs -r ls 2>/dev/null"

TOKEN_PLAY = """---
- hosts: all
  gather_facts: false
  become: true
  environment: {ROLLOUT_MARK: "{{ rollout_mark }}"}
  tasks:
    - {ansible.builtin.command: "true"}
    - {ansible.builtin.copy: {content: "{{ service_token }}", dest: /root/token, mode: "0600"}, no_log: true}
    - {ansible.builtin.debug: {msg: "found {{ db_password | default('nothing') }}"}}
"""
CHECK_PLAY = """---
- hosts: all
  gather_facts: false
  become: true
  tasks: [{ansible.builtin.shell: ". /etc/os-release && [ $ID-$VERSION_ID = labos-2 ] && [ $(id -un) = root ]"}]
"""


def encrypted(operator: Operator, text: str, identity: str) -> str:
    command = [str(PROGRAMS / "ansible-vault"), "encrypt", "--output=-", f"--encrypt-vault-id={identity}"]
    done = subprocess.run(
        command,
        cwd=operator.folder,
        env=operator.environment(),
        input=text,
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout


def ssh_config(operator: Operator, name: str, known: Path, more: str = "") -> Path:
    """`hop` is the bastion; nothing else of this machine's configuration is read."""
    places = operator.lab.places
    path = operator.folder / name
    path.write_text(
        f"{more}Host hop\n  HostName {operator.lab.host('hop').address}\n  User op\nHost *\n  IdentityFile {places.key}\n"
        f"  IdentitiesOnly yes\n  UserKnownHostsFile {known}\n  GlobalKnownHostsFile none\n  StrictHostKeyChecking yes\n"
    )
    return path


def write_inventory(operator: Operator) -> None:
    """The two hosts; and three more names for s1, with a wrong sudo password, without one, and by a bastion that nobody knows."""
    places, folder = operator.lab.places, operator.folder
    address = {name: operator.lab.host(name).address for name in ("s1", "s2", "hop")}
    strangers = folder / "strangers"
    known = places.known_hosts.read_text().splitlines(keepends=True)
    strangers.write_text("".join(line for line in known if not line.startswith("hop,")))
    jump = ssh_config(operator, "ssh-args", places.known_hosts)
    strange = ssh_config(operator, "ssh-strange", strangers)
    behind = ssh_config(
        operator, "ssh-behind", places.known_hosts, f"Host {address['s2']}\n  ProxyJump hop\n"
    )
    by_arguments = {
        "ansible_host": str(address["s1"]),
        "ansible_ssh_common_args": f"-F {jump} -o ProxyJump=hop",
    }
    hosts: dict[str, dict[str, Any]] = {
        "s1": {**by_arguments, "ansible_become": True},
        "s2": {"ansible_host": str(address["s2"]), "ansible_ssh_common_args": f"-F {behind}"},
        "wrong": {**by_arguments, "ansible_become_password": "not-it-4717"},
        "without": by_arguments,
        "strange": {**by_arguments, "ansible_ssh_common_args": f"-F {strange} -o ProxyJump=hop"},
    }
    common = {
        "ansible_user": "op", "ansible_python_interpreter": "/usr/bin/python3", "os_release": "labos-1", "rack": "r1",
        "rollout_to_suite": "birch",
    }  # fmt: skip
    site = folder / "site"
    for sub in ("group_vars", "host_vars/s1", "host_vars/s2"):
        (site / sub).mkdir(parents=True)
    (site / "hosts.yml").write_text(yaml.safe_dump({"all": {"hosts": hosts, "vars": common}}))
    (folder / "ansible.cfg").write_text("[defaults]\nvault_identity_list = dev@dev.pw, ops@ops.pw\n")
    for name, password in VAULTS.items():
        (folder / f"{name}.pw").write_text(f"{password}\n")
    inline = {
        "service_token": (TOKEN, "group_vars/all.yml"),
        "ansible_become_password": (SUDO["s1"], "host_vars/s1/sudo.yml"),
    }
    for name, (text, file) in inline.items():
        lines = encrypted(operator, text, "dev").splitlines()
        (site / file).write_text("\n  ".join([f"{name}: !vault |", *lines]) + "\n")
    whole = f"vault_sudo: {SUDO['s2']}\ndb_password: {FOUND}\n"
    (site / "host_vars/s2/vault.yml").write_text(encrypted(operator, whole, "ops"))
    (site / "host_vars/s2/sudo.yml").write_text("ansible_become_password: '{{ vault_sudo }}'\n")


@pytest.fixture(scope="module")
def operator(operator_of: Callable[[Sequence[HostSpec]], Operator]) -> Operator:
    operator = operator_of([HostSpec(name) for name in ("s1", "s2", "hop")])
    bastion = operator.lab.host("hop").address
    for host in ("s1", "s2", "hop"):
        operator.on(host, USER.format(password=SUDO.get(host, "of-no-use")))
    for host in ("s1", "s2"):
        operator.on(host, BEHIND.format(bastion=bastion))
        operator.on(host, SLOW.format(seconds=18 if host == "s1" else 32))
    write_inventory(operator)
    for name, text in (("token", TOKEN_PLAY), ("check", CHECK_PLAY)):
        (operator.folder / "playbooks" / f"{name}.yml").write_text(text)
    return operator


def chain(operator: Operator, name: str, hosts: str) -> str:
    steps: list[dict[str, Any]] = [
        {"name": "token", "playbook": "playbooks/token.yml", "retries": 2},
        {"name": "upgrade", "playbook": "playbooks/upgrade.yml", "once": True},
        {"name": "check", "playbook": "playbooks/check.yml"},
    ]
    as_root = '[ "$(id -un)" = root ] || [ "$(hostname)" = s2 ]'  # s2 does not say ansible_become
    gates = [
        {"name": "fresh-ssh", "kind": "ssh", "when": "after check"},
        {"name": "as-root", "kind": "command", "when": "after check", "run": as_root},
    ]
    return plan(
        operator, name, hosts, steps, inventory="site", gates=gates, failures={"canary": 3, "combo": 3},
        waves={"sizes": ["100%"], "soak": "0s"},
    )  # fmt: skip


def events_of(operator: Operator, journal: str) -> str:
    return operator.typed("rollout", "events", "--json", "--journal", journal).said


def told(operator: Operator, *said: str) -> list[str]:
    """Where something planted is to be read: in what was said, on the hosts, or in a file of ours that is no secret's place."""
    found = [text[:200] for text in said if any(word in text for word in PLANTED)]
    secret = re.compile("|".join(map(re.escape, PLANTED)).encode())
    places = [
        operator.state / "lab",
        operator.state / "inventory",
    ]  # the lab's own; what Ansible gave us, open to us alone
    files = [path for path in operator.state.rglob("*") if path.is_file()]
    ours = [path for path in files if not any(place in path.parents for place in places)]
    found += [str(path) for path in ours if secret.search(path.read_bytes())]
    for host in ("s1", "s2", "hop"):
        pattern = shlex.quote("\\|".join(PLANTED))
        found += operator.on(
            host, f"grep -rl {pattern} /var/log /var/lib/rollout /tmp /home || :"
        ).splitlines()
    return found


@pytest.mark.full
def test_units_gates_and_take_up_pass_a_bastion_and_sudo_and_nobody_is_told_a_secret(
    operator: Operator,
) -> None:
    journal = ".rollout/secrets.sqlite3"
    more = ("--journal", journal, "--log", ".rollout/run.log", "--verbose")
    file = chain(operator, "secrets", "s1:s2")
    apply = operator.start("apply", file, "--yes", *more)
    wait_for(lambda: all(operator.on(host, AT_WORK) for host in ("s1", "s2")), 300)
    units = {unit.order()["host"]: unit for unit in operator.living()}

    assert operator.kill_supervisor(units["s1"])
    wait_for(lambda: list(operator.state.glob("units/*/s1/upgrade.3/order.json")), 300)
    apply.kill()
    first = ended(apply, 30)
    for unit in operator.living():
        operator.kill_supervisor(unit)
    resumed = operator.rollout("resume", *more, timeout=600)
    again = [
        operator.typed("rollout", *words, "--journal", journal)
        for words in (("events", "--json"), ("why", "s1"), ("status",), ("failures", file))
    ]
    again.append(operator.rollout("plan", file, "--probe", "-o", ".rollout/saved.json"))
    again.append(operator.rollout("doctor", file, "--reach", "--journal", journal))

    assert resumed.code == 0, first.said + resumed.said
    said = again[0].said
    assert '"host-held"' not in said, said
    assert "goes on where its guard kept it: its process died" in said
    for host in ("s1", "s2"):
        assert f"nothing of it runs on {host} any more" in said
        assert operator.upgrades(host) == 1
        assert operator.on(host, "cat /root/token") == TOKEN
        assert "AllowUsers op@" in operator.on(host, "cat /etc/ssh/sshd_config")
    assert told(operator, first.said, resumed.said, *(done.said for done in again)) == []
    assert "facts of 2 hosts: probed" in again[-2].said
    kept = [*operator.state.glob("inventory/**/*.json"), *operator.state.glob("probe/*")]
    assert len(kept) >= 2
    assert all(path.stat().st_mode & 0o077 == 0 for path in kept)


def test_what_a_retry_cannot_mend_is_told_and_not_tried_again(operator: Operator) -> None:
    journal = ".rollout/refused.sqlite3"
    file = chain(operator, "refused", "wrong:without")
    applied = operator.rollout("apply", file, "--yes", "--journal", journal)

    assert applied.code == 4, applied.said
    assert "the password for sudo is wrong: Incorrect sudo password" in applied.said
    asks = (
        "sudo wants a password, and the inventory gives none (ansible_become_password): Missing sudo password"
    )
    assert asks in applied.said
    events = events_of(operator, journal)
    assert events.count('"step-intended"') == 2
    assert "not-it-4717" not in applied.said + events


def test_a_bastion_that_nobody_knows_is_a_suspected_path_and_no_failure_of_its_host(
    operator: Operator,
) -> None:
    journal = ".rollout/strange.sqlite3"
    apply = operator.start("apply", chain(operator, "strange", "strange"), "--yes", "--journal", journal)
    wait_for(lambda: '"path-suspected"' in events_of(operator, journal), 120)
    apply.kill()
    said = ended(apply, 30).said

    assert re.search(
        r"the path through op@\S+ as op with \S+ is suspected: the bastion .* shows an unknown host key", said
    )
    assert '"step-failed"' not in events_of(operator, journal)
