"""--unattended: what a schedule may do, and what takes a person."""

from pathlib import Path

import pytest

from rollout import journal
from rollout.executors.rehearsal import World
from rollout.model.event import Kind
from tests.cli.worlds import Typist, a_plan_folder

JOURNAL = ".rollout/journal.sqlite3"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    a_plan_folder(tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def kinds() -> list[Kind]:
    with journal.open(JOURNAL) as book:
        return [event.kind for event in book.events(book.runs()[0].id)]


def test_it_carries_on_what_stands_and_says_who_did(rollout: Typist, world: World) -> None:
    assert rollout("apply", "plan.yml", "--yes", "--max-duration", "1s").code == 75
    typed = rollout("resume", "plan.yml", "--unattended")
    assert typed.code == 0, typed.out + typed.err
    with journal.open(JOURNAL) as book:
        taken = [event for event in book.events(book.runs()[0].id) if event.kind is Kind.TAKEN_UP]
    assert [event.data.get("unattended", False) for event in taken] == [False, True]


@pytest.mark.parametrize("words", [("resume", "plan.yml"), ("apply", "plan.yml", "--approved")])
def test_it_lifts_no_pause(rollout: Typist, world: World, words: tuple[str, ...]) -> None:
    assert rollout("apply", "plan.yml", "--yes", "--max-duration", "1s").code == 75
    assert rollout("pause", "--reason", "the storage team asked").code == 0
    typed = rollout(*words, "--unattended")
    assert typed.code == 8, typed.out + typed.err
    assert "the storage team asked" in typed.out
    assert Kind.CONTINUED not in kinds()
    assert rollout("resume", "plan.yml").code == 0


def test_where_nothing_is_left_it_is_content(rollout: Typist, world: World) -> None:
    assert rollout("resume", "plan.yml", "--unattended").code == 1, "a journal that is not there is no answer"
    assert rollout("apply", "plan.yml", "--yes").code == 0
    plan = Path("plan.yml").read_text()
    Path("other.yml").write_text(plan.replace("rollout: imagined", "rollout: other"))
    none = rollout("resume", "other.yml", "--unattended")
    assert (none.code, none.out) == (0, "nothing to carry on: no run has begun\n")
    over = rollout("resume", "plan.yml", "--unattended")
    assert over.code == 0
    assert over.out.startswith("nothing to carry on: run imagined-")


def test_a_run_that_was_aborted_is_over(rollout: Typist, world: World) -> None:
    assert rollout("apply", "plan.yml", "--yes", "--max-duration", "1s").code == 75
    assert rollout("abort", "--reason", "enough").code == 0
    assert rollout("resume", "plan.yml", "--unattended").code == 0
    assert rollout("resume", "plan.yml").code == 64


def test_nobody_vouches_for_a_death(rollout: Typist) -> None:
    typed = rollout("resume", "--unattended", "--take-over")
    assert typed.code == 64
    assert "--take-over is a person's word" in typed.err


def test_nobody_gives_a_run_up(rollout: Typist, world: World) -> None:
    assert rollout("apply", "plan.yml", "--yes", "--max-duration", "1s").code == 75
    typed = rollout("apply", "plan.yml", "--yes", "--new-run", "--unattended")
    assert typed.code == 64
    assert "--new-run is a person's word" in typed.err
    assert Kind.ABORTED not in kinds()
