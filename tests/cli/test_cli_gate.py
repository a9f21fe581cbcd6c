"""`rollout gate`: trying a gate, waiving one, writing a kind."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from rollout import journal
from rollout.cli import _compiling
from rollout.journal import Owner
from rollout.model.event import Event, Kind
from rollout.model.plan import IN_REACH, NO_GUESTS, GateRule, Moment
from tests.cli.worlds import Typist, a_plan_folder, a_run, failing
from tests.fleet import a_graph

GATES = """gates:
  - {name: room, kind: command, when: after upgrade, run: "echo 5000"}
  - {name: sad, kind: command, when: after upgrade, run: "echo no; exit 3"}
  - {name: same-boot, kind: boot, when: after upgrade}
  - {name: check, kind: playbook, when: after upgrade, playbook: playbooks/look.yml}
  - {name: eye, kind: ping, when: after upgrade, address: 127.0.0.1}
  - {name: holds, kind: network-restart, when: after upgrade}
  - {name: errors, kind: prometheus, when: during, per: rack, url: "http://127.0.0.1:9", query: up, fail: "> 3"}
"""


LOOK = """- hosts: all
  gather_facts: false
  tasks:
    - {name: Judge, ansible.builtin.assert: {that: "inventory_hostname == 'a1'"}}
"""


@pytest.fixture
def plan(tmp_path: Path) -> Path:
    path = a_plan_folder(tmp_path / "here")
    path.write_text(path.read_text() + GATES)
    (path.parent / "playbooks" / "look.yml").write_text(LOOK)
    return path


def test_a_gate_that_passes_says_what_it_saw_and_writes_nothing(rollout: Typist, plan: Path) -> None:
    said = rollout("gate", "test", "here/plan.yml", "room", "--host", "a1")
    assert said.code == 0, said.err
    lines = [line.split(maxsplit=1) for line in said.out.splitlines()]
    assert said.out.splitlines()[0] == "gate room (command), after upgrade, of a1"
    assert ["answer", "pass"] in lines
    assert ["because", "exit code 0: 5000"] in lines
    assert ["out", "5000"] in lines
    assert {path.name for path in (plan.parent / ".rollout").iterdir()} == {"inventory"}


def test_what_gates_need_of_this_machine_is_there_and_gone_afterwards(rollout: Typist, plan: Path) -> None:
    said = rollout("gate", "test", str(plan), "check", "--host", "a2")
    assert said.code == 1, said.out + said.err
    assert "playbooks/look.yml failed at 'Judge'" in said.out
    said = rollout("gate", "test", str(plan), "eye", "--host", "a1", "--remember")
    assert said.code == 0, said.out
    assert {path.name for path in (plan.parent / ".rollout").iterdir()} == {"inventory"}


def test_any_other_answer_is_exit_code_1_and_json_holds_all_of_it(rollout: Typist, plan: Path) -> None:
    said = rollout("gate", "test", str(plan), "sad", "--host", "a1", "--json")
    assert said.code == 1
    value = json.loads(said.out)
    assert value["samples"] == {"code": 3, "out": "no", "err": ""}
    assert (value["value"], value["gate"], value["moment"], value["host"]) == (
        "fail",
        "sad",
        "after upgrade",
        "a1",
    )


def test_a_gate_that_compares_has_no_memory_without_a_run(rollout: Typist, plan: Path) -> None:
    said = rollout("gate", "test", str(plan), "same-boot", "--host", "a1")
    assert said.code == 1
    assert "inconclusive" in said.out
    said = rollout("gate", "test", str(plan), "same-boot", "--host", "a1", "--remember", "--json")
    assert said.code == 0, said.out
    assert json.loads(said.out)["moment"] == "remember"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("rom --host a1", "plan imagined has no gate 'rom'; did you mean 'room'?"),
        ("room --host a11", "the plan has no host 'a11'; did you mean 'a1'?"),
        ("room --host b2", "b2 is current and in no wave: already what combo b leads to"),
        ("room", "gate room asks about one host: name it with --host"),
        ("room --host a1 --combo a", "gate room asks about one host: --host H, without --combo and --about"),
        ("room --host a1 --remember", "kind command looks at nothing before the first disruptive step"),
        (
            "holds --host a1",
            "kind network-restart disturbs the host (it asks whether that comes back as it was): with --yes",
        ),
        ("errors", "gate errors asks about each of rack=r1, rack=r2: name one with --combo or --about"),
        ("errors --about rack=r9", "gate errors asks nothing about 'rack=r9'; did you mean 'rack=r2'?"),
        ("errors --host a1 --about rack=r1", "one of --host, --combo and --about says whom it is about"),
    ],
)
def test_what_cannot_be_asked_is_said(rollout: Typist, plan: Path, words: str, message: str) -> None:
    said = rollout("gate", "test", str(plan), *words.split())
    assert (said.code, said.out) == (64, "")
    assert message in said.err


def test_a_plan_with_mistakes_is_exit_code_65(rollout: Typist, plan: Path) -> None:
    plan.write_text(plan.read_text().replace("kind: boot", "kind: boots"))
    assert rollout("gate", "test", str(plan), "room", "--host", "a1").code == 65


@pytest.mark.parametrize("words", [("--host", "a2"), ("--about", "rack=r2")])
def test_of_a_gate_about_many_a_host_stands_for_those_that_it_is_among(
    rollout: Typist, plan: Path, words: tuple[str, str]
) -> None:
    said = rollout("gate", "test", str(plan), "errors", *words)
    assert said.code == 1
    assert said.out.startswith("gate errors (prometheus), during, about rack=r2\n  answer   error\n")
    assert "  query    up\n" in said.out


ECHO = """from typing import ClassVar

