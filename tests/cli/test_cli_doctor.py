"""What the doctor says of machines that are well, and of each thing that may be wrong with one."""

import json
import locale
import os
import resource
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from rollout.cli._doctor import machine, record, toolchain
from rollout.cli._doctor.finding import Finding, Situation
from rollout.journal import network
from rollout.model.plan import Limits, Plan
from tests.cli.worlds import STEP, Typist, a_plan_folder, a_run
from tests.fleet import a_graph, a_plan


def findings(rollout: Typist, *words: str) -> dict[str, dict[str, Any]]:
    said = rollout("doctor", *words, "--json")
    found = [json.loads(line) for line in said.out.splitlines()]
    assert said.code == (1 if any(one["word"] == "bad" for one in found) else 0)
    assert all(one["advice"] or one["word"] == "ok" for one in found)
    assert all(one["value"] for one in found)
    return {one["name"]: one for one in found}


def words(found: Iterable[Finding]) -> list[str]:
    return [one.word for one in found]


@pytest.fixture
def here(tmp_path: Path) -> Situation:
    return Situation(tmp_path, str(tmp_path / ".rollout" / "journal.sqlite3"), "the default")


def test_without_a_plan_the_machine_is_looked_at(rollout: Typist) -> None:
    found = findings(rollout)
    assert found["Python"]["word"] == found["ansible-core"]["word"] == "ok"
    assert found["ansible-core"]["source"].endswith("rollout needs <2.23,>=2.19")
    assert "not there yet" in found["journal"]["value"]
    assert "the default of limits.controller" in found["memory"]["source"]
    assert {"plan", "keys", "host keys"}.isdisjoint(found)


def test_with_a_plan_what_it_needs_is_looked_at(rollout: Typist, tmp_path: Path) -> None:
    plan = a_plan_folder(tmp_path / "here")
    found = findings(rollout, "here/plan.yml", "--reach")
    assert found["plan"]["value"] == "here/plan.yml: no mistakes, 3 hosts to upgrade"
    assert found["local hosts"]["value"] == "4 of 4 hosts"
    assert found["memory"]["source"].endswith("3 at once by the hosts to upgrade")
    plan.write_text(plan.read_text().replace("per: {rack: 1}", "per: {rack: 1}, controller: 2"))
    assert (
        "2 at once by limits.controller at here/plan.yml:"
        in findings(rollout, "here/plan.yml")["memory"]["source"]
    )


def test_a_person_reads_value_source_and_what_to_do(rollout: Typist, tmp_path: Path) -> None:
    (tmp_path / ".rollout").mkdir(mode=0o755)
    out = rollout("doctor").out
    assert "  warn  .rollout  mode 755  (the current folder)\n        what to do: chmod 700 " in out
    assert out.splitlines()[-1].endswith(" bad")


def test_a_plan_with_mistakes_is_bad_and_the_rest_is_looked_at_all_the_same(
    rollout: Typist, tmp_path: Path
) -> None:
    plan = a_plan_folder(tmp_path / "here")
    plan.write_text(plan.read_text().replace("hosts: all", "hoosts: all"))
    found = findings(rollout, "here/plan.yml")
    assert (found["plan"]["word"], found["plan"]["advice"]) == ("bad", "rollout validate here/plan.yml")
    assert found["Python"]["word"] == "ok"
    (plan.parent / "inventory.yml").write_text("all: [")
    plan.write_text(plan.read_text().replace("hoosts: all", "hosts: all"))
    assert "ansible-inventory failed" in findings(rollout, "here/plan.yml")["plan"]["advice"]


@pytest.mark.parametrize(("tested", "word"), [(((3, 99), (3, 99)), "bad"), (((3, 1), (3, 2)), "warn")])
def test_a_python_that_nobody_tested(
    monkeypatch: pytest.MonkeyPatch, here: Situation, tested: Any, word: str
) -> None:
    monkeypatch.setattr(toolchain, "TESTED", tested)
    assert words(toolchain.python(here)) == [word]


