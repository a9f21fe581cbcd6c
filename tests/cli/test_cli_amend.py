"""`rollout amend`: what it shows, what it refuses, and that the run goes on; an imagined world in Ansible's place."""

import json
import os
import pty
import sys
from pathlib import Path

import pytest

from rollout import journal
from rollout.cli import _compiling, _controller, amend, main, watch
from rollout.cli._screen import Lines
from rollout.engine.asking import InlineAsker
from rollout.executors.rehearsal import Rehearsal, RehearsedGate, World
from rollout.journal import Owner
from rollout.model.event import Event, Kind
from rollout.model.graph import Graph
from rollout.model.plan import Plan
from rollout.model.seams import Connection
from tests.cli.worlds import INVENTORY, PLAN, STEP, Typist, a_plan_folder, failing

AT = ("--journal", "here/.rollout/journal.sqlite3")
FILE = "here/plan.yml"


def unreachable(host: str, _variables: object) -> Connection:
    raise AssertionError(f"nothing may connect to {host}")


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    """What `apply` reaches: steps take no time, and the canary of combo a fails in its upgrade."""
    found = World(lambda: 0.0, duration=lambda _host, _step: 0.0, faults=failing("a1"))

    def imagined(graph: Graph, *_: object) -> _controller.Reach:
        gates = {gate.name: RehearsedGate(found) for gate in graph.gates}
        return _controller.Reach(Rehearsal(found), InlineAsker(gates), {}, lambda _host: {}, unreachable)

    monkeypatch.setattr(_controller, "real", imagined)
    return found


@pytest.fixture
def folder(rollout: Typist, tmp_path: Path, world: World) -> Path:
    """Of a run that has halted: a1 is held, b1 is under way, and a2 has not begun."""
    found = a_plan_folder(tmp_path / "here").parent
    assert rollout("apply", FILE, "--yes", "--run", "first").code == 3
    return found


def mend(folder: Path) -> None:
    (folder / "playbooks" / "step.yml").write_text(STEP + "# mended\n")


def plan(folder: Path, old: str, new: str) -> None:
    assert old in PLAN
    (folder / "plan.yml").write_text((folder / "plan.yml").read_text().replace(old, new))


def test_two_commands_and_the_run_goes_on(rollout: Typist, folder: Path, world: World) -> None:
    mend(folder)
    refused = rollout("resume", FILE)
    assert refused.code == 6
    assert "  playbooks/step.yml has changed\n" in refused.err
    assert "to go on with them: rollout amend here/plan.yml " in refused.err
    said = rollout("amend", FILE, "--yes", "--reason", "a typo")
    assert said.code == 0, said.err
    for line in (
        "what changes for the run\n  playbooks/step.yml has changed\n",
        "  2 hosts have begun: as planned, each in its wave; what is done stays done, what comes next is as it is written now\n",
        "  still stopped: a: 1 canary failed, 0 tolerated",
        "  held: a1; each goes on once a person answers for it: rollout retry a1 --reason WHY\n",
        "run first is amended; `rollout resume --journal here/.rollout/journal.sqlite3` carries it on\n",
    ):
        assert line in said.out, line
    world.faults = {}
    assert rollout("retry", "a1", *AT, "--reason", "mended").code == 0
    assert rollout("resume", FILE).code == 0
    assert world.done == {(host, step): 1 for host in ("a1", "a2", "b1") for step in ("precheck", "upgrade")}
    events = rollout("events", *AT).out
    assert "AMENDED: amended by " in events
    assert ": a typo\n" in events
    assert rollout("amend", FILE, "--yes").code == 64, "it is over"


def test_where_nothing_has_changed_nothing_is_written(rollout: Typist, folder: Path) -> None:
    (folder / "inventory.yml").write_text(INVENTORY + "    a9: {hw: a, os: old, rack: r3}\n")
    before = rollout("events", *AT).out
    said = rollout("amend", FILE)
    assert (said.code, said.err) == (0, "")
    assert said.out.startswith("run first: nothing has changed\n")
    assert "  not touched by this run, for it did not have them: a9; a new run takes them\n" in said.out
    assert rollout("events", *AT).out == before