from rollout.gates import FleetGate
from rollout.model.seams import Answer, Subject, Verdict


class Kind(FleetGate):
    remembers: ClassVar[bool] = True

    def asks_per_host(self) -> bool:
        return True

    def check(self, subject: Subject) -> Verdict:
        stages = {peer.host: peer.stage for peer in subject.cohort.peers}
        return Verdict(Answer.PASS, "told", {"remembered": dict(subject.remembered), "stages": stages})
"""


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package of somebody else is installed; gives its folder."""
    site = tmp_path / "site"
    (site / "acme_gates").mkdir(parents=True)
    (site / "acme_gates" / "__init__.py").touch()
    (site / "acme_gates" / "echo.py").write_text(ECHO)
    info = site / "acme_gates-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: acme-gates\nVersion: 1\n")
    entries = "".join(
        f"{word} = acme_gates.{word.replace('-', '_')}:Kind\n" for word in ("load", "failed-hosts", "echo")
    )
    (info / "entry_points.txt").write_text(f"[rollout.gates]\n{entries}")
    monkeypatch.syspath_prepend(str(site))
    return site / "acme_gates"


def test_a_kind_is_written_registered_and_used(rollout: Typist, package: Path, tmp_path: Path) -> None:
    plan = a_plan_folder(tmp_path / "here")
    gates = "gates:\n  - {name: calm, kind: load, when: after upgrade, at_most: 100000}\n  - {name: few, kind: failed-hosts, when: during}\n"
    text = plan.read_text()
    for name, more in (("host-load", ()), ("many-failed", ("--fleet",))):
        said = rollout("gate", "new", name, "--to", str(package), *more)
        assert said.code == 0, said.err
        assert f'{name} = "PACKAGE.{name.replace("-", "_")}:Kind"' in said.out
    (package / "host_load.py").rename(package / "load.py")
    (package / "many_failed.py").rename(package / "failed_hosts.py")
    plan.write_text(text + gates)
    said = rollout("gate", "test", str(plan), "calm", "--host", "a1")
    assert said.code == 0, said.out + said.err
    assert "at most 100000 passes" in said.out
    said = rollout("gate", "test", str(plan), "few")
    assert said.code == 0, said.out + said.err
    assert "0 of 0 failed, at most 0 may" in said.out
    assert "  hosts    0 upgraded, 3 to compare with\n" in said.out
    plan.write_text(text + gates.replace("at_most: 100000", "at_most: -1"))
    assert "at_most" in rollout("validate", str(plan)).err
    listed = {line.split()[0]: line for line in rollout("gate", "kinds").out.splitlines()}
    assert "low enough" in listed["load"]
    assert listed["failed-hosts"].split()[1] == "fleet"
    assert {"ssh", "boot", "prometheus"} < listed.keys()


