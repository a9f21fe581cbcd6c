"""plan, show, apply and resume, with an imagined world in Ansible's place; the inventory is Ansible's own."""

import json
import stat
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from rollout import journal
from rollout.cli import _controller
from rollout.cli._screen import Lines
from rollout.engine.asking import InlineAsker
from rollout.executors.rehearsal import Rehearsal, World
from rollout.journal import Owner
from rollout.model.event import Event, Kind
from rollout.model.state import Status
from rollout.report import ending
from tests.cli.worlds import INVENTORY, STEP, Typist, a_plan_folder, failing, unreachable
from tests.fleet import CHAIN, a_combo, a_graph, a_plan


@pytest.fixture
def plan(tmp_path: Path) -> Iterator[Path]:
    found = a_plan_folder(tmp_path / "here")
    yield found
    assert stat.S_IMODE((found.parent / ".rollout").stat().st_mode) == 0o700


def test_a_plan_is_carried_out_and_reported(rollout: Typist, plan: Path, world: World) -> None:
    said = rollout("apply", "here/plan.yml", "--yes")
    assert said.code == 0, said.err
    assert said.out.startswith("plan imagined, digest ")
    assert "  a1  upgrade is done" in said.out
    assert said.out.endswith("  a: 2 verified of 2 hosts\n  b: 1 verified of 1 host\n")
    assert world.done == {(host, step): 1 for host in ("a1", "a2", "b1") for step in ("precheck", "upgrade")}
    assert rollout("resume", "here/plan.yml").code == 0
    assert rollout("status", "--journal", "here/.rollout/journal.sqlite3").out.startswith(
        "run    imagined-20"
    )


def test_a_failure_halts_and_a_fixed_host_goes_on_to_the_end(
    rollout: Typist, plan: Path, world: World
) -> None:
    world.faults = failing("a1")
    at = ["--journal", "here/.rollout/journal.sqlite3"]
    said = rollout("apply", "here/plan.yml", "--yes", "--run", "first")
    assert said.code == 3
    for line in (
        "  a: 1 held, 1 not begun of 2 hosts; a: 1 canary failed, 0 tolerated",
        "    keeps its place in fleet (1 of 2 held), rack=r1 (1 of 1 held)",
        "    release: rollout retry a1 --journal here/.rollout/journal.sqlite3 --reason WHY",
        "then: rollout resume --journal here/.rollout/journal.sqlite3",
    ):
        assert line in said.out, line
    assert rollout("apply", "here/plan.yml").code == 3, "the same run, which still cannot go on"
    world.faults = {}
    assert rollout("retry", "a1", *at, "--reason", "swapped the disk").code == 0
    said = rollout("apply", "here/plan.yml")
    assert said.code == 0, said.err
    assert "run first is not finished: carrying it on" in said.out
    assert world.done["a1", "upgrade"] == world.done["a2", "upgrade"] == 1
    assert rollout("apply", "here/plan.yml", "--run", "first", "--yes").code == 64


def test_without_a_terminal_somebody_must_have_said_yes(rollout: Typist, plan: Path, world: World) -> None:
    said = rollout("apply", "here/plan.yml")
    assert said.code == 7
    assert "apply with --yes" in said.err
    assert not world.began
    assert not (plan.parent / ".rollout" / "journal.sqlite3").exists()


def test_a_saved_plan_is_applied_as_saved_and_refused_when_stale(
    rollout: Typist, plan: Path, world: World
) -> None:
    shown = rollout("plan", "here/plan.yml", "-o", "saved.json").out
    assert stat.S_IMODE(Path("saved.json").stat().st_mode) == 0o600
    assert rollout("show", "saved.json").out == shown
    (plan.parent / "playbooks" / "step.yml").write_text(STEP + "# changed\n")
    (plan.parent / "inventory.yml").write_text(
        INVENTORY.replace("a2: {hw: a, os: old, rack: r2}", "a3: {hw: a, os: old, rack: r2}").replace(
            "rack: r1", "rack: r9"
        )
    )
    for more in ([], ["--dry-run"]):
        said = rollout("apply", "saved.json", "--yes", *more)
        assert said.code == 6
        for line in (
            "  playbooks/step.yml has changed",
            "  host is gone, was wave a/2: 1 host: a2",
            "  host is new, wave a/2: 1 host: a3",
            "  factor rack was r1, is r9: 2 hosts: a1, b1",
        ):
            assert line in said.err, line
    (plan.parent / "playbooks" / "step.yml").write_text(STEP)
    (plan.parent / "inventory.yml").write_text(INVENTORY)
    assert rollout("apply", "saved.json", "--yes").code == 0
    assert world.done["a1", "upgrade"] == 1