def test_somebody_has_to_have_said_yes(rollout: Typist, folder: Path) -> None:
    mend(folder)
    said = rollout("amend", FILE)
    assert said.code == 7
    assert "playbooks/step.yml has changed" in said.out
    assert "then amend with --yes" in said.err
    shown = rollout("amend", FILE, "--dry-run")
    assert (shown.code, shown.out.endswith("nothing was changed (--dry-run)\n")) == (0, True)
    assert rollout("resume", FILE).code == 6


@pytest.mark.parametrize(("answer", "code"), [("y\n", 0), ("n\n", 7)])
def test_on_a_terminal_a_person_is_asked(
    rollout: Typist, folder: Path, monkeypatch: pytest.MonkeyPatch, answer: str, code: int
) -> None:
    mend(folder)
    ours, theirs = pty.openpty()
    os.write(ours, answer.encode())
    with os.fdopen(theirs, "r") as terminal:
        monkeypatch.setattr(sys, "stdin", terminal)
        said = rollout("amend", FILE)
    os.close(ours)
    assert said.code == code, said
    assert "Go on with this?" in said.out
    assert (rollout("resume", FILE).code == 6) is bool(code)


def test_a_run_that_somebody_holds_is_not_amended(rollout: Typist, folder: Path) -> None:
    mend(folder)
    with journal.open(AT[1]) as book:
        lease = book.claim("first", Owner.current())
        said = rollout("amend", FILE, "--yes")
        assert said.code == 5
        assert "stop it first" in said.err
        book.release(lease, 3, "stopped")
    assert rollout("amend", FILE, "--yes").code == 0


def test_a_plan_that_hosts_cannot_go_on_by_is_a_mistake_with_its_place(rollout: Typist, folder: Path) -> None:
    plan(folder, "- {name: precheck,", "- {name: look,")
    said = rollout("amend", FILE, "--yes")
    assert said.code == 65
    assert (
        "plan.yml:8:1: combo a has no step precheck any more, and it is the last one done on host a1;"
        in said.err
    )
    plan(folder, "factors:", "fractors:")
    assert rollout("amend", FILE, "--yes").code == 65


def test_a_host_that_the_plan_leaves_out_now_leaves_the_run_for_good(
    rollout: Typist, folder: Path, world: World
) -> None:
    """And one that has left the inventory is gone, here as with `resume`."""
    plan(
        folder,
        "  - {name: a, match: {hardware: a, os: old}",
        "  - {name: a, match: {hardware: a, os: old, rack: r1}",
    )
    plan(folder, "steps:", "otherwise: exclude\nsteps:")
    said = rollout("amend", FILE, "--yes")
    assert said.code == 0, said.err
    assert "  left out: a2: no combo matches it\n" in said.out
    assert "excluded" in rollout("hosts", *AT).out
    assert "a2 is excluded and not touched by this run: no combo matches it" in rollout("why", "a2", *AT).out
    for command in ("retry", "skip", "retire", "promote"):
        asked = rollout(command, "a2", *AT, "--reason", "why not")
        assert asked.code == 64, (command, asked)
    assert (
        "for the run was amended: no combo matches it"
        in rollout("retry", "a2", *AT, "--reason", "why not").err
    )
    report = rollout("report", FILE, "--format", "junit").out
    assert all(f'name="host {host}"' in report for host in ("a1", "a2", "b1")), "none is forgotten"
    world.faults = {}
    assert rollout("retry", "a1", *AT, "--reason", "mended").code == 0
    assert rollout("resume", FILE).code == 0
    assert ("a2", "precheck") not in world.began
    assert rollout("status", *AT).code == 0


def test_a_limit_below_what_is_in_use_lets_nothing_more_begin(
    rollout: Typist, folder: Path, world: World
) -> None:
    plan(folder, "per: {rack: 1}", "per: {rack: 2}")
    assert rollout("amend", FILE, "--yes").code == 0
    world.faults = {**failing("a1"), **failing("b1")}
    assert rollout("resume", FILE).code == 3
    plan(folder, "at_once: 2", "at_once: 1")
    said = rollout("amend", FILE, "--yes")
    assert "limit at once was 2, is 1" in said.out
    assert "limit fleet is 1 now, and 2 are in use: nothing more begins there until that fits" in said.out
    assert rollout("retry", "a1", *AT, "--reason", "mended").code == 0
    world.faults = failing("b1")
    assert rollout("resume", FILE).code == 3
    assert world.done["a1", "upgrade"] == 1, "it kept its place"
    assert ("a2", "precheck") not in world.done, "b1 fills all that is left"