def test_libraries_of_the_wrong_version_or_missing(monkeypatch: pytest.MonkeyPatch, here: Situation) -> None:
    needed = ["ansible-core<2", "no-such-library>=1", "click", "psycopg>=99; extra == 'postgresql'"]
    monkeypatch.setattr(toolchain, "requires", lambda _: needed)
    found = {one.name: one for one in toolchain.libraries(here)}
    assert {name: one.word for name, one in found.items()} == {
        "ansible-core": "bad",
        "no-such-library": "bad",
        "libraries": "ok",
    }
    assert found["no-such-library"].value == "not installed"


def test_programs_that_are_not_there(monkeypatch: pytest.MonkeyPatch, here: Situation) -> None:
    monkeypatch.setattr(toolchain, "PROGRAMS", ("ansible-no-such-program",))
    assert words(toolchain.programs(here)) == ["bad"]


def test_collections_that_playbooks_name_must_be_installed(
    rollout: Typist, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    a_plan_folder(tmp_path / "here")
    tasks = "    - ansible.builtin.debug:\n    - name: x\n      site.there.thing:\n    - site.absent.thing: {a: b}\n"
    (tmp_path / "here" / "playbooks" / "step.yml").write_text(
        STEP.replace("  tasks: []\n", f"  tasks:\n{tasks}")
    )
    there = tmp_path / "installed" / "ansible_collections" / "site" / "there"
    there.mkdir(parents=True)
    about = {"collection_info": {"namespace": "site", "name": "there", "version": "1.2.3"}, "format": 1}
    (there / "MANIFEST.json").write_text(json.dumps(about))
    monkeypatch.setenv("ANSIBLE_COLLECTIONS_PATH", str(tmp_path / "installed"))
    found = findings(rollout, "here/plan.yml")
    assert (found["site.there"]["word"], found["site.there"]["value"]) == ("ok", "1.2.3")
    assert found["site.absent"]["advice"] == "ansible-galaxy collection install site.absent"
    assert "ansible.builtin" not in found


@pytest.mark.parametrize(
    ("told", "word"), [((0, 0), "ok"), ((0x40, 0), "warn"), ((0, 5), "warn"), (None, "warn")]
)
def test_the_clock(monkeypatch: pytest.MonkeyPatch, here: Situation, told: Any, word: str) -> None:
    monkeypatch.setattr(machine, "_adjtimex", lambda: told)
    assert words(machine.clock(here)) == [word]


def test_the_kernel_is_asked_for_its_clock() -> None:
    told = machine._adjtimex()
    assert told is not None
    assert 0 <= told[1] <= 5


@pytest.mark.parametrize(("name", "word"), [("utf-8", "ok"), ("UTF8", "ok"), ("ANSI_X3.4-1968", "bad")])
def test_ansible_wants_utf_8(monkeypatch: pytest.MonkeyPatch, here: Situation, name: str, word: str) -> None:
    monkeypatch.setattr(locale, "getpreferredencoding", lambda _: name)
    monkeypatch.setenv("LC_ALL", "POSIX")
    (found,) = machine.encoding(here)
    assert (found.word, found.source) == (word, "LC_ALL=POSIX")


def with_controller(here: Situation, number: int) -> Situation:
    plan: Plan = a_plan(limits=Limits(controller=number))
    return Situation(here.folder, here.journal, here.journal_source, plan)


def test_room_for_the_processes_that_the_plan_allows(
    monkeypatch: pytest.MonkeyPatch, here: Situation
) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda _: (200, 200))
    monkeypatch.setattr(os, "getuid", lambda: 1000)
    monkeypatch.setattr(machine, "_in_group", lambda _: -1)
    few, many = with_controller(here, 10), with_controller(here, 100)
    assert words([*machine.files(few), *machine.processes(few)]) == ["ok", "ok"]
    assert words([*machine.files(many), *machine.processes(many)]) == ["bad", "bad"]
    assert "ulimit -n 900" in next(iter(machine.files(many))).advice


