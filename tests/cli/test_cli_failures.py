"""`rollout failures`: causes out of the journal alone, and a draft of what nobody knew. `rollout risks`: known errors tried on what happened."""

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from rollout import journal
from rollout.engine.inbox import VirtualInbox
from rollout.executors.rehearsal import Fault, World
from rollout.model.event import Event, Kind
from rollout.model.graph import Graph
from rollout.model.plan import Amount, Failures, Limits, Risk
from rollout.model.seams import Ending
from rollout.plan import risk_files
from rollout.plan.text import parse
from tests.cli.worlds import Typist, a_plan_folder, a_run
from tests.fleet import a_combo, a_graph, a_plan, an_engine

BROKEN = "exit code 100: E: held broken packages, process {} on {}"
LOCK = "E: Could not get lock /var/lib/dpkg/lock-frontend"


def a_world(*risks: Risk) -> Graph:
    """Six hosts of a, two of b; nothing that fails stops the rest."""
    plan = a_plan(
        a_combo("a"),
        a_combo("b"),
        waves=[Amount(100, percent=True)],
        limits=Limits(at_once=Amount(8)),
        failures=Failures(canary=9, combo=9, run=9),
    )
    return a_graph({"a": 6, "b": 2}, replace(plan, risks=risks))


def broken(*hosts: str, step: str = "upgrade") -> dict[tuple[str, str], Fault]:
    """The step fails there whenever it is begun, each time with other numbers."""
    return {
        (host, step): Fault(Ending.FAILED, 1000, BROKEN.format(4000 + number, host))
        for number, host in enumerate(hosts)
    }


@pytest.fixture
def failed(tmp_path: Path) -> Path:
    """A run in which four hosts failed for one cause and one for another; gives its journal."""
    faults = {**broken("a1", "a2", "a3", "a4"), ("b1", "precheck"): Fault(Ending.FAILED, 1000, LOCK)}
    return a_run(tmp_path, a_world(), faults)


def causes(rollout: Typist, *words: str) -> list[dict[str, Any]]:
    said = rollout("failures", "--json", *words)
    assert said.code == 0, said.err
    return [json.loads(line) for line in said.out.splitlines()]


def test_hosts_that_failed_alike_are_one_cause(rollout: Typist, failed: Path) -> None:
    first, second = causes(rollout)
    assert first["hosts"] == first["open"] == ["a1", "a2", "a3", "a4"]
    assert (first["steps"], first["tries"], first["combos"], first["risks"]) == (["upgrade"], 4, {"a": 4}, [])
    assert second["hosts"] == ["b1"]
    assert second["shared"] == {}


def test_it_says_what_the_hosts_share_and_the_healthy_ones_do_not(rollout: Typist, tmp_path: Path) -> None:
    a_run(tmp_path, a_world(), broken("b1", "b2"))
    (cause,) = causes(rollout)
    assert cause["shared"] == {
        "hardware": {"value": "b", "healthy": 0, "of": 6},
        "os": {"value": "old", "healthy": 6, "of": 6},
    }
    said = rollout("failures").out
    assert "all have hardware=b, and none of the 6 hosts that came through does" in said
    assert "os=old (so do 6 of 6 that came through)" in said


def test_the_text_says_all_that_is_to_be_known_and_what_to_type(rollout: Typist, failed: Path) -> None:
    said = rollout("failures").out
    mark = causes(rollout)[0]["fingerprint"]
    assert said.startswith("5 failures on 5 hosts, 2 causes\n")
    assert f"{mark}  4 hosts (4 of them there now, 4 tries), known to no risk" in said
    assert "combos: a 4" in said
    assert f"next: rollout failures --draft {mark} -o risks/NAME.yml" in said


