"""What a person asks of a run."""

from pathlib import Path

import pytest

from rollout import journal
from rollout.cli import _runs
from rollout.engine.inbox import StopAsked, VirtualInbox
from rollout.executors.rehearsal import World
from rollout.journal import Owner
from rollout.model.event import Event, Kind
from rollout.model.state import HostState, RunState, Status
from tests.cli.worlds import Typist, a_run, failing
from tests.fleet import a_combo, a_fleet, a_graph, a_plan, an_engine

HELD = ["retry", "resolve --as done", "resolve --as retry", "resolve --as failed", "retire"]


@pytest.fixture
def halted(tmp_path: Path) -> Path:
    """a1 is held, a2 waits for ever, b1 and b2 are verified; c1 was there already."""
    return a_run(tmp_path, a_graph({"a": 2, "b": 2}), failing("a1"))


def last(path: Path) -> Event:
    with journal.open(str(path)) as book:
        return list(book.events("run"))[-1]


@pytest.mark.parametrize(
    ("words", "kind", "data"),
    [
        ("retry a1", Kind.RETRIED, {}),
        ("resolve a1 --as done", Kind.RESOLVED, {"as": "done"}),
        ("resolve a1 --as failed", Kind.RESOLVED, {"as": "failed"}),
        ("resolve a1 --as retry", Kind.RETRIED, {}),
        ("retire a1", Kind.RETIRED, {}),
        ("retire a2", Kind.RETIRED, {}),
        ("pause", Kind.PAUSED, {}),
        ("abort", Kind.ABORTED, {}),
    ],
)
def test_a_request_is_an_event_with_who_and_why(
    rollout: Typist, halted: Path, words: str, kind: Kind, data: dict[str, str]
) -> None:
    said = rollout(*words.split(), "--reason", "the disk was swapped")
    assert said.code == 0, said.err
    event = last(halted)
    assert (event.kind, dict(event.data)) == (kind, data)
    assert event.host == (words.split()[1] if "a1" in words or "a2" in words else None)
    owner = Owner.current()
    assert event.because == f"the disk was swapped ({owner.user}@{owner.machine})"
    assert "No controller holds the run: `rollout resume` carries it on." in said.out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("retry a2", "a2 is not held: it is waiting; only a held host can be released"),
        ("retry b1", "b1 is not held: it is verified"),
        ("resolve a2 --as done", "a2 is not held: it is waiting"),
        ("retire b1", "b1 cannot be retired: it is verified already"),
        ("retry a11", "run run has no host 'a11'; did you mean 'a1'?"),
        ("retry zzz", "run run has no host 'zzz'"),
        ("retry a1 --run ran", "the journal has no run 'ran'; did you mean 'run'?"),
    ],
)
def test_a_request_that_does_not_fit_is_refused_and_says_what_the_host_is(
    rollout: Typist, halted: Path, words: str, message: str
) -> None:
    before = last(halted)
    said = rollout(*words.split(), "--reason", "x")
    assert said.code in {1, 64}
    assert message in said.err
    assert last(halted) == before


@pytest.mark.parametrize(
    ("first", "second", "status"),
    [
        ("retire a1", "resolve a1 --as done", "retired"),
        ("retire a1", "retry a1", "retired"),
        ("retire a1", "retire a1", "retired"),
        ("retry a1", "retry a1", "running"),
        ("retry a1", "resolve a1 --as failed", "running"),
    ],
)
def test_what_was_asked_before_counts_although_no_controller_has_read_it(
    rollout: Typist, halted: Path, first: str, second: str, status: str
) -> None:
    assert rollout(*first.split(), "--reason", "the first").code == 0
    asked = last(halted)
    said = rollout(*second.split(), "--reason", "the second")
    assert said.code == 64
    assert f"it is {status}" in said.err
    assert "not read by a controller yet: " in said.err
    assert "the first" in said.err
    assert last(halted) == asked
    assert [line.split()[:3] for line in rollout("hosts", "--status", status).out.splitlines()[1:]] == [
        ["a1", "a/1", status]
    ]
    assert rollout("hosts", "--status", "held").out == "no host\n"


def test_a_reason_must_say_something(rollout: Typist, halted: Path) -> None:
    said = rollout("retry", "a1", "--reason", "  ")
    assert (said.code, said.err) == (
        64,
        "rollout: --reason must say something: it is all that the next reader has\n",
    )
    assert last(halted).kind is Kind.ENDED


