"""`rollout rollback`: what it asks, whom it refuses, and what comes of it when the run is carried on."""

from pathlib import Path

import pytest

from rollout import journal
from rollout.cli import _runs
from rollout.engine.inbox import StopAsked, VirtualInbox
from rollout.executors.rehearsal import World
from rollout.model.chain import UNDO, Step
from rollout.model.event import Event, Kind
from rollout.model.graph import Graph
from rollout.model.state import HostState
from rollout.report.saved import from_text
from tests.cli.worlds import Typist, a_plan_folder, a_run, failing
from tests.fleet import CHAIN, a_combo, a_graph, a_plan, an_engine

WHY = ("--reason", "it is slow")


def an_undo(of: str, *, once: bool = False) -> Step:
    return Step(UNDO + of, playbook="undo.yml", of=of, once=once)


CHAIN_BACK = (
    Step("drain", drain="playbook", playbook="drain.yml", undo=an_undo("drain")),
    Step("upgrade", playbook="upgrade.yml", once=True, undo=an_undo("upgrade", once=True)),
    Step(
        "restore",
        reopen="playbook",
        playbook="restore.yml",
        closes=("drain",),
        undo=Step(f"{UNDO}restore", drain="playbook", playbook="drain.yml", of="restore"),
    ),
)
"""All of it can be taken back."""


@pytest.fixture
def graph() -> Graph:
    """Hosts of a walk back; those of b cannot, once they are upgraded."""
    return a_graph({"a": 3, "b": 1}, a_plan(a_combo("a", steps=CHAIN_BACK), a_combo("b", steps=CHAIN)))


@pytest.fixture
def over(tmp_path: Path, graph: Graph) -> Path:
    """A run that is finished: every host is verified."""
    return a_run(tmp_path, graph)


def asked(path: Path) -> list[str | None]:
    with journal.open(str(path)) as book:
        return [event.host for event in book.events("run") if event.kind is Kind.ROLLBACK]


def carried_on(path: Path, graph: Graph) -> dict[str, HostState]:
    """The hosts after a next controller; it begins only if `rollout resume` would."""
    inbox = VirtualInbox(1_800_000_000)
    with journal.open(str(path), inbox.now) as book:
        assert not _runs.is_finished(book, book.run("run"))
        engine = an_engine(graph, book, World(inbox.now), inbox)
        engine.run()
        assert _runs.is_finished(book, book.run("run"))
        return engine.state.hosts


def test_a_host_of_a_finished_run_is_asked_for_and_the_next_controller_takes_it_back(
    rollout: Typist, over: Path, graph: Graph
) -> None:
    said = rollout("rollback", "--host", "a2", *WHY)

    assert said.code == 0, said.err
    assert said.out.splitlines() == [
        "a2: rollback asked: restore, upgrade, drain are undone",
        "No controller holds the run: `rollout resume` carries it on.",
    ]
    hosts = carried_on(over, graph)
    assert (hosts["a2"].status, hosts["a2"].effects) == ("rolled-back", [])
    assert [hosts[name].status for name in ("a1", "a3", "b1")] == ["verified"] * 3
    assert "1 rolled back" in rollout("status").out
    assert "rolled-back" in rollout("hosts").out


def test_several_hosts_and_a_wave_are_asked_for_one_by_one(rollout: Typist, over: Path, graph: Graph) -> None:
    assert rollout("rollback", "--host", "a1", "--host", "a1", *WHY).code == 0
    said = rollout("rollback", "--wave", "a/2", *WHY)

    assert said.code == 0, said.err
    assert asked(over) == ["a1", "a2", "a3"]
    assert {host.status for name, host in carried_on(over, graph).items() if name != "b1"} == {"rolled-back"}


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("", "rollback wants either --host (once or several times) or --wave"),
        ("--host a1 --wave a/1", "rollback wants either --host (once or several times) or --wave"),
        ("--wave a/3", "there is no wave 'a/3' in this run; did you mean a/2?"),
        ("--wave zzz", "there is no wave 'zzz' in this run: it has a/1, a/2, b/1"),
        ("--host a11", "run run has no host 'a11'; did you mean 'a1'?"),
        ("--host zzz", "run run has no host 'zzz'"),
        ("--host b1", "b1 cannot be rolled back: upgrade has begun, names no undo, and no snapshot is kept from before it"),
        ("--wave b/1", "b1 cannot be rolled back: upgrade has begun"),
        ("--host a1 --host b1", "b1 cannot be rolled back: upgrade has begun"),
    ],
)  # fmt: skip
def test_who_cannot_be_taken_back_is_refused_and_nobody_is_asked_for(
    rollout: Typist, over: Path, words: str, message: str
) -> None:
    said = rollout("rollback", *words.split(), *WHY)
    assert said.code in {1, 64}
    assert message in said.err
    assert asked(over) == []