def test_a_saved_plan_holds_no_variable_but_factors_and_addresses(rollout: Typist, plan: Path) -> None:
    (plan.parent / "inventory.yml").write_text(
        INVENTORY.replace("a1: {", "a1: {ansible_host: 192.0.2.7, ansible_password: hunter2, ")
    )
    assert rollout("plan", "here/plan.yml", "-o", "saved.json").code == 0
    text = Path("saved.json").read_text()
    assert "192.0.2.7" in text
    assert "hunter2" not in text
    assert "ansible_password" not in text


def test_a_run_is_not_carried_on_with_other_files_unless_given_up(
    rollout: Typist, plan: Path, world: World
) -> None:
    world.faults = failing("a1")
    at = ["--journal", "here/.rollout/journal.sqlite3"]
    assert rollout("apply", "here/plan.yml", "--yes", "--run", "first").code == 3
    rollout("plan", "here/plan.yml", "-o", "saved.json")
    (plan.parent / "playbooks" / "step.yml").write_text(STEP + "# changed\n")
    for words in (["apply", "here/plan.yml", "--yes"], ["resume", "here/plan.yml"], ["resume", *at]):
        said = rollout(*words)
        assert said.code == 6, words
        assert "  playbooks/step.yml has changed\n" in said.err
        assert "--new-run" in said.err
    world.faults = {}
    said = rollout("apply", "here/plan.yml", "--yes", "--new-run")
    assert said.code == 0, said.err
    assert "given up for a new run" in rollout("status", "--run", "first", *at).out


def test_resume_lifts_a_pause_and_apply_does_not(rollout: Typist, plan: Path, world: World) -> None:
    at = ["--journal", "here/.rollout/journal.sqlite3"]
    rollout("apply", "here/plan.yml", "--yes", "--run", "first")
    world.faults = failing("b1")
    (plan.parent / "inventory.yml").write_text(INVENTORY + "    b3: {hw: b, os: old, rack: r2}\n")
    assert rollout("apply", "here/plan.yml", "--yes", "--run", "second").code == 3
    world.faults = {}
    assert rollout("retry", "b1", *at, "--reason", "x").code == 0
    assert rollout("pause", *at, "--reason", "lunch").code == 0
    said = rollout("apply", "here/plan.yml")
    assert said.code == 8
    assert "run second is paused: lunch" in said.out
    assert rollout("resume", "here/plan.yml").code == 0
    with journal.open("here/.rollout/journal.sqlite3") as book:
        assert Kind.CONTINUED in {event.kind for event in book.events("second")}


def test_hosts_that_left_or_changed_are_gone_and_new_ones_are_listed(
    rollout: Typist, plan: Path, world: World
) -> None:
    world.faults = failing("a1")
    at = ["--journal", "here/.rollout/journal.sqlite3"]
    more = "    a3: {hw: a, os: old, rack: r2}\n"
    (plan.parent / "inventory.yml").write_text(INVENTORY + more)
    assert rollout("apply", "here/plan.yml", "--yes").code == 3
    (plan.parent / "inventory.yml").write_text(
        INVENTORY.replace("    a2: {hw: a, os: old, rack: r2}\n", "")
        + more.replace("r2", "r3")
        + "    a4: {hw: a, os: old, rack: r1}\n"
    )
    world.faults = {}
    rollout("retry", "a1", *at, "--reason", "x")
    said = rollout("resume", *at)
    assert said.code == 0
    assert "a2 leaves the run: the plan's host pattern no longer selects it from the inventory" in said.out
    assert "a3 leaves the run: it is no longer what it was planned as: rack was r2, is r3" in said.out
    assert "not touched by this run, for they came after it was planned: a4" in said.out
    with journal.open("here/.rollout/journal.sqlite3") as book:
        assert {host.name for host in book.hosts(book.run().id, Status.GONE)} == {"a2", "a3"}


