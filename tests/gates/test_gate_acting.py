"""The script that acts on a host, run here with an act that harms nothing."""

import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from rollout.gates import _acting, guests
from rollout.gates._acting import Boot
from rollout.model.seams import Answer, Ran, Subject, Verdict
from rollout.ssh import connect
from tests.gates import test_gate_guests as tables
from tests.gates.any_connection import subject


def boot() -> Boot:
    found = _acting.boot_of(connect("here", {"ansible_connection": "local"}), 10.0)
    assert found is not None
    return found


def about(path: Path, **more: Any) -> Subject:
    variables: Mapping[str, Any] = {"rollout_guard_directory": str(path / "guard")}
    return subject(Ran(0, "", ""), variables=variables, run="r1", **more)


def begin(path: Path, seen: Boot) -> Verdict | None:
    connection = connect("here", {"ansible_connection": "local"})
    return _acting.begin(connection, about(path), seen, f"touch {path}/done", 30.0)


def done(path: Path) -> bool:
    until = time.monotonic() + 20
    while not (path / "done").exists() and time.monotonic() < until:
        time.sleep(0.01)
    return (path / "done").exists()


def guard(path: Path, *lines: str) -> None:
    (path / "guard").mkdir()
    said = "\n".join(f"echo '{line}'" for line in lines)
    (path / "guard" / "guard").write_text(f"[ $1 = status ] && [ $3 = {path}/guard ] || exit 1\n{said}\n")


def test_on_an_empty_host_it_is_begun_and_outlives_the_connection(tmp_path: Path) -> None:
    guard(tmp_path, "held by r1 since 2026-01-01", "job finished try=1 r1/web1/upgrade: main ended", "end")
    assert begin(tmp_path, boot()) is None
    assert done(tmp_path)


OTHER, LONG_AGO = "ffffffff-0000-4000-8000-000000000000", 3600.0


@pytest.mark.parametrize(
    ("said", "seen", "value", "because"),
    [
        (("held by r2 since 2026-01-01", "end"), {}, Answer.FAIL, "its guard holds it for another run: r2"),
        (
            ("held by r1 since 2026", "job running try=1 r1/web1/upgrade: main runs", "end"),
            {},
            Answer.FAIL,
            "its guard runs a job: job running try=1 r1/web1/upgrade: main runs",
        ),
        (("held by nobody",), {}, Answer.INCONCLUSIVE, "its guard does not answer: held by nobody"),
        (("end",), {"boot_id": OTHER}, Answer.INCONCLUSIVE, "it has booted since it was looked at"),
        (("end",), {"ago": LONG_AGO}, Answer.INCONCLUSIVE, "the order came too late after the look"),
    ],
)
def test_what_speaks_against_it_is_found_on_the_host_itself(
    said: tuple[str, ...], seen: dict[str, Any], value: Answer, because: str, tmp_path: Path
) -> None:
    guard(tmp_path, *said)
    now = boot()
    told = begin(tmp_path, Boot(seen.get("boot_id", now.boot_id), now.uptime - seen.get("ago", 0.0)))
    assert told is not None
    assert (told.value, told.because) == (value, f"nothing was done: {because}")
    assert told.samples
    assert not (tmp_path / "done").exists()


@pytest.mark.parametrize(
    ("virsh", "value", "because"),
    [
        ("echo db1", Answer.FAIL, "nothing was done: it carries 1 guest: db1"),
        ("exit 1", Answer.INCONCLUSIVE, f"nothing was done: {guests.UNKNOWN}: virsh failed with exit code 1"),
    ],
)
def test_nothing_is_done_under_guests_nor_where_they_cannot_be_counted(
    virsh: str, value: Answer, because: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "virsh").write_text(f"#!/bin/sh\n{virsh}\n")
    (tmp_path / "virsh").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    told = begin(tmp_path, boot())
    assert told is not None
    assert (told.value, told.because) == (value, because)
    assert not (tmp_path / "done").exists()


def test_an_answer_that_is_cut_short_is_no_yes() -> None:
    for ran in (Ran(0, "", ""), Ran(1, "begun\n", "sh: killed"), Ran(0, "refused \x1b[2J\n", "")):
        told = _acting.begin(subject(ran).connect(), subject(ran), Boot("b", 1.0), "true", 1.0)
        assert told is not None
        assert told.value is Answer.INCONCLUSIVE
        assert told.because.startswith("could not find out whether it was begun")


SAID = [
    *((ran, True) for ran, _ in tables.PASSING),
    *((ran, False) for ran, _ in (*tables.FAILING, *tables.INCONCLUSIVE) if not ran.code),
]


@pytest.mark.parametrize(("ran", "expected"), SAID)
def test_the_shell_is_sure_that_there_are_no_guests_exactly_where_the_gate_passes(
    ran: Ran, expected: bool
) -> None:
    script = f'{guests.CLEAR}clear "$1"'
    said = subprocess.run(["sh", "-c", script, "sh", ran.out.rstrip("\n")], check=False, timeout=30)
    assert (said.returncode == 0) is expected
    assert (guests.judge(ran).value is Answer.PASS) is expected