@pytest.mark.parametrize(
    ("total", "free", "word"), [(64e9, 32e9, "ok"), (64e9, 1e9, "warn"), (4e9, 1e9, "bad"), (0, 0, "warn")]
)
def test_memory(
    monkeypatch: pytest.MonkeyPatch, here: Situation, total: float, free: float, word: str
) -> None:
    monkeypatch.setattr(machine, "_memory", lambda: (total, free))
    (found,) = machine.memory(with_controller(here, 100))
    assert found.word == word
    assert ("limits.controller to 11" in found.advice) == (word in {"warn", "bad"} and total > 0)


def test_what_memory_there_is() -> None:
    total, free = machine._memory()
    assert total > 1e8
    assert 0 < free <= total


def test_a_journal_that_is_there_and_one_that_is_none(rollout: Typist, tmp_path: Path) -> None:
    a_run(tmp_path, a_graph({"a": 1}))
    found = findings(rollout)["journal"]
    assert (found["word"], found["source"]) == ("ok", "the default")
    assert "1 run, schema " in found["value"]
    (tmp_path / "none").write_text("not a database, but long enough to be looked at as one" * 100)
    found = findings(rollout, "--journal", "none")["journal"]
    assert (found["word"], found["source"]) == ("bad", "--journal")


def test_the_journals_password_is_not_shown(rollout: Typist, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROLLOUT_JOURNAL", "postgresql://me:s3cret@127.0.0.1:1/none?connect_timeout=1")
    said = rollout("doctor")
    assert "(ROLLOUT_JOURNAL)" in said.out
    assert "s3cret" not in said.out + said.err


@pytest.mark.parametrize(("free", "word"), [(5e9, "ok"), (5e8, "warn"), (5e6, "bad")])
def test_room_on_the_disk(monkeypatch: pytest.MonkeyPatch, here: Situation, free: float, word: str) -> None:
    usage = shutil.disk_usage(here.folder)._replace(free=int(free))
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    assert {one.name: one.word for one in record.record(here)}["room"] == word


def test_a_journal_on_a_network_is_bad(monkeypatch: pytest.MonkeyPatch, here: Situation) -> None:
    mounts = here.folder / "mounts"
    mounts.write_text(f"1 1 0:1 / {here.folder} rw - nfs4 server:/ rw\n")
    monkeypatch.setattr(network, "MOUNTS", mounts)
    found = {one.name: one for one in record.record(here)}["journal's disk"]
    assert (found.word, "PostgreSQL" in found.advice) == ("bad", True)


@pytest.mark.parametrize(("mode", "word"), [(0o700, "ok"), (0o750, "warn"), (0o707, "warn")])
def test_the_folder_of_state_is_for_its_owner(here: Situation, mode: int, word: str) -> None:
    (here.folder / ".rollout").mkdir()
    (here.folder / ".rollout").chmod(mode)
    assert words(record.state(here)) == [word]


def test_gates_that_could_not_be_asked_are_found_before_the_run(
    rollout: Typist, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = a_plan_folder(tmp_path / "here")
    plan.write_text(
        f"""{plan.read_text()}gates:
  - {{name: hook, kind: webhook, url: "http://127.0.0.1:9/", secret_env: HOOK_SECRET, when: before run}}
  - {{name: up, kind: http, url: "https://127.0.0.1:9/", tls: {{ca: {tmp_path}/none.pem}}, when: after upgrade}}
  - {{name: boots, kind: boot, when: after upgrade}}
"""
    )
    monkeypatch.delenv("HOOK_SECRET", raising=False)
    found = findings(rollout, "here/plan.yml")
    assert (
        found["gate hook"]["value"] == "secret: the environment variable HOOK_SECRET is not set or is empty"
    )
    assert "none.pem" in found["gate up"]["value"]
    assert found["gates"]["value"].endswith("could be asked from here")
    monkeypatch.setenv("HOOK_SECRET", "x" * 40)
    assert "gate hook" not in findings(rollout, "here/plan.yml")