def test_a_dry_run_asks_and_leaves_no_trace(rollout: Typist, plan: Path, world: World) -> None:
    world.faults = failing("a2", "precheck")
    plan.write_text(plan.read_text() + "gates: [{name: reachable, kind: ssh, when: before run}]\n")
    world.unhealthy = frozenset({"b1"})
    said = rollout("apply", "here/plan.yml", "--dry-run")
    assert said.code == 1
    assert "gates before run: 2 of 3 hosts pass" in said.out
    assert "precheck: 2 of 3 hosts pass" in said.out
    assert "b1 would not be upgraded: gate reachable: fail, the rehearsed host is not healthy" in said.out
    assert "a2 would not be upgraded: precheck: failed, no space left on device" in said.out
    assert set(world.began) == {(host, "precheck") for host in ("a1", "a2", "b1")}
    assert {path.name for path in (plan.parent / ".rollout").iterdir()} == {"inventory"}
    world.faults, world.unhealthy = {}, frozenset()
    assert rollout("apply", "here/plan.yml", "--dry-run").code == 0


def test_a_plan_says_with_its_exit_code_whether_there_is_work(
    rollout: Typist, plan: Path, world: World
) -> None:
    said = rollout("plan", "here/plan.yml", "--detailed-exitcode", "--json")
    assert said.code == 2
    lines = [json.loads(line) for line in said.out.splitlines()]
    assert [line["type"] for line in lines] == ["plan", *["combo"] * 2, *["wave"] * 3, "untouched"]
    (plan.parent / "inventory.yml").write_text(INVENTORY.replace("os: old", "os: new"))
    assert rollout("plan", "here/plan.yml", "--detailed-exitcode").code == 0
    said = rollout("apply", "here/plan.yml")
    assert said.code == 0
    assert said.out.endswith("nothing to do: no host is in a wave\n")


def test_a_log_that_fails_later_does_not_end_the_run(rollout: Typist, plan: Path, world: World) -> None:
    said = rollout("apply", "here/plan.yml", "--yes", "--log", "/dev/full")
    assert said.code == 0
    lost = "rollout: /dev/full cannot be written any more (No space left on device): the run goes on without its log\n"
    assert said.err == lost
    assert said.out.endswith("  a: 2 verified of 2 hosts\n  b: 1 verified of 1 host\n")
    assert plan.is_file()
    assert sum(world.done.values()) == 6


def test_events_as_json_lines_and_in_a_log(rollout: Typist, plan: Path, world: World) -> None:
    said = rollout("apply", "here/plan.yml", "--yes", "--json", "--log", "log.jsonl")
    assert said.code == 0
    lines = [json.loads(line) for line in said.out.splitlines()]
    assert lines[0]["type"] == "plan"
    assert lines[-1]["event"] == "controller-ended"
    logged = [json.loads(line) for line in Path("log.jsonl").read_text().splitlines()]
    assert [line["action"] for line in logged] == [line["event"] for line in lines if "event" in line]
    assert stat.S_IMODE(Path("log.jsonl").stat().st_mode) == 0o600


def test_a_controller_that_cannot_be_seen_is_taken_over_only_when_a_person_says_so(
    rollout: Typist, plan: Path, world: World
) -> None:
    world.faults = failing("a1")
    at = ["--journal", "here/.rollout/journal.sqlite3"]
    rollout("apply", "here/plan.yml", "--yes", "--run", "first")
    rollout("retry", "a1", *at, "--reason", "x")
    with journal.open("here/.rollout/journal.sqlite3") as book:
        book.claim("first", Owner("another boot", 1, 1, "me", "elsewhere"))
    world.faults = {}
    for words in (["apply", "here/plan.yml"], ["resume", *at]):
        said = rollout(*words)
        assert said.code == 5
        assert said.err.endswith("make sure that it is dead, then: rollout resume --take-over\n")
    assert rollout("resume", *at, "--take-over").code == 0
    with journal.open("here/.rollout/journal.sqlite3") as book:
        book.claim("first", Owner.current())
    assert rollout("resume", *at, "--take-over").code == 5, "one that lives is never taken over"


