"""Secrets of every kind are planted in a plan's inventory, its playbooks' failures and the environment; no command may tell them.

Vault values in both forms, passwords, what `no_log` hides, and URLs that hold a password. Every command is typed, every file that
rollout has written is read.
"""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from rollout.plan.asking import program
from tests.cli.worlds import Said, Typist

WHOLE, INLINE, SUDO = "planted-in-whole-file-4801", "planted-inline-4802", "planted-for-sudo-4803"
PLAIN, HIDDEN, URL = "planted-in-the-open-4804", "planted-under-no-log-4805", "planted-in-a-url-4806"
VAULT, JOURNAL = "planted-as-vault-password-4807", "planted-in-journal-url-4808"
PLANTED = re.compile("planted-[a-z-]+-48[0-9]+")

PLAN = """rollout: secretive
inventory: inventory
hosts: all
factors: {hardware: hw, os: os}
combos:
  - {name: a, match: {hardware: a}, to: {os: new}, require: {bios: ">=1"}}
  - {name: b, match: {hardware: b}, to: {os: new}, require: {bios: ">=1"}}
steps:
  - {name: upgrade, playbook: upgrade.yml, timeout: 5m}
waves: {sizes: [100%], soak: 0s}
limits: {at_once: 4}
failures: {canary: 4}
risks: risks.yml
otherwise: exclude
"""
RISKS = """- {name: no-space, symptom: "No space left", hold: make room}
"""
PLAY = """- hosts: all
  gather_facts: false
  tasks:
    - name: Hidden by no_log
      ansible.builtin.command: sh -c "echo HIDDEN {{ api_token }} >&2; exit 1"
      no_log: true
      when: inventory_hostname == 'a1'
    - name: Says the password of the database
      ansible.builtin.command: sh -c "echo cannot log in with {{ db_password }} >&2; exit 1"
      when: inventory_hostname == 'a2'
    - name: Fetches from the mirror
      ansible.builtin.command: sh -c "echo cannot fetch {{ mirror }} >&2; exit 1"
      when: inventory_hostname == 'b1'
""".replace("HIDDEN", HIDDEN)
HOSTS = (
    """all:
  vars: {ansible_connection: local, ansible_python_interpreter: PYTHON, os: old, bios: "2", mirror: "https://bob:URL@mirror.example/debian", service_password: PLAIN}
  hosts:
    a1: {hw: a}
    a2: {hw: a}
    b1: {hw: b}
    c1: {hw: c, bios: "1"}
""".replace("PYTHON", sys.executable)
    .replace("URL", URL)
    .replace("PLAIN", PLAIN)
)