@pytest.mark.parametrize(
    "name", ["Load", "load_1", "1load", "load-", "", "a" * 41, "../load", "class", "ssh"]
)
def test_a_name_that_is_no_new_word_writes_nothing(rollout: Typist, tmp_path: Path, name: str) -> None:
    said = rollout("gate", "new", "--", name)
    assert said.code == 64
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_is_there_is_not_overwritten(rollout: Typist, tmp_path: Path) -> None:
    (tmp_path / "disk_space.py").write_text("mine")
    said = rollout("gate", "new", "disk-space")
    assert (said.code, (tmp_path / "disk_space.py").read_text()) == (64, "mine")
    assert "disk_space.py is there already, and is not overwritten" in said.err
    assert rollout("gate", "new", "disk-space", "--to", "nowhere").code == 64


def test_with_a_run_it_is_given_what_it_saw_and_how_the_hosts_stand(
    rollout: Typist, package: Path, tmp_path: Path
) -> None:
    plan = a_plan_folder(tmp_path / "here")
    plan.write_text(plan.read_text() + "gates:\n  - {name: echoes, kind: echo, when: after upgrade}\n")
    _, _, compiled = _compiling.graph_of(plan)
    a_run(plan.parent, compiled.graph, failing("a1"))

    def told(*more: str) -> dict[str, object]:
        said = rollout("gate", "test", str(plan), "echoes", "--host", "a1", "--json", *more)
        assert said.code == 0, said.out + said.err
        samples: dict[str, object] = json.loads(said.out)["samples"]
        return samples

    assert told() == {"remembered": {}, "stages": {"a1": "untouched", "a2": "untouched"}}
    assert told("--run", "run") == {
        "remembered": {"rehearsed": True},
        "stages": {"a1": "failed", "a2": "untouched"},
    }
    said = rollout("gate", "test", str(plan), "echoes", "--host", "a1", "--run", "ran")
    assert said.code != 0
    assert "did you mean 'run'?" in said.err


@pytest.fixture
def gated(tmp_path: Path) -> Path:
    """A run that is held up by a host, with gates; gives its journal."""
    after = Moment("after", "upgrade")
    rules = (
        GateRule(NO_GUESTS, "guests", Moment("before", "upgrade")),
        GateRule("errors", "command", after),
        GateRule("load", "command", after),
        GateRule(IN_REACH, "ssh", Moment("after", "rollback")),
    )
    return a_run(tmp_path, replace(a_graph({"a": 2}), gates=rules), failing("a1"))


def requests(path: Path) -> list[Event]:
    with journal.open(str(path)) as book:
        return [event for event in book.events("run") if event.kind is Kind.WAIVED]


def test_a_waiver_is_an_event_with_who_and_why_and_is_written_once(rollout: Typist, gated: Path) -> None:
    said = rollout("gate", "waive", "errors", "--reason", "counts the canary's own reboot, OPS-7")
    assert said.code == 0, said.err
    assert "that gate is asked and recorded, and decides nothing any more in this run" in said.out
    assert "`rollout resume` carries it on" in said.out
    owner = Owner.current()
    me = f"{owner.user}@{owner.machine}"
    (event,) = requests(gated)
    assert dict(event.data) == {"gate": "errors", "by": me}
    assert event.because == f"counts the canary's own reboot, OPS-7 ({me})"
    again = rollout("gate", "waive", "errors", "--reason", "again")
    assert (again.code, len(requests(gated))) == (0, 1)
    assert "gate errors is waived already: counts the canary's own reboot" in again.out
    assert "gate errors is waived: counts" in rollout("events").out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("error --reason x", "run run has no gate 'error'; did you mean 'errors'?"),
        ("zzz --reason x", "run run has no gate 'zzz'; it has errors, load"),
        ("no-guests --reason x", "no-guests cannot be waived: guests are no matter of a waiver"),
        ("in-reach --reason x", "in-reach cannot be waived: a host that has walked back"),
        ("errors", "Missing option '--reason'"),
        ("errors --reason=", "--reason must say something"),
        ("errors --reason x --run ran", "the journal has no run 'ran'; did you mean 'run'?"),
    ],
)
def test_what_cannot_be_waived_is_refused(rollout: Typist, gated: Path, words: str, message: str) -> None:
    said = rollout("gate", "waive", *words.split())
    assert said.code in {1, 64}
    assert message in said.err
    assert requests(gated) == []
