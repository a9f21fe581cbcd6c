"""status, why, hosts and events, from the journal alone."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from rollout import journal
from rollout.cli import _runs
from rollout.engine.inbox import VirtualInbox
from rollout.executors.rehearsal import World
from rollout.graph import compile_graph
from rollout.journal import Owner
from rollout.model.event import Event, Kind
from rollout.model.fleet import Fleet, Host
from rollout.model.plan import Amount, Failures, Limits
from tests.cli.worlds import Typist, a_run, failing
from tests.engine.dying import Died, DyingJournal
from tests.fleet import a_combo, a_graph, a_plan, an_engine, an_owner

ESCAPES = re.compile(r"[^\n -\ud7ff\ue000-\uffff]|[\x7f-\x9f]")


@pytest.fixture
def halted(tmp_path: Path) -> Path:
    return a_run(tmp_path, a_graph({"a": 2, "b": 2}), failing("a1"))


def test_status_says_all_that_a_person_must_know(rollout: Typist, halted: Path) -> None:
    said = rollout("status")
    assert said.code == 0
    for line in (
        "run      run",
        "begun    2023-11-14 22:13:20Z by me@here",
        "state    halted: a: 1 canary failed, 0 tolerated; nothing more begins in this combo",
        "stopped  a: 1 canary failed, 0 tolerated; nothing more begins in this combo",
        "wave  waiting  verified  held",
        "a/1   -        -         1",
        "b/2   -        1         -",
        "all   1        2         1",
        "eta      cannot be known; 1 host that a breaker stops; what waits for a/1, of which no host is verified",
        "  a1, since 2023-11-14 22:15:10Z (",
        ", forgotten?): upgrade failed: no space left on device",
        "    keeps its place in fleet",
        "    release: rollout retry a1 --reason WHY",
    ):
        assert line in said.out, line


def test_status_says_since_when_and_who_waits_for_a_dead_host(rollout: Typist, tmp_path: Path) -> None:
    limits = Limits(at_once=Amount(9), per={"rack": Amount(1)})
    plan = a_plan(a_combo("a"), waves=[Amount(1), Amount(9)], limits=limits, failures=Failures(0, 9))
    path = a_run(tmp_path, a_graph({"a": 9}, plan, racks=2), failing("a2"))
    said = rollout("status").out
    assert (
        "    keeps its place in fleet, rack=r0; 3 hosts cannot begin, for held hosts fill rack=r0\n" in said
    )
    assert "eta    cannot be known; 3 hosts behind rack=r0, which held hosts fill\n" in said
    status = json.loads(rollout("status", "--json").out)
    assert (status["held"][0]["full"], status["held"][0]["waiting"]) == (["rack=r0"], 3)
    assert status["eta"]["without"] == ["3 hosts behind rack=r0, which held hosts fill"]
    with journal.open(str(path)) as book:
        assert book.slots("run") == {"fleet": ["a2"], "rack=r0": ["a2"]}


def test_a_pause_is_told_with_its_age(rollout: Typist, tmp_path: Path) -> None:
    path = tmp_path / ".rollout" / "journal.sqlite3"
    path.parent.mkdir()
    inbox = VirtualInbox(1_700_000_000)
    with journal.open(str(path), inbox.now) as book:
        book.create("run", a_graph({"a": 2}), plan_file="plan.yml", created_by="me@here")
        book.request("run", Event(Kind.PAUSED, "lunch (me@here)"))
        an_engine(book.graph("run"), book, World(inbox.now), inbox).run()
    said = rollout("status").out
    assert "paused  since 2023-11-14 22:13:20Z (" in said
    assert ", forgotten?): lunch (me@here) (rollout resume goes on)\n" in said
    assert "; not counted: the run is paused, since 2023-11-14 22:13:20Z" in said
    assert rollout("why", "a1").out.startswith(
        "a1 (wave a/1) waits: nothing may begin: the run is paused since Tue 2023-11-14 22:13 UTC ("
    )
    assert json.loads(rollout("status", "--json").out)["paused_at"] == 1_700_000_000


def test_a_large_fleet_is_not_worked_out_unasked(
    rollout: Typist, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_runs, "SMALL", 2)
    path = tmp_path / "j"
    with journal.open(str(path)) as book:
        book.create("run", a_graph({"a": 3}), plan_file="plan.yml", created_by="me")
    assert "eta    `rollout status --journal j --eta` works it out" in rollout("status", "--journal", "j").out
    assert "eta    to finish between " in rollout("status", "--journal", "j", "--eta").out.replace(
        "finish at", "finish between"
    )


def test_status_tells_what_was_asked_and_nobody_has_read(rollout: Typist, halted: Path) -> None:
    rollout("retry", "a1", "--reason", "swapped")
    assert "retry asked for a1, not read by a controller yet: swapped" in rollout("status").out


@pytest.mark.parametrize(
    ("owner", "state"),
    [
        (Owner.current(), "running: held by "),
        (an_owner(2**22 + 1), "has died; `rollout resume` carries it on"),
        (Owner("another", 1, 1, "me", "elsewhere"), "whether it lives cannot be seen from here"),
    ],
    ids=["alive", "dead", "unknown"],
)
def test_status_says_who_holds_the_run(rollout: Typist, halted: Path, owner: Owner, state: str) -> None:
    with journal.open(str(halted)) as book:
        book.claim("run", owner)
    assert state in rollout("status").out


def test_a_run_that_nobody_has_begun(rollout: Typist, tmp_path: Path) -> None:
    path = tmp_path / "j"
    with journal.open(str(path)) as book:
        book.create("run", a_graph({"a": 2}), plan_file="plan.yml", created_by="me")
    assert "not begun: no controller has held it yet" in rollout("status", "--journal", "j").out


def test_each_command_gives_json_lines_too(rollout: Typist, halted: Path) -> None:
    (status,) = [json.loads(line) for line in rollout("status", "--json").out.splitlines()]
    assert status["hosts"] == {"waiting": 1, "verified": 2, "held": 1}
    assert status["held"][0]["host"] == "a1"
    hosts = [json.loads(line) for line in rollout("hosts", "--json", "--status", "held").out.splitlines()]
    assert [host["name"] for host in hosts] == ["a1"]
    events = [json.loads(line) for line in rollout("events", "--json").out.splitlines()]
    assert [event["seq"] for event in events] == list(range(1, len(events) + 1))
    assert {
        event["host"]
        for event in map(json.loads, rollout("events", "--json", "--host", "b1").out.splitlines())
    } == {"b1"}
    why = [json.loads(line) for line in rollout("why", "a1", "--json").out.splitlines()]
    assert why[0]["because"].startswith("a1 (wave a/1) is held since Tue 2023-11-14 22:15 UTC (")


def test_hosts_are_listed_with_where_they_stand(rollout: Typist, halted: Path) -> None:
    lines = rollout("hosts").out.splitlines()
    assert [line.split()[:3] for line in lines[1:]] == [
        ["a1", "a/1", "held"],
        ["a2", "a/2", "waiting"],
        ["b1", "b/1", "verified"],
        ["b2", "b/2", "verified"],
    ]
    assert rollout("hosts", "--status", "gone").out == "no host\n"


def test_why_says_it_in_one_sentence_and_shows_what_happened(rollout: Typist, halted: Path) -> None:
    lines = rollout("why", "a1").out.splitlines()
    assert lines[0].startswith("a1 (wave a/1) is held since Tue 2023-11-14 22:15 UTC (")
    assert lines[0].endswith(
        ", forgotten?): upgrade failed: no space left on device; it keeps its place in fleet until a person releases it; "
        "`rollout retry a1 --reason WHY` lets a1 go on, `rollout retire a1 --reason WHY` frees its place"
    )
    assert lines[2] == "last events"
    assert "HELD: upgrade failed" in lines[-1]
    assert rollout("why", "a2").out == (
        "a2 (wave a/2) waits: nothing may begin: a: 1 canary failed, 0 tolerated; nothing more begins in this combo; "
        "failed: a1: `rollout retry a1 --reason WHY` answers for it; to retire it gives it up, and what is stopped stays so\n"
    )


def test_an_unknown_host_is_answered_with_the_nearest_name(rollout: Typist, halted: Path) -> None:
    for words in (["why", "a11"], ["events", "--host", "a11"]):
        said = rollout(*words)
        assert said.code == 64
        assert "run run has no host 'a11'; did you mean 'a1'?" in said.err


def test_the_newest_run_is_shown_unless_one_is_named(rollout: Typist, tmp_path: Path, halted: Path) -> None:
    a_run(tmp_path, a_graph({"a": 1}), run="later")
    assert rollout("status").out.startswith("run    later\n")
    assert rollout("status", "--run", "run").out.startswith("run      run\n")


ODD = [
    "a b",
    "it's",
    'say "hi"',
    "\x1b[31mred\x1b[0m",
    "two\nlines",
    "[bold]x[/bold]",
    "\u202ereversed",
    "$(reboot)",
    "-rf",
]


@pytest.mark.parametrize("name", ODD)
def test_odd_names_do_no_harm(rollout: Typist, tmp_path: Path, name: str) -> None:
    hosts = (Host(name, {"hardware": "a", "os": "old", "rack": "\x1b]0;title\x07"}),)
    a_run(tmp_path, compile_graph(a_plan(a_combo("a")), Fleet(hosts), {"plan": "p"}), failing(name))
    outs = [rollout(*words).out for words in (["status"], ["hosts"], ["events"], ["why", "--", name])]
    for out in outs:
        assert out
        assert not ESCAPES.search(out)
        assert "\n lines" not in out
    assert all(json.loads(line) for line in rollout("events", "--json").out.splitlines())
    assert name in {json.loads(line).get("host") for line in rollout("events", "--json").out.splitlines()}


def test_a_reader_that_goes_away_is_no_error(halted: Path) -> None:
    command = [sys.executable, "-m", "rollout", "events", "--journal", str(halted)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout
        assert process.stderr
        process.stdout.close()
        said = process.stderr.read()
    assert (process.returncode, said) == (0, b"")


@pytest.fixture
def running(tmp_path: Path) -> Path:
    """The controller has died while `upgrade` was running on a1; its unit is beside the journal."""
    graph = a_graph({"a": 2})
    path = tmp_path / ".rollout" / "journal.sqlite3"
    inbox = VirtualInbox(1_700_000_000)
    with journal.open(str(path), inbox.now) as book:
        book.create("run", graph, plan_file=str(tmp_path / "plan.yml"), created_by="me@here")
        world = World(inbox.now, duration=lambda _host, step: 1e9 if step.name == "upgrade" else 10.0)
        with pytest.raises(Died):
            an_engine(graph, DyingJournal(book, 5, committed=True), world, inbox).run()
        assert [event.kind for event in book.events("run")][-1] is Kind.INTENDED
    return path


def test_a_long_step_is_shown_with_since_when_it_runs(rollout: Typist, running: Path) -> None:
    assert re.search(
        r"in flight, the longest first\n  a1  upgrade  since 22:13:30Z \(\d+d(\d+[hms])?\)",
        rollout("status").out,
    )
    (status,) = [json.loads(line) for line in rollout("status", "--json").out.splitlines()]
    assert status["running"] == [{"host": "a1", "step": "upgrade", "since": 1_700_000_010.0}]
    assert "\nupgrade runs since 22:13:30Z (" in rollout("why", "a1").out
    assert "last heard" not in rollout("why", "a1").out, "nothing is here to read"
    assert "runs since" not in rollout("why", "a2").out


def test_why_says_what_was_last_heard_of_a_step(rollout: Typist, running: Path) -> None:
    unit = running.parent / "units" / "run" / "a1" / "upgrade.2" / "private" / "artifacts" / "unit"
    unit.mkdir(parents=True)
    (unit.parents[1] / "inventory.json").write_text('{"_meta": {"hostvars": {}}}')
    printed = "TASK [Upgrade] ****\r\nguard: dist-upgrade has run for 62 s: Unpacking \x1b[1mlinux-image-6.12 ...\r\n\r\n"
    (unit / "stdout").write_bytes(printed.encode())
    os.utime(unit / "stdout", (1_700_000_100, 1_700_000_100))
    heard = "guard: dist-upgrade has run for 62 s: Unpacking linux-image-6.12 ..."
    assert f"; last heard 22:15:00Z: {heard}\n" in rollout("why", "a1").out
    told = [json.loads(line) for line in rollout("why", "a1", "--json").out.splitlines()]
    assert told[1]["heard"] == heard
    assert told[1]["heard_at"] == 1_700_000_100