@pytest.fixture(scope="module")
def vault(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The vault's password is not beside the plan: nobody but Ansible reads it. `all.yml` and `a1.yml` are in both forms of a vault."""
    folder = tmp_path_factory.mktemp("vault")
    (folder / "vault.pw").write_text(VAULT)
    (folder / "ansible.cfg").write_text(f"[defaults]\nvault_password_file = {folder / 'vault.pw'}\n")
    (folder / "all.yml").write_text(sealed(folder, f"db_password: {WHOLE}\n"))
    inline = {"api_token": INLINE, "ansible_become_password": SUDO}
    values = {name: sealed(folder, text).strip().replace("\n", "\n  ") for name, text in inline.items()}
    (folder / "a1.yml").write_text("".join(f"{name}: !vault |\n  {text}\n" for name, text in values.items()))
    return folder


def sealed(folder: Path, text: str) -> str:
    command = [program("ansible-vault"), "encrypt", "--output=-"]
    done = subprocess.run(command, cwd=folder, input=text, capture_output=True, text=True, check=True)
    return done.stdout


@pytest.fixture
def folder(tmp_path: Path, vault: Path) -> Path:
    folder = tmp_path / "here"
    for name in ("group_vars", "host_vars"):
        (folder / "inventory" / name).mkdir(parents=True)
    shutil.copy(vault / "ansible.cfg", folder)
    shutil.copy(vault / "all.yml", folder / "inventory" / "group_vars")
    shutil.copy(vault / "a1.yml", folder / "inventory" / "host_vars")
    (folder / "inventory" / "hosts.yml").write_text(HOSTS)
    for name, text in (("plan.yml", PLAN), ("risks.yml", RISKS), ("upgrade.yml", PLAY)):
        (folder / name).write_text(text)
    return folder


def told(folder: Path, said: list[tuple[str, Said]]) -> list[str]:
    """Where a secret is to be read: in what a command printed, or in a file that rollout has written."""
    found = [f"{words}: {match[0]}" for words, one in said for match in PLANTED.finditer(one.out + one.err)]
    given = set(folder.glob("inventory/**/*")) | {folder / "upgrade.yml"}
    kept = folder / ".rollout" / "inventory"
    for path in folder.parent.rglob("*"):
        if path.is_file() and path not in given and kept not in path.parents:
            found += [f"{path}: {match}" for match in PLANTED.findall(path.read_text(errors="replace"))]
    return found


def test_no_command_tells_a_secret(rollout: Typist, folder: Path) -> None:
    said: list[tuple[str, Said]] = []

    def typed(*words: str) -> Said:
        said.append((" ".join(words), rollout(*words)))
        return said[-1][1]

    plan = "here/plan.yml"
    for form in ("text", "json", "markdown"):
        assert typed("plan", plan, "--format", form, "-o", "saved.json").code == 0
        typed("show", "saved.json", "--format", form)
    for host in ("a1", "c1"):
        typed("plan", plan, "--explain", host)
    for form in ("mermaid", "dot"):
        typed("graph", plan, "--format", form, "-o", f"graph.{form}")
    for form in ("text", "json", "codeclimate", "junit", "sarif"):
        typed("validate", plan, "--format", form, "-o", f"report.{form}")
    typed("init", "--from", "here/inventory", "drafted")
    probed = typed("plan", plan, "--probe")
    typed("doctor", plan)
    typed("doctor", plan, "--json")
    typed("apply", plan, "--dry-run")
    journal = ("--journal", "here/.rollout/journal.sqlite3")
    applied = typed("apply", plan, "--yes", "--log", "here/.rollout/run.log", "--verbose", *journal)
    assert applied.code == 4, applied
    causes = [json.loads(line) for line in typed("failures", plan, "--json", *journal).out.splitlines()]
    prints = [cause["fingerprint"] for cause in causes if "fingerprint" in cause]
    assert len(prints) == 3, causes
    for number, fingerprint in enumerate(prints):
        typed("failures", plan, "--draft", fingerprint, "-o", f"draft-{number}.yml", *journal)
        typed("failures", plan, "--draft", fingerprint, *journal)
    for words in (
        ("failures", plan), ("status",), ("why", "a1"), ("why", "a2"), ("events",), ("events", "--json"), ("hosts",), ("hosts", "--json"),
        ("risks", "list"), ("risks", "test"),
    ):  # fmt: skip
        typed(*words, *journal) if words[0] != "risks" else typed(*words)
    (folder / "risks.yml").write_text(RISKS + '- {name: mirror, symptom: "cannot fetch", retry: 1}\n')
    (folder / "inventory" / "host_vars" / "a2.yml").write_text(f"another_secret: {PLAIN}\n")
    typed("diff", "saved.json")
    typed("diff", "saved.json", plan, "--format", "markdown")
    typed("amend", plan, "--yes", *journal)
    typed("events", "--json", *journal)

    assert "cannot fetch" in applied.out + "".join(one.out for _, one in said)
    assert not [words for words, one in said if "defect in rollout" in one.err]
    assert "probed less than a minute ago" in probed.out
    assert told(folder, said) == []
    assert (folder / ".rollout").stat().st_mode & 0o077 == 0
    for path in [*folder.glob(".rollout/inventory/*"), *folder.glob(".rollout/probe/*")]:
        assert path.stat().st_mode & 0o077 == 0


def test_the_password_of_a_journal_is_told_to_nobody(
    rollout: Typist, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ROLLOUT_JOURNAL", f"postgresql://bob:{JOURNAL}@127.0.0.1:9/rollout?connect_timeout=1")
    said = [
        (" ".join(words), rollout(*words))
        for words in (
            ("doctor", "here/plan.yml"), ("doctor", "here/plan.yml", "--json"), ("status",), ("failures", "here/plan.yml"),
            ("amend", "here/plan.yml", "--yes"), ("apply", "here/plan.yml", "--yes"),
        )
    ]  # fmt: skip
    assert told(folder, said) == []
    assert "127.0.0.1" in said[0][1].out + said[0][1].err
    assert os.environ["ROLLOUT_JOURNAL"]


def test_mistakes_and_refusals_tell_no_secret_either(rollout: Typist, folder: Path) -> None:
    (folder / "plan.yml").write_text(
        PLAN.replace("os: os}", "os: os, token: api_token, db: db_password, mirror: nowhere}")
    )
    said = [
        (form, rollout("validate", "here/plan.yml", "--format", form)) for form in ("text", "json", "sarif")
    ]
    said.append(("plan", rollout("plan", "here/plan.yml")))
    assert all(one.code == 65 for _, one in said)
    assert told(folder, said) == []
