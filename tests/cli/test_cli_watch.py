"""`watch`: a run as somebody sees it who does not carry it."""

import json
import threading
from pathlib import Path

import pytest

from rollout import journal
from rollout.cli import watch
from rollout.engine.inbox import VirtualInbox
from rollout.executors.rehearsal import World
from rollout.journal import Owner
from tests.cli.test_cli_people import begun
from tests.cli.worlds import Typist, a_run, failing
from tests.fleet import a_graph, an_engine, an_owner


def test_a_run_that_is_over_is_told_with_its_exit_code(rollout: Typist, tmp_path: Path) -> None:
    a_run(tmp_path, a_graph({"a": 2, "b": 2}), failing("a1"))
    said = rollout("watch")
    assert said.code == 3
    assert said.out.startswith("run run:\n  a: 1 held, 1 not begun of 2 hosts")
    assert "    release: rollout retry a1 --reason WHY\n" in said.out
    assert "\nthen: rollout resume\n" in said.out


def carried(path: Path) -> None:
    inbox = VirtualInbox(1_700_000_000)
    with journal.open(str(path), inbox.now) as book:
        an_engine(book.graph("run"), book, World(inbox.now), inbox, owner=Owner.current()).run()


@pytest.mark.parametrize("as_json", [False, True])
def test_it_shows_what_happens_and_ends_with_the_run(rollout: Typist, tmp_path: Path, as_json: bool) -> None:
    path = begun(tmp_path, a_graph({"a": 2}))
    controller = threading.Timer(0.3, carried, [path])
    controller.start()
    said = rollout("watch", *(["--json"] if as_json else []))
    controller.join()
    assert said.code == 0, said.err
    lines = said.out.splitlines()
    if as_json:
        events = [json.loads(line) for line in lines]
        assert [event["seq"] for event in events[:-1]] == list(range(1, len(events)))
        assert events[-1] == {
            "type": "ended",
            "exit_code": 0,
            "because": "finished: 2 verified, 0 held, 0 not started",
        }
    else:
        assert lines[:2] == ["run run:", "  a: 2 not begun of 2 hosts"]
        assert "22:13:20Z  a1  precheck begins: its wave is open; precheck is its first step" in lines
        assert lines[-1] == "  a: 2 verified of 2 hosts"
    with journal.open(str(path)) as book:
        assert book.run("run").fence == 1, "whoever watches changes nothing"


def test_a_controller_that_has_died_ends_it(
    rollout: Typist, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watch, "GRACE", 0.0)
    path = begun(tmp_path, a_graph({"a": 2}))
    with journal.open(str(path)) as book:
        book.claim("run", an_owner(2**22 + 1))
    said = rollout("watch")
    assert said.code == 3
    assert "run run: interrupted: " in said.out
    assert said.out.endswith("\nthen: rollout resume\n")


def test_there_is_nothing_to_watch_without_a_run(rollout: Typist, tmp_path: Path) -> None:
    assert rollout("watch").code == 1