def test_units_are_beside_the_journal_and_those_of_an_earlier_run_are_not_read(
    rollout: Typist, plan: Path, world: World
) -> None:
    unit = Path("elsewhere/units/first/a1/upgrade.2")
    unit.mkdir(parents=True)
    words = ["apply", "here/plan.yml", "--yes", "--journal", "elsewhere/j.sqlite3", "--run"]
    said = rollout(*words, "first")
    assert (said.code, "holds the units of an earlier run of this name" in said.err) == (64, True)
    assert rollout(*words, "second").code == 0
    assert Path("elsewhere/units/second").is_dir()


def test_an_abort_lists_what_stays_closed(rollout: Typist, plan: Path, world: World) -> None:
    world.faults = failing("a1")
    at = ["--journal", "here/.rollout/journal.sqlite3"]
    rollout("apply", "here/plan.yml", "--yes", "--run", "first")
    with journal.open("here/.rollout/journal.sqlite3") as book:
        graph = book.graph("first")
        book.request("first", Event(Kind.ABORTED, "wrong week"))
        reach = _controller.Reach(Rehearsal(world), InlineAsker({}), {}, lambda _host: {}, unreachable)
        stop, state = _controller.control(book, "first", graph, reach, Lines(graph))
        text = ending.text("first", graph, state, stop)
    assert stop.exit_code == 3
    assert "not verified, so they stay closed to guests: a1\n" in text
    assert "then: rollout resume" not in text
    assert rollout("resume", *at).code == 64
    world.faults = {}
    said = rollout("apply", "here/plan.yml", "--yes")
    assert said.code == 0, "an aborted run is over: apply begins a new one"


@pytest.mark.parametrize("command", ["apply here/plan.yml --yes", "resume here/plan.yml"])
@pytest.mark.parametrize("budget", ["1s", "5m"])
def test_what_does_not_fit_before_the_end_of_the_controller_does_not_begin(
    rollout: Typist, plan: Path, world: World, command: str, budget: str
) -> None:
    if command.startswith("resume"):
        assert rollout("apply", "here/plan.yml", "--yes", "--max-duration", "1s").code == 75
    said = rollout(*command.split(), "--max-duration", budget)
    assert said.code == 75, said.err
    assert "time used up: " in said.out
    assert "`rollout resume` carries on" in said.out
    assert not world.began
    assert rollout("resume", "here/plan.yml", "--max-duration", "1h").code == 0


def test_a_controller_whose_time_has_come_ends_when_the_step_in_flight_has_ended(tmp_path: Path) -> None:
    """Its hosts take far longer than they were thought to."""
    steps = [replace(step, expect=0.0) for step in CHAIN]
    graph = a_graph({"a": 2}, a_plan(a_combo("a", steps=steps)))
    world = World(lambda: 0.0, duration=lambda _host, _step: 1.0)
    reach = _controller.Reach(Rehearsal(world), InlineAsker({}), {}, lambda _host: {}, unreachable)
    with journal.open(str(tmp_path / "j")) as book:
        book.create("run", graph, plan_file="plan.yml", created_by="me")
        stop, state = _controller.control(book, "run", graph, reach, Lines(graph), until=time.time() + 0.5)
    assert stop.exit_code == 75
    assert not state.open
    assert not world.began["a1", "upgrade"]


def test_a_budget_that_is_no_duration_is_refused(rollout: Typist, tmp_path: Path) -> None:
    (tmp_path / "plan.yml").write_text("")
    said = rollout("apply", "plan.yml", "--yes", "--max-duration", "55")
    assert said.code == 64
    assert '"55" is not a duration such as 30s' in said.err