def test_the_same_in_lines_of_json(rollout: Typist, folder: Path) -> None:
    mend(folder)
    said = rollout("amend", FILE, "--yes", "--json")
    assert said.code == 0
    first, *rest = map(json.loads, said.out.splitlines())
    assert (first["type"], first["run"], first["begun"], first["new"]) == ("amendment", "first", 2, [])
    assert first["credit_lost"] == {"a": ["precheck", "upgrade"], "b": ["precheck", "upgrade"]}
    assert [(one["type"], one["topic"], one["subject"]) for one in rest] == [
        ("difference", "files", "playbooks/step.yml")
    ]
    assert "is amended" in said.err
    (event,) = (
        one
        for one in map(json.loads, rollout("events", *AT, "--json").out.splitlines())
        if one["event"] == "amended"
    )
    assert (event["data"]["old"], event["data"]["new"]) == (first["digest"]["was"], first["digest"]["now"])


def test_what_was_approved_is_what_is_done(
    rollout: Typist, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody asks for something while the question is on the screen, and that changes what follows."""
    plan(
        folder,
        "  - {name: a, match: {hardware: a, os: old}",
        "  - {name: a, match: {hardware: a, os: old, rack: r1}",
    )
    plan(folder, "steps:", "otherwise: exclude\nsteps:")

    def slow(_yes: bool) -> None:
        with journal.open(AT[1]) as book:
            book.request("first", Event(Kind.SKIPPED, "not this one", "a2"))

    monkeypatch.setattr(amend, "_approve", slow)
    said = rollout("amend", FILE)
    assert said.code == 6
    assert "look again" in said.err
    with journal.open(AT[1]) as book:
        assert all(event.kind is not Kind.AMENDED for event in book.events("first"))
        assert book.run("first").owner is None


def test_a_resume_that_an_amendment_overtakes_begins_nothing(
    rollout: Typist, folder: Path, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It has read the run's graph, and has yet to take its lease."""
    world.faults = {}
    assert rollout("retry", "a1", *AT, "--reason", "mended").code == 0
    began, resolve = dict(world.began), _compiling.resolve

    def overtaken(plan: Plan) -> object:
        monkeypatch.setattr(_compiling, "resolve", resolve)
        mend(folder)
        assert main(["amend", FILE, "--yes"]) == 0
        return resolve(plan)

    monkeypatch.setattr(_compiling, "resolve", overtaken)
    said = rollout("resume", FILE)
    assert said.code == 5
    assert "was amended meanwhile" in said.err
    assert dict(world.began) == began
    with journal.open(AT[1]) as book:
        assert book.run("first").owner is None
    assert rollout("resume", FILE).code == 0


def test_who_watches_a_run_sees_it_amended_and_reads_on(
    rollout: Typist, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    mend(folder)
    with journal.open(AT[1]) as book:
        row = book.run("first")
        graph = book.graph("first")
        state = watch._state(book, row, graph)
        assert rollout("amend", FILE, "--yes", "--reason", "a typo").code == 0
        assert watch._follow(book, "first", state, Lines(graph)) is None
        assert "AMENDED: amended by " in capsys.readouterr().out
        state = watch._state(book, row, book.graph("first"))
        ended = watch._follow(book, "first", state, Lines(graph))
    assert ended is not None
    assert ended.because.endswith(": a typo; `rollout resume` carries it on")


def test_a_saved_plan_is_no_plan_to_amend_with(rollout: Typist, folder: Path) -> None:
    """What it was made of may have changed since: the files themselves are taken in."""
    mend(folder)
    assert rollout("plan", FILE, "-o", "saved.json").code == 0
    (folder / "playbooks" / "step.yml").write_text(STEP + "# mended twice\n")
    assert rollout("amend", "saved.json", "--yes").code == 6
    assert rollout("plan", FILE, "-o", "saved.json").code == 0
    assert rollout("amend", "saved.json", "--yes").code == 0


def test_an_aborted_run_is_not_amended_and_no_run_is_told(rollout: Typist, folder: Path) -> None:
    mend(folder)
    assert rollout("abort", *AT, "--reason", "fire").code == 0
    assert rollout("amend", FILE, "--yes").code == 64
    plan(folder, "rollout: imagined", "rollout: another")
    assert rollout("amend", FILE, "--yes").code == 1