def test_a_host_that_came_past_its_failure_stands_there_no_more(rollout: Typist, tmp_path: Path) -> None:
    a_run(tmp_path, a_world(), {("a1", "verify"): Fault(Ending.FAILED, 1, BROKEN)})
    (cause,) = causes(rollout)
    assert (cause["hosts"], cause["open"], cause["tries"]) == (["a1"], [], 1)
    assert "(none of them there now, 1 try)" in rollout("failures").out


def test_without_a_failure_it_says_so(rollout: Typist, tmp_path: Path) -> None:
    a_run(tmp_path, a_world())
    assert rollout("failures").out == "no failure\n"
    assert causes(rollout) == []


def test_a_known_error_is_named_as_the_journal_has_it(rollout: Typist, tmp_path: Path) -> None:
    known = Risk("packages", "held broken", "hold", because="see OPS-7", link="OPS-7")
    a_run(tmp_path, a_world(known), broken("a1", "a2"))
    (cause,) = causes(rollout)
    assert cause["risks"] == ["packages"]
    assert cause["next"] == "rollout why a1"
    assert "known: packages" in rollout("failures").out
    assert "known error packages (OPS-7)" in rollout("why", "a1").out


def test_lost_hosts_are_one_cause_wherever_they_were_lost(rollout: Typist, tmp_path: Path) -> None:
    lost = "ssh: connect to host {} port 22: Connection timed out"
    faults = {
        (host, step): Fault(Ending.UNREACHABLE, 1000, lost.format(host))
        for host, step in (("a1", "upgrade"), ("a2", "reboot"), ("b1", "verify"))
    }
    a_run(tmp_path, a_world(), faults)
    (cause,) = causes(rollout)
    assert cause["hosts"] == ["a1", "a2", "b1"]
    assert sorted(cause["where"]) == ["reboot", "upgrade", "verify"]


def test_a_gate_that_says_no_is_a_cause_too_and_no_draft_is_made_of_it(
    rollout: Typist, tmp_path: Path
) -> None:
    path = a_run(tmp_path, a_world(), run="first")
    graph = a_world()
    with journal.open(str(path)) as book:
        book.create("second", graph, plan_file="plan.yml", created_by="me@here", known=["first"])
        lease = book.claim("second", journal.Owner.current())
        with book.writing(lease, book.run("second").seq) as writing:
            for host in ("a1", "a2"):
                data = {"gate": "booted", "moment": "after reboot", "value": "fail", "samples": {}}
                writing.append(Event(Kind.ANSWERED, f"{host} has not booted since", host, data=data))
    (cause,) = causes(rollout)
    assert (cause["hosts"], cause["where"]) == (["a1", "a2"], ["gate booted after reboot"])
    said = rollout("failures", "--draft", str(cause["fingerprint"]))
    assert (said.code, said.out) == (64, "")
    assert "it is a gate's, and risks are about steps" in said.err


def test_a_draft_is_a_risk_file_that_is_valid_as_it_is_and_fits_all_its_failures(
    rollout: Typist, failed: Path, tmp_path: Path
) -> None:
    mark = str(causes(rollout)[0]["fingerprint"])
    said = rollout("failures", "--draft", mark[:6], "-o", "risks/held.yml")
    assert (said.code, said.err) == (0, "")
    (written,) = risk_files.found([tmp_path / "risks" / "held.yml"]).risks
    assert (written.risk.steps, written.risk.then) == (("upgrade",), "hold")
    assert written.risk.symptom == r"exit code 100: E: held broken packages, process.*on"
    assert written.risk.because.startswith("EDIT: ")
    assert rollout("failures", "--draft", mark).out == (tmp_path / "risks" / "held.yml").read_text()
    tried = rollout("risks", "test", "risks/held.yml")
    assert tried.code == 0
    assert "fits 4 failures on 4 hosts (a1, a2, a3, a4) of run run" in tried.out
    assert "1 of 1 example as they should be" in tried.out
    again = rollout("failures", "--draft", mark, "-o", "risks/held.yml")
    assert (again.code, again.err) == (64, "rollout: risks/held.yml is there already, and is not touched\n")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--draft", "ffffffffff"], "no cause has the fingerprint ffffffffff"),
        (["--draft", "a"], "no cause has the fingerprint a"),
        (["-o", "x.yml"], "give --draft FINGERPRINT"),
        (["nowhere.yml"], "the journal has no run of nowhere.yml"),
        (["--run", "nowhere"], "nowhere"),
    ],
)
def test_what_cannot_be_done_is_one_clear_error(
    rollout: Typist, failed: Path, words: list[str], said: str
) -> None:
    found = rollout("failures", *words)
    assert found.code in {1, 64}
    assert said in found.err
    assert len(found.err.splitlines()) == 1