def test_a_host_that_no_wave_holds_is_named_with_why(rollout: Typist, tmp_path: Path) -> None:
    plan = a_plan(a_combo("a"), a_combo("b", verdict="blocked"))
    from rollout.graph import compile_graph

    a_run(tmp_path, compile_graph(plan, a_fleet({"a": 1, "b": 1}), {"plan": "p"}))
    said = rollout("retry", "b1", "--reason", "x")
    assert said.code == 64
    assert "b1 is excluded and not touched by run run: combo b is blocked: a reason" in said.err


def test_a_step_that_runs_cannot_be_retired_but_a_gate_that_is_stuck_can(
    rollout: Typist, tmp_path: Path
) -> None:
    path = a_run(tmp_path, a_graph({"a": 2}), failing("a1"))
    for is_open in (True, False):
        with journal.open(str(path)) as book:
            lease = book.claim("run", Owner.current(), force=True)
            seen = book.run("run").seq
            with book.writing(lease, seen) as writing:
                written = writing.append(Event(Kind.INTENDED, "", "a2", "precheck", 1))
                at = HostState("a2", Status.RUNNING, step="precheck", attempt=1, open=is_open)
                writing.keep(RunState(seq=written.seq), [at])
            book.release(lease, 3, "left")
        said = rollout("retire", "a2", "--reason", "x")
        assert said.code == (64 if is_open else 0)
        assert ("its step precheck is running" in said.err) == is_open


def test_a_living_controller_reads_it_by_itself(rollout: Typist, halted: Path) -> None:
    with journal.open(str(halted)) as book:
        book.claim("run", Owner.current())
    assert "reads it within a second or two" in rollout("pause", "--reason", "x").out


def test_an_aborted_run_is_asked_nothing_but_what_becomes_of_its_hosts(rollout: Typist, halted: Path) -> None:
    assert rollout("abort", "--reason", "wrong week").code == 0
    for words in (["abort"], ["pause"]):
        said = rollout(*words, "--reason", "x")
        assert said.code == 64
        assert "aborted" in said.err
        assert "wrong week" in said.err
    assert rollout("resume").code == 64
    for words in (["resolve", "a1", "--as", "failed"], ["retire", "a1"]):
        assert rollout(*words, "--reason", "x").code == 0
    with journal.open(str(halted)) as book:
        assert not _runs.is_finished(book, book.run("run")), "a request is there to be carried out"


def test_an_aborted_run_whose_hosts_are_on_their_way_is_not_over_yet(tmp_path: Path) -> None:
    graph, inbox = a_graph({"a": 2}), VirtualInbox(1_700_000_000)
    with journal.open(str(tmp_path / "journal.sqlite3"), inbox.now) as book:
        book.create("run", graph, plan_file="plan.yml", created_by="me")
        inbox.post(StopAsked(130, "stopped safely"), after=1.0)
        stopped = an_engine(graph, book, World(inbox.now), inbox, run="run").run()
        assert (stopped.exit_code, [host.name for host in book.hosts("run", Status.RUNNING)]) == (130, ["a1"])
        book.request("run", Event(Kind.ABORTED, "wrong week"))
        assert not _runs.is_finished(book, book.run("run"))
        assert an_engine(graph, book, World(inbox.now), inbox, run="run").run().exit_code == 3
        assert _runs.is_finished(book, book.run("run"))


def test_a_run_that_is_over_is_not_paused(rollout: Typist, tmp_path: Path) -> None:
    a_run(tmp_path, a_graph({"a": 2}))
    for word in ("pause", "abort"):
        said = rollout(word, "--reason", "x")
        assert said.code == 64
        assert "run run is over: finished: 2 verified" in said.err
    assert rollout("resume").code == 0


def test_the_commands_that_are_printed_find_the_journal(
    rollout: Typist, halted: Path, tmp_path: Path
) -> None:
    moved = tmp_path / "else where" / "j.sqlite3"
    moved.parent.mkdir()
    halted.rename(moved)
    said = rollout("status", "--journal", "else where/j.sqlite3")
    assert "rollout retry a1 --journal 'else where/j.sqlite3' --reason WHY" in said.out
    said = rollout("retry", "a1", "--journal", "else where/j.sqlite3", "--reason", "x")
    assert "`rollout resume --journal 'else where/j.sqlite3'`" in said.out


def test_the_journal_can_be_named_once_for_all(
    rollout: Typist, halted: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    moved = halted.rename(tmp_path / "j.sqlite3")
    monkeypatch.setenv("ROLLOUT_JOURNAL", str(moved))
    assert "rollout retry a1 --reason WHY" in rollout("status").out