def test_a_reason_must_say_something(rollout: Typist, over: Path) -> None:
    assert rollout("rollback", "--host", "a1", "--reason", " ").code == 64
    assert rollout("rollback", "--host", "a1").code == 64
    assert asked(over) == []


def test_it_is_asked_once(rollout: Typist, over: Path, graph: Graph) -> None:
    assert rollout("rollback", "--host", "a1", *WHY).code == 0
    again = rollout("rollback", "--host", "a1", *WHY)
    assert (again.code, "a1 walks back already: it is slow (" in again.err) == (64, True)
    carried_on(over, graph)
    late = rollout("rollback", "--host", "a1", *WHY)
    assert (late.code, "a1 cannot be rolled back: it is rolled-back" in late.err) == (64, True)
    assert asked(over) == ["a1"]


def test_a_host_that_has_not_begun_has_nothing_to_take_back(
    rollout: Typist, tmp_path: Path, graph: Graph
) -> None:
    path = a_run(tmp_path, graph, failing("a1", "drain"))
    alone = rollout("rollback", "--host", "a2", *WHY)
    assert (alone.code, "a2 has not begun: there is nothing to take back" in alone.err) == (64, True)
    wave = rollout("rollback", "--wave", "a/2", *WHY)
    assert (wave.code, "no host of a/2 has begun: there is nothing to take back" in wave.err) == (64, True)
    assert asked(path) == []


def test_a_failed_undo_holds_the_host_and_a_retry_goes_on_with_the_way_back(
    rollout: Typist, over: Path, graph: Graph
) -> None:
    rollout("rollback", "--host", "a1", *WHY)
    inbox = VirtualInbox(1_800_000_000)
    with journal.open(str(over), inbox.now) as book:
        engine = an_engine(graph, book, World(inbox.now, faults=failing("a1", "undo-upgrade")), inbox)
        engine.run()
        held = engine.state.hosts["a1"]
    assert (held.status, held.effects) == ("held", ["drain", "upgrade"])
    assert "no space left on device" in rollout("status").out

    assert rollout("retry", "a1", "--reason", "made room").code == 0
    assert carried_on(over, graph)["a1"].status == "rolled-back"


def test_a_host_that_was_taken_back_begins_anew_when_a_person_says_so(
    rollout: Typist, over: Path, graph: Graph
) -> None:
    rollout("rollback", "--host", "a1", *WHY)
    assert carried_on(over, graph)["a1"].status == "rolled-back"
    said = rollout("retry", "a1", "--reason", "a newer kernel is there")
    assert (said.code, "from the beginning, if it was rolled back" in said.out) == (0, True), said.err
    assert carried_on(over, graph)["a1"].status == "verified"


def test_a_host_of_an_aborted_run_may_be_taken_back(rollout: Typist, tmp_path: Path, graph: Graph) -> None:
    path = a_run(tmp_path, graph, failing("a1", "restore"))
    with journal.open(str(path)) as book:
        book.request("run", Event(Kind.ABORTED, "wrong week"))
    inbox = VirtualInbox(1_800_000_000)
    with journal.open(str(path), inbox.now) as book:
        an_engine(graph, book, World(inbox.now), inbox).run()
    assert rollout("resume").code == 64

    said = rollout("rollback", "--host", "a1", *WHY)

    assert "a1: rollback asked: restore, upgrade, drain are undone" in said.out
    assert carried_on(path, graph)["a1"].status == "rolled-back"
    assert "wrong week" in rollout("resume").err


def test_a_run_that_has_left_something_open_is_not_given_up_for_a_new_one(
    rollout: Typist, tmp_path: Path
) -> None:
    """The new run would take a drained host for one that was found so."""
    plan = a_plan_folder(tmp_path)
    plan.write_text(
        plan.read_text().replace(
            "playbook: playbooks/step.yml, expect: 1m",
            "playbook: playbooks/step.yml, undo: playbooks/step.yml",
        )
    )
    rollout("plan", str(plan), "-o", str(tmp_path / "saved.json"))
    saved = from_text((tmp_path / "saved.json").read_text(), "saved.json")
    assert saved is not None
    path = tmp_path / ".rollout" / "journal.sqlite3"
    inbox = VirtualInbox(1_700_000_000)
    with journal.open(str(path), inbox.now) as book:
        book.create("run", saved.graph, plan_file=str(plan), created_by="me@here")
        inbox.post(StopAsked(130, "stopped safely"), after=1.0)
        an_engine(saved.graph, book, World(inbox.now), inbox, run="run").run()
    said = rollout("apply", str(plan), "--new-run", "--yes")
    assert said.code == 64
    assert "has left something open on a1" in said.err