@pytest.mark.parametrize(
    "words", ["exit code 7", "12", "the task's result is hidden (no_log)", "exit code 1, no output"]
)
def test_a_failure_that_says_nothing_of_itself_makes_no_wide_risk(
    rollout: Typist, tmp_path: Path, words: str
) -> None:
    a_run(tmp_path, a_world(), {("a1", "upgrade"): Fault(Ending.FAILED, 1000, words)})
    (cause,) = causes(rollout)
    said = rollout("failures", "--draft", str(cause["fingerprint"]))
    assert said.code == 64
    assert "its words say too little for a symptom" in said.err


def test_words_from_a_host_harm_neither_the_terminal_nor_the_draft(rollout: Typist, tmp_path: Path) -> None:
    evil = 'broken "packages": \x1b[2J\u202e # {not} yaml\n- name: evil \U0001f480 C:\\temp'
    a_run(tmp_path, a_world(), {("a1", "upgrade"): Fault(Ending.FAILED, 1000, evil)})
    (cause,) = causes(rollout)
    shown = rollout("failures").out
    assert "\x1b" not in shown
    assert "\u202e" not in shown
    mark = str(cause["fingerprint"])
    draft = rollout("failures", "--draft", mark).out
    assert all(char == "\n" or char.isprintable() for char in draft)
    root, problems = parse(draft, "draft.yml")
    assert (root is not None, problems) == (True, [])
    (tmp_path / "evil.yml").write_text(draft)
    tried = rollout("risks", "test", "evil.yml")
    assert tried.code == 0, tried.out
    assert "fits 1 failure on 1 host (a1)" in tried.out


def test_all_runs_of_a_plan_are_read_together(rollout: Typist, tmp_path: Path) -> None:
    a_run(tmp_path, a_world(), broken("a1", "a2"), run="first")
    inbox = VirtualInbox(1_700_100_000)
    with journal.open(str(tmp_path / ".rollout" / "journal.sqlite3"), inbox.now) as book:
        book.create("second", a_world(), plan_file="plan.yml", created_by="me@here", known=["first"])
        an_engine(a_world(), book, World(inbox.now, faults=broken("a2", "b1")), inbox, run="second").run()
    assert causes(rollout)[0]["hosts"] == ["a2", "b1"]
    assert causes(rollout, "--run", "first")[0]["hosts"] == ["a1", "a2"]
    (cause,) = causes(rollout, "--all-runs")
    assert (cause["hosts"], cause["runs"], cause["tries"]) == (["a1", "a2", "b1"], ["first", "second"], 4)


