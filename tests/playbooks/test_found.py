"""Which services ran before the drain: what could not be found out is no answer."""

import os
import subprocess
from pathlib import Path

import pytest
import yaml

from tests.playbooks.by_hand import PLAYBOOKS

TASK = yaml.safe_load((PLAYBOOKS / "roles" / "rollout" / "tasks" / "found.yml").read_text())[0]


def asked(folder: Path, tool: str, script: str, *, systemd: bool) -> tuple[int, str]:
    """What the task's script says of the service `web`; `tool` is there as it is pretended."""
    (folder / tool).write_text(f"#!/bin/sh\n{script}\n")
    (folder / tool).chmod(0o755)
    booted = folder / "booted"
    if systemd:
        booted.mkdir()
    *words, text, name, _item = TASK["ansible.builtin.command"]["argv"]
    done = subprocess.run(
        [*words, text.replace("/run/systemd/system", str(booted)), name, "web"],
        env={**os.environ, "PATH": f"{folder}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stderr.strip()


@pytest.mark.parametrize(
    ("script", "code"),
    [
        ("echo active", 0),
        ("echo reloading", 0),
        ("echo activating; exit 3", 0),
        ("echo inactive; exit 3", 3),
        ("echo failed; exit 3", 3),
        ("echo deactivating; exit 3", 3),
        ("echo unknown; exit 4", 3),
        ("echo 'Failed to connect to bus: No such file or directory' >&2; exit 1", 1),
        ("echo maintenance; exit 3", 1),
        ("exit 0", 1),
    ],
)
def test_systemd_is_believed_where_it_says_a_known_word(tmp_path: Path, script: str, code: int) -> None:
    found, said = asked(tmp_path, "systemctl", script, systemd=True)
    assert found == code
    assert ("whether web runs could not be found out: " in said) == (code == 1)


@pytest.mark.parametrize(
    ("script", "code"),
    [
        ("exit 0", 0),
        ("exit 3", 3),
        ("echo 'web: unrecognized service' >&2; exit 1", 1),
        ("exit 4", 1),
        ("kill $$", 1),
    ],
)
def test_an_init_script_is_believed_where_its_code_is_known(tmp_path: Path, script: str, code: int) -> None:
    found, said = asked(tmp_path, "service", f'[ "$*" = "web status" ] || exit 9\n{script}', systemd=False)
    assert found == code
    assert ("whether web runs could not be found out: " in said) == (code == 1)
    assert ("unrecognized service" in said) == ("unrecognized" in script)


def test_a_host_that_could_not_be_asked_fails() -> None:
    assert TASK["failed_when"] == "rollout_services_before.rc not in [0, 3]"