def test_a_plan_names_its_journal_and_its_run(rollout: Typist, failed: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "site"
    shutil.move(tmp_path / ".rollout", elsewhere / ".rollout")
    assert rollout("failures").code == 1
    with journal.open(str(elsewhere / ".rollout" / "journal.sqlite3")) as book:
        plan = book.run(None).plan_file
    assert plan == str(tmp_path / "plan.yml")
    (tmp_path / "plan.yml").symlink_to(elsewhere / "plan.yml")
    assert len(causes(rollout, "site/plan.yml")) == 2


RISKS = """- name: lock
  symptom: Could not get lock
  steps: [precheck]
  retry: 3
  examples: {matches: ["E: Could not get lock /var/lib/apt"], misses: [no space left]}
- name: packages
  symptom: held broken
  applies: {rack: [r1, r2]}
  hold: see OPS-7
- name: anything
  symptom: "broken|lock"
  hold: look
- name: bios
  applies: {bios: "<2"}
  hold: update it first
"""


@pytest.fixture
def tried(tmp_path: Path, failed: Path) -> Callable[[str], Path]:
    def write(text: str) -> Path:
        (tmp_path / "risks.yml").write_text(text)
        return tmp_path / "risks.yml"

    return write


def test_risks_are_tried_on_stored_failures_and_on_examples(
    rollout: Typist, tried: Callable[[str], Path]
) -> None:
    tried(RISKS)
    said = rollout("risks", "test", "risks.yml")
    assert (said.code, said.err) == (0, "")
    assert said.out.splitlines() == [
        "lock: fits 1 failure on 1 host (b1) of run run",
        "  2 of 2 examples as they should be",
        "packages: fits 2 failures on 2 hosts (a1, a2) of run run",
        "anything: fits 5 failures on 5 hosts (b1, a1, a2, a3, a4) of run run",
        "  1 failure of these would be taken for lock, which stands before it",
        "  2 failures of these would be taken for packages, which stands before it",
        "bios: has no symptom: it is looked at before a host begins",
    ]


def test_an_example_that_contradicts_is_named_at_its_place_and_ends_with_1(
    rollout: Typist, tried: Callable[[str], Path]
) -> None:
    tried(
        "name: lock\nsymptom: Could not get lock\nretry: 3\nexamples:\n"
        "  matches:\n    - locked\n  misses: [Could not get lock 7]\n"
    )
    said = rollout("risks", "test", "risks.yml")
    assert said.code == 1
    assert said.out.splitlines()[-3:] == [
        "  0 of 2 examples as they should be",
        "risks.yml:6:7: risk lock is not seen in this example, and should be: locked",
        "risks.yml:7:12: risk lock is seen in this example, and should not be: Could not get lock 7",
    ]
    (line,) = rollout("risks", "test", "--json", "risks.yml").out.splitlines()
    assert len(json.loads(line)["contradictions"]) == 2


def test_mistakes_of_risk_files_end_with_65(rollout: Typist, tried: Callable[[str], Path]) -> None:
    tried("- {name: lock, symptom: 'lock (', retry: 3}\n")
    said = rollout("risks", "test", "risks.yml")
    assert said.code == 65
    assert said.err.startswith("risks.yml:1:25: symptom")
    assert rollout("risks", "test", "nowhere.yml").code == 65


def test_examples_are_tried_before_there_is_any_journal(rollout: Typist, tmp_path: Path) -> None:
    (tmp_path / "risks.yml").write_text(RISKS)
    said = rollout("risks", "test", "risks.yml")
    assert said.code == 0
    assert "lock: fits no stored failure" in said.out
    assert rollout("risks", "test", "risks.yml", "--all-runs").code == 1
    assert rollout("risks").code == 1


def test_the_risks_of_a_plan_are_those_of_its_files_now(
    rollout: Typist, tmp_path: Path, failed: Path
) -> None:
    plan = a_plan_folder(tmp_path)
    plan.write_text(plan.read_text() + "risks: risks.yml\n")
    (tmp_path / "risks.yml").write_text(RISKS.replace("{bios: ", "{os: "))
    listed = rollout("risks").out
    assert [line.split()[0] for line in listed.splitlines()] == [
        "risk",
        "lock",
        "packages",
        "anything",
        "bios",
    ]
    assert "before anything, on os <2" in listed
    assert rollout("risks", "list", "plan.yml").out == listed
    assert "lock: fits 1 failure" in rollout("risks", "test", "plan.yml").out
    names = [json.loads(line)["name"] for line in rollout("risks", "list", "--json").out.splitlines()]
    assert names == ["lock", "packages", "anything", "bios"]
